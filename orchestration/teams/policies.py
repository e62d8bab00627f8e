"""What a layer's team may do, as IAM policies: the actions that `rights.json` lists, on the layer's own resources.

Every action is named, and every resource that has a name. What AWS names itself (keys, networks, certificates) is told
by its tag `Environment`, where IAM knows tags of it. What stays open is listed in docs/ownership.md.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration.teams.beside import BESIDE, LINKED
from orchestration.teams.targets import TeamTargets
from shared import naming
from shared.contracts import LAYERS, layer_of
from shared.errors import Problem
from shared.roles import ROLES
from shared.stack import Stack

if TYPE_CHECKING:
    from shared.environment import Environment
    from shared.naming import Kind

RIGHTS: Final = Path(__file__).with_name("rights.json")
LONGEST_POLICY: Final = 6144
"""Characters of a managed policy, white space left out (IAM User Guide, "IAM and AWS STS quotas")."""
MOST_POLICIES: Final = 10
"""Managed policies of one role, unless AWS is asked for more (the same page)."""
PLAN: Final = "plan"
DRIFT: Final = "drift"
HOW: Final = ("recorded", "declared", "read")
SECRET: Final = frozenset({"secretsmanager:GetSecretValue"})
"""Reads of the layers' own secrets, which a plan can do without and a comparison cannot."""
TAGGED: Final = ("arn:aws:ec2:", "arn:aws:kms:", "arn:aws:acm:")
"""Services whose resources have ids of AWS's, and whose tags IAM knows."""
UNTAGGED: Final = ":network-interface/*"
"""Of those services' resources: what Lambda makes in a VPC has no tags of ours."""
NEW_OR_OURS: Final = ("Create", "Authorize", "Revoke", "Associate", "Attach", "Replace", "AddTags", "Tag")
"""What is also done to something that has no tags yet; AWS makes a VPC's default security group without any."""
USES: Final = frozenset(
    f"kms:{each}"
    for each in (
        *("CreateGrant", "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        *("ReEncryptFrom", "ReEncryptTo", "RetireGrant"),
    )
)
"""Uses of a key: through a service of AWS alone, never by themselves."""
PASSED: Final[Mapping[str, tuple[tuple[Kind, str], ...]]] = {
    "network": ((naming.FLOW_LOG_ROLE, "vpc-flow-logs.amazonaws.com"),),
    "data": ((naming.REPLICATION_ROLE, "s3.amazonaws.com"),),
    "compute": tuple(
        (kind, "lambda.amazonaws.com")
        for kind in (naming.PAYMENT_FUNCTION, naming.HEALTH_FUNCTION, naming.AUDIT_FUNCTION)
    ),
    "edge": ((naming.FAILOVER_CONTROL_FUNCTION, "lambda.amazonaws.com"),),
    "observability": ((naming.CANARY_FUNCTION, "lambda.amazonaws.com"), (naming.CANARY_ROLE, "lambda.amazonaws.com")),
    "vault": ((naming.BACKUP_ROLE, "backup.amazonaws.com"), (naming.RESTORE_ROLE, "backup.amazonaws.com")),
}
"""The roles that a layer gives to a service (IAM User Guide, "Grant a user permissions to pass a role")."""
KEPT_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    "observability": (
        "arn:aws:cloudwatch:{region}:{account}:alarm:{GREY_FAILURES.regional}",
        "arn:aws:cloudwatch:{region}:{account}:alarm:{VAULT_COPIES_ALARM.regional}",
    ),
}
"""What a pattern of names would let a team change and is another's: edge's alarms gate the primary."""
READS: Final = ("Describe", "Get", "List")

_ANY: Final = "*"

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class StateStore:
    """Where the stacks are kept on AWS: a bucket, and the key of KMS that encrypts their secrets (`awskms`)."""

    bucket: str
    key: str = ""
    """Its ARN; empty: a passphrase is used."""
    passphrase: str = ""
    """The ARN of the secret that keeps it."""
    prefix: str = ""
    """The folder in the bucket, as of `s3://bucket/folder`; empty: none."""


def rights() -> Mapping[str, Any]:
    """The file, by layer. Raises Problem for one that is none, as in the middle of a merge."""
    try:
        found: Mapping[str, Any] = json.loads(RIGHTS.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise Problem(f"{RIGHTS}: cannot be read ({said}): put back what was committed, or make it again") from None
    return found


def statements(environment: Environment, account: str, layer: str, store: StateStore | None = None) -> list[Statement]:
    """What one layer's team may do."""
    targets = TeamTargets(environment, account)
    beside = [(tuple(patterns), action) for actions, patterns in BESIDE.get(layer, ()) for action in actions]
    found = list(_granted(targets, [*_groups(rights()[layer]), *beside]))
    found += [
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": sorted(targets.arns(f"arn:aws:iam::{{account}}:role/{{{_constant(kind)}.{_where(kind)}}}")),
            "Condition": {"StringEquals": {"iam:PassedToService": service}},
        }
        for kind, service in PASSED[layer]
    ]
    if services := LINKED.get(layer):
        linked = [f"arn:aws:iam::{account}:role/aws-service-role/{each}/*" for each in services]
        theirs = {"StringEquals": {"iam:AWSServiceName": list(services)}}
        found.append(
            {"Effect": "Allow", "Action": ["iam:CreateServiceLinkedRole"], "Resource": linked, "Condition": theirs}
        )
    if layer in KEPT_FROM:
        kept = sorted(arn for pattern in KEPT_FROM[layer] for arn in targets.arns(pattern))
        service = kept[0].split(":")[2]
        named = {action for each in found for action in each["Action"] if action.startswith(f"{service}:")}
        changes = sorted(each for each in named if not each.partition(":")[2].startswith(READS))
        found.append({"Effect": "Deny", "Action": changes, "Resource": kept})
    return found + (states(environment, layer, store) if store else [])


def looking(
    environment: Environment, account: str, *, secrets: bool, store: StateStore | None = None
) -> list[Statement]:
    """What a plan needs of all layers: reads. A comparison with the cloud reads the layers' own secrets too."""
    targets, found = TeamTargets(environment, account), rights()
    groups = [
        (tuple(group["resources"]), action)
        for layer in teams(environment)
        for how in HOW
        for group in found[layer][how]
        for action in group["actions"]
        if action in found[PLAN] and (secrets or action not in SECRET)
    ]
    granted = list(_granted(targets, groups))
    return granted + (states(environment, DRIFT if secrets else PLAN, store) if store else [])


def documents(statements: Iterable[Statement]) -> list[dict[str, Any]]:
    """Policies of these statements, the same ones each time, each within what IAM takes. Raises Problem."""
    found: list[list[Statement]] = [[]]
    for each in [part for statement in statements for part in _parts(statement)]:
        if _length([*found[-1], each]) > LONGEST_POLICY:
            found.append([])
        found[-1].append(each)
    if len(found) > MOST_POLICIES:
        raise Problem(f"{len(found)} policies are more than the {MOST_POLICIES} that IAM attaches to a role")
    return [{"Version": "2012-10-17", "Statement": each} for each in found]


def teams(environment: Environment) -> list[str]:
    """The layers that an environment has."""
    return [*LAYERS, *environment.aside]


def _groups(found: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    return [(tuple(each["resources"]), action) for how in HOW for each in found[how] for action in each["actions"]]


def _granted(targets: TeamTargets, groups: Iterable[tuple[tuple[str, ...], str]]) -> Iterator[Statement]:
    """Statements of actions that have the same resources under the same condition."""
    about: dict[str, set[str]] = defaultdict(set)
    for patterns, action in groups:
        about[action] |= {arn for pattern in patterns for arn in targets.arns(pattern)}
    merged: dict[tuple[tuple[str, ...], str, bool], set[str]] = defaultdict(set)
    for action, arns in about.items():
        for asks, some in _by_condition(action, {_ANY} if _ANY in arns else arns).items():
            merged[tuple(sorted(some)), asks, action in USES].add(action)
    for (resources, asks, uses), actions in sorted(merged.items()):
        made: dict[str, Any] = {"Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
        condition: dict[str, Mapping[str, str]] = {}
        if asks:
            condition[asks] = {"aws:ResourceTag/Environment": targets.environment.label}
        if uses:
            condition["StringLike"] = {"kms:ViaService": "*.amazonaws.com"}
        yield {**made, "Condition": condition} if condition else made


def _by_condition(action: str, arns: set[str]) -> dict[str, set[str]]:
    """The ARNs by the operator that asks for the environment's tag; empty: for none."""
    operation = action.partition(":")[2]
    asks = "StringEqualsIfExists" if operation.startswith(NEW_OR_OURS) else "StringEquals"
    found: dict[str, set[str]] = defaultdict(set)
    for arn in arns:
        tagged = arn.startswith(TAGGED) and arn.endswith("/*") and not arn.endswith(UNTAGGED)
        found[asks if tagged else ""].add(arn)
    return found


def _parts(statement: Statement) -> Iterator[Statement]:
    """A statement, or halves of it, each short enough for a policy of its own."""
    if _length([statement]) <= LONGEST_POLICY:
        yield statement
        return
    longer = max(("Action", "Resource"), key=lambda each: len(json.dumps(statement[each])))
    many: Sequence[str] = statement[longer]
    if len(many) == 1:
        raise Problem(f"{many[0]} is longer than a policy may be")
    half = len(many) // 2
    for some in (many[:half], many[half:]):
        yield from _parts({**statement, longer: some})


def _length(found: Sequence[Statement]) -> int:
    return len(json.dumps({"Version": "2012-10-17", "Statement": found}, separators=(",", ":")))


def _constant(kind: Kind) -> str:
    return next(name for name, value in vars(naming).items() if value is kind)


def _where(kind: Kind) -> str:
    """Whether a role is there once, or in each region."""
    once = {naming.REPLICATION_ROLE, naming.BACKUP_ROLE, naming.RESTORE_ROLE}
    return "once" if kind in once else "regional"


def states(environment: Environment, layer: str, store: StateStore) -> list[Statement]:
    """The stacks' objects, and the key or the passphrase of their secrets.

    Pulumi's layout of a bucket: stacks/, history/, backups/ and locks/ below .pulumi/ (pulumi/pulumi,
    pkg/backend/diy). A team writes what is its own layer's, and reads all: a deployment of one layer looks at where
    the others are, how they keep secrets, what they read of it, who works on them, whether clients are served; a plan
    at what gets stale. A comparison with the cloud locks them meanwhile, as the engine does up to 3.228.
    """
    kept = f"arn:aws:s3:::{'/'.join(filter(None, [store.bucket, store.prefix]))}/.pulumi"
    every = [stack for each in teams(environment) for stack in stacks(environment, each)]
    read = [f"{kept}/stacks/{stack.layer}/{stack.name}.*" for stack in every]
    read += [f"{kept}/history/{stack.layer}/{stack.name}/*" for stack in every]
    read += [f"{kept}/locks/{stack.reference}/*" for stack in every]
    found: list[Statement] = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{store.bucket}"]},
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": sorted({*read, f"{kept}/meta.yaml"})},
    ]
    for stack in () if layer in {PLAN, DRIFT} else stacks(environment, layer):
        own = [f"{kept}/stacks/{layer}/{stack.name}.*"]
        own += [f"{kept}/{folder}/{layer}/{stack.name}/*" for folder in ("backups", "history", "locks/organization")]
        found.append(
            {"Effect": "Allow", "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], "Resource": own}
        )
    if layer == DRIFT:
        locks = sorted(f"{kept}/locks/{stack.reference}/*" for stack in every)
        found.append({"Effect": "Allow", "Action": ["s3:DeleteObject", "s3:PutObject"], "Resource": locks})
    if store.key:
        writing = {PLAN: [], DRIFT: ["kms:GenerateDataKey"]}.get(layer, ["kms:Encrypt", "kms:GenerateDataKey"])
        actions = ["kms:Decrypt", *writing]
        found.append({"Effect": "Allow", "Action": actions, "Resource": [store.key]})
    if store.passphrase:
        found.append({"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [store.passphrase]})
    return found


def stacks(environment: Environment, layer: str) -> list[Stack]:
    """A layer's stacks."""
    name = environment.foundation().name
    return [Stack(layer, name, role) for role in ROLES] if layer_of(layer).regional else [Stack(layer, name)]
