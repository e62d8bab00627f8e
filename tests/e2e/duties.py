"""All that each role is there for, done once: what fails when the role lacks something that it needs."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.adapters.items import to_item
from lambdas.domain import audit
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved
from lambdas.domain.payment import CANARY_KEPT, HOUR, MINUTE, opened
from lambdas.telemetry.journal import FAILOVER_TRAFFIC, NAMESPACE
from orchestration import moves
from orchestration.choice import Choice
from orchestration.fence import PrimaryFence
from orchestration.lever import Lever
from orchestration.operator import act
from orchestration.questions import answered
from orchestration.reach import Reach
from orchestration.situation import _Asker
from sandbox.clock import SharedClock
from sandbox.variables import CREDENTIALS, OPERATOR_CREDENTIALS
from shared import naming, stop_switch
from shared.clients import CANARY, STOREFRONT
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lambdas.domain.payment import Payment
    from shared.environment import Environment
    from shared.naming import Kind

FAILOVER_MINUTES = 6
"""So many minutes of a failover are measured for the function that latches."""
LEFT = 3 * MINUTE
"""Milliseconds since somebody has left a payment unfinished."""


class Undone(Exception):
    """Something of a duty was not done; the text says what came instead."""


@dataclass
class Duties:
    """The duties in a deployed sandbox: `client` makes the administrator's clients of a service in a region."""

    environment: Environment
    client: Callable[[str, str], Any]
    account: str
    clock: Path
    gateways: Mapping[str, str]
    _keys: dict[str, str] = field(default_factory=dict)

    def of(self, role: str) -> Callable[[], None] | None:
        """What the role of this name is there for; None for one that only AWS's own services take on."""
        return self._by_role().get(role)

    def kinds(self) -> dict[str, str]:
        """The purpose of each role, as the documentation calls it, by its name."""
        of_region = (
            *(naming.PAYMENT_FUNCTION, naming.HEALTH_FUNCTION, naming.AUDIT_FUNCTION, naming.CANARY_FUNCTION),
            *(naming.FAILOVER_CONTROL_FUNCTION, naming.CANARY_ROLE, naming.FLOW_LOG_ROLE),
        )
        once = (naming.REPLICATION_ROLE, naming.OPERATIONS_ROLE)
        return {
            **{self._name(kind, role): kind.purpose for kind in of_region for role in ROLES},
            **{self._name(kind): kind.purpose for kind in once},
        }

    def _by_role(self) -> Mapping[str, Callable[[], None]]:
        of_each = {
            naming.PAYMENT_FUNCTION: self._pay,
            naming.HEALTH_FUNCTION: self._tell_health,
            naming.AUDIT_FUNCTION: self._sweep_and_file,
            naming.CANARY_FUNCTION: self._probe,
            naming.CANARY_ROLE: self._run_canaries,
        }
        return {
            **{self._name(kind, role): partial(duty, role) for kind, duty in of_each.items() for role in ROLES},
            self._name(naming.FAILOVER_CONTROL_FUNCTION, SECONDARY): self._control_failover,
            self._name(naming.OPERATIONS_ROLE): self._move_clients,
        }

    def quiet(self) -> None:
        """Let nothing run by itself: what a role does is done here alone."""
        for role in ROLES:
            events, synthetics = self._client("events", role), self._client("synthetics", role)
            for rule in events.list_rules()["Rules"]:
                events.disable_rule(Name=rule["Name"])
            for canary in synthetics.describe_canaries()["Canaries"]:
                synthetics.stop_canary(Name=canary["Name"])

    # Each role's

    def _pay(self, role: Role) -> None:
        """A client's and the canary's payment, each with its record, read back."""
        function = self._name(naming.PAYMENT_FUNCTION, role)
        self._cold(function, role)
        for client, prefix in ((STOREFRONT, "payments"), (CANARY, "canary")):
            sent = {"Idempotency-Key": secrets.token_hex(8), "Content-Type": "application/json"}
            body = json.dumps({"amount": 1, "currency": "USD", "customerId": "anybody"})
            paid, log = self._ask(function, role, "POST", "/payment", client, sent, body)
            _expect(paid["statusCode"] == 201, "POST /payment", paid, log)
            payment = json.loads(paid["body"])["paymentId"]
            _expect(self._filed(role, f"{prefix}/", payment), "the record of the payment", "none", log)
            read, log = self._ask(function, role, "GET", f"/payment/{payment}", client, {}, None)
            _expect(read["statusCode"] == 200, "GET /payment", read, log)

    def _tell_health(self, role: Role) -> None:
        function = self._name(naming.HEALTH_FUNCTION, role)
        self._cold(function, role)
        told, log = self._ask(function, role, "GET", "/health", None, {}, None)
        _expect(told["statusCode"] == 200, "GET /health", told, log)

    def _sweep_and_file(self, role: Role) -> None:
        """What a client and a canary have left is finished and filed, the canary's removed, a notification filed."""
        function = self._name(naming.AUDIT_FUNCTION, role)
        self._cold(function, role)
        left = [self._opened(client, role, LEFT) for client in (STOREFRONT, CANARY)]
        old = self._opened(CANARY, role, CANARY_KEPT + HOUR)
        old = old.settled(Approved("ch_x"), old.created).audited(old.created)
        for payment in (*left, old):
            self._write(payment, role)
        try:
            swept, log = self._invoke(function, role, {"source": "aws.events"})
            _expect(swept == {"resolved": len(left), "deleted": 1}, "the sweep", swept, log)
            for payment in left:
                prefix = audit.key(payment).partition("/")[0]
                _expect(self._filed(role, f"{prefix}/", payment.id), f"the record under {prefix}", "none", log)
        finally:
            for payment in (*left, old):
                self._remove(payment, role)
        message = {
            "messageId": secrets.token_hex(8),
            "body": "{}",
            "eventSource": "aws:sqs",
            "attributes": {"SentTimestamp": "1795000000000"},
        }
        filed, log = self._invoke(function, role, {"Records": [message]})
        _expect(filed == {"batchItemFailures": []}, "the notification", filed, log)

    def _probe(self, role: Role) -> None:
        function = self._name(naming.CANARY_FUNCTION, role)
        self._cold(function, role)
        found, log = self._invoke(function, role, {"source": "aws.events"})
        _expect(set(found.values()) == {"pass"}, "the probe of both regions", found, log)
        _expect("table_members_unknown" not in log, "the table's members", "unknown", log)

    def _run_canaries(self, role: Role) -> None:
        """A run of each of the region's canaries, as Synthetics makes it: it passes, and its results are kept."""
        canaries = self._client("synthetics", role).describe_canaries()["Canaries"]
        own = [each for each in canaries if each["ExecutionRoleArn"].endswith(self._name(naming.CANARY_ROLE, role))]
        assert own
        for canary in own:
            function = canary["EngineArn"].split(":")[6]
            bucket, _, prefix = canary["ArtifactS3Location"].removeprefix("s3://").partition("/")
            place = {"bucket": bucket, "prefix": f"{prefix}/canary/{secrets.token_hex(4)}"}
            self._cold(function, role)
            event = {"canary": canary["Name"], "entry": canary["Code"]["Handler"], **place}
            run, log = self._invoke(function, role, event)
            _expect(run.get("state") == "PASSED" and not run["trouble"], "the canary's run", run, log)

    def _control_failover(self) -> None:
        """Readers compared; a switch that is not there read as such; a failover that lasts made to last."""
        function = self._name(naming.FAILOVER_CONTROL_FUNCTION, SECONDARY)
        s3 = self._client("s3", SECONDARY)
        place = {"Bucket": self._name(naming.STOP_SWITCH_BUCKET, SECONDARY, account=True), "Key": stop_switch.KEY}
        self._cold(function, SECONDARY)
        compared, log = self._invoke(function, SECONDARY, {"compare": "ranges"})
        _expect(compared == {"ranges": "current"}, "the comparison of readers", compared, log)
        self._measure_failover()
        try:
            s3.delete_object(**place)
            told, log = self._invoke(function, SECONDARY, {})
            _expect(told == {"primary": "stopped"}, "the latch without a switch", told, log)
            _expect('"ProbeFailed"' in log, "the latch's own probe of the primary", "not made", log)
            told, log = self._invoke(function, SECONDARY, {})
            _expect(told == {"primary": "already stopped"}, "the latch with one that says stop", told, log)
        finally:
            s3.put_object(**place, Body=stop_switch.DEPLOYED.encode(), ContentType=stop_switch.CONTENT_TYPE)

    def _move_clients(self) -> None:
        """What `evacuate`, `situation` and `restore` ask AWS, and the runbook's own look at the switch."""
        place = self._place()
        acting = act(self.environment, place, lambda _: None)
        _expect(acting.under_the_role, "the operator", "may not take on the role", "")
        lever = Lever.of(self.environment, acting.aws, acting.account)
        fence = replace(PrimaryFence.of(self.environment, acting.aws), other="")
        there = replace(fence, region=self.environment.region(PRIMARY))
        move = moves._Move(Choice(self.environment.name), self.environment, place, acting, lever)
        s3, switch = acting.aws.client("s3", lever.region), {"Bucket": lever.bucket, "Key": stop_switch.KEY}
        try:
            lever.say(stop_switch.STOPPED)
            fence.put_up(place.now() + 70)
            _expect(lever.stopped() and fence.standing() is not None, "the evacuation", "not seen", "")
            _expect(there.standing() is not None, "the fence, by the primary", "not seen", "")
            _expect(bool(lever.readers()), "the switch's readers", "none", "")
            _expect(not (keys := moves._other_keys(move)), "the API keys", keys, "")
            moves._canary(move)
            told = s3.list_object_versions(Bucket=lever.bucket, Prefix=stop_switch.KEY)
            _expect(bool(told["Versions"]), "the switch's versions", told, "")
            rows = answered(_Asker(self.environment, place, 60).questions(), 60)
            # AWS has answered where it has no data yet, soon after a deployment.
            unknown = {row.what: row.said for row in rows if not row.known and "no data" not in row.said}
            _expect(not unknown, "situation", unknown, "")
            fence.take_down()
            there.take_down()
            self._client("s3", SECONDARY).delete_object(**switch)
            _expect(not lever.stopped(), "a switch that is not there", "stops", "")
            lever.say(stop_switch.RUN)
        except (Problem, ClientError) as error:
            raise Undone(str(error)) from error
        finally:
            self._client("s3", SECONDARY).put_object(**switch, Body=stop_switch.DEPLOYED.encode())
            self._client("dynamodb", SECONDARY).delete_item(TableName=fence.table, Key=fence._key)

    def _place(self) -> Reach:
        """The checkout's sandbox, as the commands reach it."""
        return Reach(
            variables={**CREDENTIALS, "AWS_ENDPOINT_URL": self.client("s3", "us-east-1").meta.endpoint_url},
            where="the sandbox",
            checkers=lambda: (),
            operator=OPERATOR_CREDENTIALS,
            now=lambda: self._now().timestamp(),
            gateways=self.gateways,
        )

    # What they need

    def _measure_failover(self) -> None:
        """What the secondary's functions measure in a failover: clients come, and the primary fails each probe."""
        dimensions = {"Environment": self.environment.name, "Suffix": self.environment.suffix, "Role": SECONDARY}
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        now = self._now()
        self._client("cloudwatch", SECONDARY).put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {"MetricName": metric, "Dimensions": named, "Timestamp": now - timedelta(minutes=ago), "Value": 1}
                for ago in range(FAILOVER_MINUTES)
                for metric in (FAILOVER_TRAFFIC, "ProbeFailed")
            ],
        )

    def _opened(self, client: str, role: Role, ago: int) -> Payment:
        """A payment as somebody began it in the region, so many milliseconds ago."""
        instruction = Instruction(client, secrets.token_hex(8), Money(100, "USD"), "anybody")
        region = self.environment.region(role)
        endpoint = self.environment.compute.processor.of(role)
        began = int(self._now().timestamp() * 1000) - ago
        return opened(instruction, region=region, endpoint=endpoint, holder="gone", now=began)

    def _write(self, payment: Payment, role: Role) -> None:
        self._client("dynamodb", role).put_item(TableName=self._name(naming.PAYMENTS_TABLE), Item=to_item(payment))

    def _remove(self, payment: Payment, role: Role) -> None:
        dynamodb, table = self._client("dynamodb", role), self._name(naming.PAYMENTS_TABLE)
        dynamodb.delete_item(TableName=table, Key={"pk": {"S": payment.id}, "sk": {"S": "payment"}})
        dynamodb.delete_item(TableName=table, Key={"pk": {"S": f"canary-charge#{payment.id}"}, "sk": {"S": "charge"}})

    def _filed(self, role: Role, prefix: str, payment: str) -> bool:
        bucket = self._name(naming.AUDIT_BUCKET, role, account=True)
        pages = self._client("s3", role).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return any(payment in each["Key"] for page in pages for each in page.get("Contents", ()))

    def _ask(  # noqa: PLR0917 - a request's parts
        self, function: str, role: Role, method: str, path: str, client: str | None, sent: Any, body: str | None
    ) -> tuple[Any, str]:
        """A request as the entry point hands it on."""
        headers = {**sent, **({"x-api-key": self._key(client)} if client else {})}
        event = {"httpMethod": method, "path": path, "headers": headers, "requestContext": {"requestId": "r"}}
        return self._invoke(function, role, {**event, **({"body": body} if body else {})})

    def _key(self, client: str) -> str:
        if client not in self._keys:
            secret = self._client("secretsmanager", PRIMARY).get_secret_value(
                SecretId=self._name(naming.API_KEYS_SECRET)
            )
            self._keys[client] = json.loads(secret["SecretString"])["clients"][client]["current"]
        return self._keys[client]

    def _cold(self, function: str, role: Role) -> None:
        """Have the next invocation start a new environment, which has read nothing yet: a setting is written again."""
        functions = self._client("lambda", role)
        memory = functions.get_function_configuration(FunctionName=function)["MemorySize"]
        functions.update_function_configuration(FunctionName=function, MemorySize=memory)

    def _invoke(self, function: str, role: Role, event: Mapping[str, Any]) -> tuple[Any, str]:
        """The newest code's answer, and its log. Raises Undone for a function that failed."""
        answer = self._client("lambda", role).invoke(
            FunctionName=function, Payload=json.dumps(event).encode(), LogType="Tail"
        )
        log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        payload = json.loads(answer["Payload"].read())
        _expect("FunctionError" not in answer, function, payload, log)
        return payload, log

    def _client(self, service: str, role: Role) -> Any:
        return self.client(service, self.environment.region(role))

    def _name(self, kind: Kind, role: Role | None = None, *, account: bool = False) -> str:
        names = self.environment.foundation().names
        return names.of(kind, role, account=self.account if account else None)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(SharedClock(self.clock).now(), UTC)


def _expect(well: bool, what: str, came: object, log: str) -> None:
    if not well:
        raise Undone(f"{what}: {came}\n{log}")
