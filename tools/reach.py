"""What somebody who has stolen a role reaches: `python -m tools.reach` writes it into docs/least-privilege.md.

With the role's credentials every operation of the API models of the services in use is asked of the deployed sandbox,
about resources of ours and of somebody else's in the account. What is not refused for want of a right is reached: also
what fails for another reason, as IAM decides first. It changes what it reaches: use a sandbox that nobody needs.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pkgutil
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import Aws
from orchestration.bootstrap.team_role import TeamRoleStep
from orchestration.teams import roles
from sandbox.provider import aws as declared
from sandbox.provider.resource import TYPES
from sandbox.variables import CREDENTIALS, OPERATOR_CREDENTIALS
from shared import fence, naming, stop_switch
from shared.environment import Environment
from shared.roles import PRIMARY, ROLES, SECONDARY, Role
from shared.root import ROOT

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

    from shared.naming import Kind

DOCUMENT: Final = ROOT / "docs" / "least-privilege.md"
LISTS: Final = re.compile(r"(<!-- python -m tools\.reach: ([a-z-]+) -->\n```\n)(.*?)(```\n)", re.DOTALL)
ALSO: Final = ("ssm", "sts")
"""Services that functions and operators ask, and no stack has resources of."""
GLOBAL: Final = frozenset({"iam", "route53"})
REFUSED: Final = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"),
        *("UnauthorizedOperation", "UnauthorizedException", "Forbidden", "ForbiddenException", "403"),
    }
)
AT_ONCE: Final = 4
SOMEBODYS: Final = "somebody-elses"
"""The name of what is in the account and none of ours."""
KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
LEAK: Final = f"""
import os

def handler(event, context):
    return {{name: os.environ[name] for name in {KEYS}}}
"""


@dataclass(frozen=True)
class TriedAction:
    """One request that a thief makes. `about` says of what, in words that are the same for each deployment."""

    service: str
    operation: str
    region: str
    about: str
    parameters: Mapping[str, Any] = field(hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.region} {self.service}:{self.operation} {self.about}".rstrip()


@dataclass(frozen=True)
class ReachTarget:
    """A resource, as members of requests name it. A member `Operation.Member` is meant for that operation alone."""

    about: str
    named: Mapping[str, Any]


@dataclass(frozen=True)
class Loot:
    """A stolen role: its purpose, and clients with its credentials."""

    purpose: str
    home: str
    """The region in which it works."""
    credentials: Mapping[str, str]


@dataclass
class ReachedDeployment:
    """A deployed environment in a sandbox, as its administrator sees it."""

    environment: Environment
    endpoint: str
    _clients: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def client(self, service: str, region: str, credentials: Mapping[str, str] = CREDENTIALS) -> Any:
        """A client that asks once."""
        import boto3  # noqa: PLC0415 - a third of a second
        from botocore.config import Config  # noqa: PLC0415

        key = (service, region, credentials["AWS_ACCESS_KEY_ID"])
        if key not in self._clients:
            self._clients[key] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                config=Config(
                    parameter_validation=False,
                    inject_host_prefix=False,
                    read_timeout=120,
                    retries={"max_attempts": 0},
                    max_pool_connections=AT_ONCE,
                    s3={"addressing_style": "path"},
                ),
                **{name.lower(): value for name, value in credentials.items()},
            )
        return self._clients[key]

    def name(self, kind: Kind, role: Role | None = None) -> str:
        """A physical name."""
        return self.environment.foundation().names.of(kind, role, account=self.account)

    @property
    def account(self) -> str:
        """The account's id."""
        return str(self.client("sts", self.environment.region(SECONDARY)).get_caller_identity()["Account"])

    def loot(self, purpose: str) -> Loot:
        """Steal a role: a function's by code of ours in it, the operators' or a team's with the keys of one of them."""
        if purpose == naming.OPERATIONS_ROLE.purpose:
            external = {"ExternalId": self.environment.edge.operations.external_id}
            return self._taken_on(purpose, self.name(naming.OPERATIONS_ROLE), **external)
        if purpose == TEAM:
            return self._taken_on(purpose, self._team_role())
        kind, role = STOLEN[purpose]
        region = self.environment.region(role)
        functions, function = self.client("lambda", region), {"FunctionName": self.name(kind, role)}
        handler = functions.get_function_configuration(**function)["Handler"]
        package = _download(functions.get_function(**function)["Code"]["Location"])
        module, _, _ = handler.rpartition(".")
        functions.update_function_code(**function, ZipFile=_packed(module, LEAK))
        try:
            return Loot(purpose, region, json.loads(functions.invoke(**function)["Payload"].read()))
        finally:
            functions.update_function_code(**function, ZipFile=package)

    def _taken_on(self, purpose: str, name: str, **said: str) -> Loot:
        region = self.environment.region(SECONDARY)
        taken = self.client("sts", region, OPERATOR_CREDENTIALS).assume_role(
            RoleArn=f"arn:aws:iam::{self.account}:role/{name}", RoleSessionName="thief", **said
        )["Credentials"]
        fields = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return Loot(purpose, region, {name: taken[told] for name, told in zip(KEYS, fields, strict=True)})

    def _team_role(self) -> str:
        """Make the role of one team, for the operator to take on."""
        account, takers = self.account, roles.Takers(people=("user/payments-operator",))
        stolen = roles.role(self.environment, account, TEAM_LAYER, takers)
        aws = Aws({**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint})
        TeamRoleStep(aws, account, stolen).make()
        return stolen.name

    def targets(self, service: str, role: Role) -> list[ReachTarget]:
        """What there is of a service in the region of `role`: ours, and somebody else's."""
        found = getattr(self, f"_{service.replace('-', '_')}", None)
        return list(found(role)) if found else []

    def _dynamodb(self, _: Role) -> Iterator[ReachTarget]:
        for table in (self.name(naming.PAYMENTS_TABLE), SOMEBODYS):
            for item in (fence.PARTITION, "pay_x") if table != SOMEBODYS else ("x",):
                key = {"pk": {"S": item}, "sk": {"S": "x"}}
                yield ReachTarget(
                    f"{table} {item}",
                    {
                        "TableName": table,
                        "Key": key,
                        "Item": key,
                        "KeyConditionExpression": "pk = :pk",
                        "ExpressionAttributeValues": {":pk": {"S": item}},
                        "BatchGetItem.RequestItems": {table: {"Keys": [key]}},
                        "BatchWriteItem.RequestItems": {table: [{"DeleteRequest": {"Key": key}}]},
                        "TransactGetItems.TransactItems": [{"Get": {"TableName": table, "Key": key}}],
                        "TransactWriteItems.TransactItems": [{"Put": {"TableName": table, "Item": key}}],
                        "ExecuteStatement.Statement": f'SELECT * FROM "{table}"',  # noqa: S608 - a thief's
                    },
                )

    def _s3(self, role: Role) -> Iterator[ReachTarget]:
        objects = {
            self.name(naming.AUDIT_BUCKET, role): ("payments/x", "canary/x", "notifications/x", "x"),
            self.name(naming.AUDIT_ACCESS_BUCKET, role): ("audit/x",),
            self.name(naming.ARTIFACT_BUCKET, role): ("results/x",),
            SOMEBODYS: ("x",),
        }
        if role == SECONDARY:
            objects[self.name(naming.STOP_SWITCH_BUCKET, role)] = (stop_switch.KEY, "x")
        for bucket, keys in objects.items():
            yield ReachTarget(bucket, {"Bucket": bucket})
            for key in keys:
                named = {"Bucket": bucket, "Key": key, "Body": b"x", "CopySource": f"{bucket}/{key}"}
                yield ReachTarget(f"{bucket} {key}", named)
            deleted = {"DeleteObjects.Delete": {"Objects": [{"Key": each} for each in keys]}}
            yield ReachTarget(f"{bucket} its objects", {"DeleteObjects.Bucket": bucket, **deleted})

    def _secretsmanager(self, _: Role) -> Iterator[ReachTarget]:
        for secret in (self.name(naming.API_KEYS_SECRET), self.name(naming.DATABASE_SECRET), SOMEBODYS):
            yield ReachTarget(secret, {"SecretId": secret, "SecretIdList": [secret]})

    def _ssm(self, _: Role) -> Iterator[ReachTarget]:
        folder = self.name(naming.PARAMETERS)
        for name in (
            *(f"{folder}/{each}" for each in ("endpoint", "peer-endpoint", "api-keys-secret")),
            f"/{SOMEBODYS}",
        ):
            decrypted = {"WithDecryption": True}
            yield ReachTarget(name, {"Name": name, "Names": [name], "Path": name, "ResourceId": name, **decrypted})

    def _kms(self, role: Role) -> Iterator[ReachTarget]:
        for alias in (self.name(naming.DATA_KEY), f"alias/{SOMEBODYS}"):
            described = self.client("kms", self.environment.region(role)).describe_key(KeyId=alias)
            yield ReachTarget(alias, {"KeyId": described["KeyMetadata"]["Arn"], "AliasName": alias})

    def _lambda(self, role: Role) -> Iterator[ReachTarget]:
        for kind in (naming.PAYMENT_FUNCTION, naming.AUDIT_FUNCTION):
            yield ReachTarget(self.name(kind, role), {"FunctionName": self.name(kind, role)})
        yield ReachTarget(SOMEBODYS, {"FunctionName": SOMEBODYS})

    def _sqs(self, role: Role) -> Iterator[ReachTarget]:
        for queue in (self.name(naming.NOTIFICATION_QUEUE, role), self.name(naming.DEAD_LETTER_QUEUE, role), SOMEBODYS):
            url = self.client("sqs", self.environment.region(role)).get_queue_url(QueueName=queue)["QueueUrl"]
            yield ReachTarget(queue, {"QueueUrl": url, "QueueName": queue, "SourceArn": self._arn("sqs", role, queue)})

    def _sns(self, role: Role) -> Iterator[ReachTarget]:
        for topic in (self.name(naming.NOTIFICATION_TOPIC, role), SOMEBODYS):
            arn = self._arn("sns", role, topic)
            yield ReachTarget(topic, {"TopicArn": arn, "ResourceArn": arn, "Name": topic})

    def _logs(self, role: Role) -> Iterator[ReachTarget]:
        own = naming.FUNCTION_LOG_PREFIX + self.name(naming.PAYMENT_FUNCTION, role)
        for group in (own, self.name(naming.FLOW_LOG_GROUP, role), SOMEBODYS):
            arn = self._arn("logs", role, f"log-group:{group}")
            named = {"logGroupName": group, "logGroupNames": [group], "logStreamName": "x", "logGroupIdentifier": arn}
            yield ReachTarget(group, {**named, "resourceArn": arn})

    def _events(self, role: Role) -> Iterator[ReachTarget]:
        for rule in (self.name(naming.SWEEP_RULE, role), SOMEBODYS):
            yield ReachTarget(
                rule, {"Name": rule, "Rule": rule, "ResourceARN": self._arn("events", role, f"rule/{rule}")}
            )

    def _cloudwatch(self, role: Role) -> Iterator[ReachTarget]:
        for alarm in (self.name(naming.alarm("errors"), role), SOMEBODYS):
            yield ReachTarget(alarm, {"AlarmName": alarm, "AlarmNames": [alarm]})
        for namespace in ("Payments", "CloudWatchSynthetics"):
            yield ReachTarget(f"namespace {namespace}", {"PutMetricData.Namespace": namespace})

    def _route53(self, role: Role) -> Iterator[ReachTarget]:
        route53 = self.client("route53", self.environment.region(role))
        (check, *_) = sorted(each["Id"] for each in route53.list_health_checks()["HealthChecks"])
        (zone, *_) = sorted(each["Id"].rpartition("/")[2] for each in route53.list_hosted_zones()["HostedZones"])
        tagged = {"ResourceType": "healthcheck", "ResourceId": check, "ResourceIds": [check]}
        yield ReachTarget("a health check", {"HealthCheckId": check, **tagged})
        yield ReachTarget("the zone", {"HostedZoneId": zone, "Id": zone})

    def _iam(self, role: Role) -> Iterator[ReachTarget]:
        for name in (self.name(naming.PAYMENT_FUNCTION, role), self.name(naming.OPERATIONS_ROLE), SOMEBODYS):
            yield ReachTarget(name, {"RoleName": name, "PolicyName": name})

    def _sts(self, role: Role) -> Iterator[ReachTarget]:
        for name in (self.name(naming.PAYMENT_FUNCTION, role), self.name(naming.OPERATIONS_ROLE), SOMEBODYS):
            arn = f"arn:aws:iam::{self.account}:role/{name}"
            yield ReachTarget(name, {"RoleArn": arn, "ExternalId": self.environment.edge.operations.external_id})

    def _synthetics(self, role: Role) -> Iterator[ReachTarget]:
        yield ReachTarget("", {"Name": self.name(naming.synthetics(role), role)})

    def _arn(self, service: str, role: Role, resource: str) -> str:
        return f"arn:aws:{service}:{self.environment.region(role)}:{self.account}:{resource}"

    def add_somebodys(self) -> None:
        """Make what is in the account and none of ours, in both regions; what is there already stays."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        with contextlib.suppress(ClientError):
            self.client("s3", "us-east-1").create_bucket(Bucket=SOMEBODYS)
        for role in ROLES:
            for make in self._somebodys(self.environment.region(role)):
                with contextlib.suppress(ClientError):
                    make()

    def _somebodys(self, region: str) -> Iterator[Callable[[], object]]:
        def ask(service: str) -> Any:
            return self.client(service, region)

        table = {
            "TableName": SOMEBODYS,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk")],
        }
        yield lambda: ask("dynamodb").create_table(**table)
        yield lambda: ask("secretsmanager").create_secret(Name=SOMEBODYS, SecretString=SOMEBODYS)
        yield lambda: ask("ssm").put_parameter(Name=f"/{SOMEBODYS}", Value="x", Type="String")
        yield lambda: ask("kms").create_alias(
            AliasName=f"alias/{SOMEBODYS}", TargetKeyId=ask("kms").create_key()["KeyMetadata"]["KeyId"]
        )
        yield lambda: ask("sqs").create_queue(QueueName=SOMEBODYS)
        yield lambda: ask("sns").create_topic(Name=SOMEBODYS)
        yield lambda: ask("logs").create_log_group(logGroupName=SOMEBODYS)


STOLEN: Final[Mapping[str, tuple[Kind, Role]]] = {
    naming.PAYMENT_FUNCTION.purpose: (naming.PAYMENT_FUNCTION, PRIMARY),
    naming.FAILOVER_CONTROL_FUNCTION.purpose: (naming.FAILOVER_CONTROL_FUNCTION, SECONDARY),
}
"""The functions whose roles are stolen, by their purpose. The other region's are their mirror images."""
TEAM_LAYER: Final = "network"
TEAM: Final = naming.team(TEAM_LAYER).purpose
"""The team whose role is stolen: the one that all others build on."""
ROLES_STOLEN: Final = (*STOLEN, naming.OPERATIONS_ROLE.purpose, TEAM)


@cache
def services() -> tuple[str, ...]:
    """Those that the stacks have resources of, and those that are asked besides."""
    for each in pkgutil.iter_modules(declared.__path__):
        importlib.import_module(f"{declared.__name__}.{each.name}")
    ours = [
        each for each in TYPES.values() if each.__module__.startswith(f"{declared.__name__}.")
    ]  # tests declare more
    used = {each.service for each in ours if getattr(each, "service", "")}
    return tuple(sorted(used | set(ALSO)))


def attempts(deployed: ReachedDeployment, home: str, only: Iterable[str] | None = None) -> Iterator[TriedAction]:
    """Every operation of the services about every resource that it can be about, and each once about nothing."""
    from botocore.session import Session  # noqa: PLC0415

    session = Session()
    for service in only or services():
        model = session.get_service_model(service)
        regional = {role: deployed.targets(service, role) for role in ROLES}
        for operation in model.operation_names:
            shape = model.operation_model(operation)
            if shape.auth_type == "none":
                continue  # anybody may ask, without credentials
            known = False
            for role, targets in regional.items():
                region = deployed.environment.region(role)
                if service in GLOBAL and region != home:
                    continue
                for target in targets:
                    if (named := _named(shape, target)) is not None:
                        known = True
                        yield TriedAction(service, operation, region, target.about, {**_least(shape), **named})
            if not known:
                yield TriedAction(service, operation, home, "", _least(shape))


def reached(
    deployed: ReachedDeployment, loot: Loot, tried: Iterable[TriedAction]
) -> Iterator[tuple[TriedAction, bool]]:
    """Ask, and say of each request whether it was let through."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda each: (each, _let_through(deployed, loot, each)), tried)


def _let_through(deployed: ReachedDeployment, loot: Loot, attempt: TriedAction) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    client = deployed.client(attempt.service, attempt.region, loot.credentials)
    try:
        client._make_api_call(attempt.operation, dict(attempt.parameters))  # noqa: SLF001 - by the API's own name
    except ClientError as error:
        return error.response["Error"]["Code"] not in REFUSED
    except BotoCoreError:
        return True  # the answer cannot be read
    return True


def _named(operation: OperationModel, target: ReachTarget) -> dict[str, Any] | None:
    """The members by which an operation names a target; None when it is not about such a one."""
    members = operation.input_shape.members if operation.input_shape else {}
    own = {
        name.partition(".")[2]: value
        for name, value in target.named.items()
        if name.partition(".")[0] == operation.name and "." in name
    }
    found = {name: value for name, value in target.named.items() if name in members} | own
    if "Key" in members and "Bucket" in members and "Key" not in found:
        return None  # of an object, not of the bucket
    if "Key" in target.named and "Bucket" in target.named and "Key" not in members:
        return None  # of the bucket, not of an object
    identifies = [name for name in found if name not in {"WithDecryption", "Body", "ExternalId", "PolicyName"}]
    return found if identifies else None


def _least(operation: OperationModel) -> dict[str, Any]:
    """The fewest members that the model lets a request have."""
    return _value(operation.input_shape, "") if operation.input_shape else {}


def _value(shape: Shape, name: str, depth: int = 0) -> Any:  # noqa: PLR0911 - one for each type
    match shape.type_name:
        case "structure":
            if depth > 4:
                return {}
            needed = shape.required_members or (list(shape.members)[:1] if getattr(shape, "is_tagged_union", 0) else [])
            return {each: _value(shape.members[each], each, depth + 1) for each in needed}
        case "list":
            return [_value(shape.member, name, depth + 1)]
        case "map":
            return {_value(shape.key, name, depth + 1): _value(shape.value, name, depth + 1)}
        case "string":
            return shape.enum[0] if shape.enum else "x" * max(1, int(shape.metadata.get("min", 1)))
        case "boolean":
            return False
        case "blob":
            return b"x"
        case "timestamp":
            return 1700000000
        case _:
            return max(1, int(shape.metadata.get("min", 1)))


def lists(document: str) -> dict[str, list[str]]:
    """What a document says is reached, by the role's purpose."""
    return {purpose: shown.splitlines() for _, purpose, shown, _ in LISTS.findall(document)}


def told(deployed: ReachedDeployment, purposes: Sequence[str]) -> dict[str, list[str]]:
    """What each of the roles reaches, sorted."""
    found = defaultdict(list)
    for purpose in purposes:
        loot = deployed.loot(purpose)
        for attempt, through in reached(deployed, loot, attempts(deployed, loot.home)):
            if through:
                found[purpose].append(str(attempt))
    return {purpose: sorted(set(lines)) for purpose, lines in found.items()}


def _download(url: str) -> bytes:
    from urllib.request import urlopen  # noqa: PLC0415

    with urlopen(url, timeout=60) as answer:  # noqa: S310 - the sandbox's own
        content: bytes = answer.read()
    return content


def _packed(module: str, code: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(module.replace(".", "/") + ".py", code)
    return packed.getvalue()


def main(purposes: Sequence[str]) -> None:
    """Write what the roles reach in this checkout's sandbox into the document."""
    from sandbox import Sandbox  # noqa: PLC0415

    deployed = ReachedDeployment(Environment.load("payments", ROOT), Sandbox(ROOT).status().endpoint)
    deployed.add_somebodys()
    found = told(deployed, purposes)
    text = DOCUMENT.read_text(encoding="utf-8")

    def written(block: re.Match[str]) -> str:
        lines = found.get(block[2])
        return block[0] if lines is None else block[1] + "".join(f"{line}\n" for line in lines) + block[4]

    DOCUMENT.write_text(LISTS.sub(written, text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or ROLES_STOLEN)
