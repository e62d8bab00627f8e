"""Functions run as on AWS: in an environment of their own, with their role, and not slower."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import threading
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from sandbox import addresses, control, ports
from sandbox.clock import SharedClock, set_speed
from sandbox.cloud.functions import INIT_WITHIN, ExecutionEnvironment, limited
from tests.sandbox.conftest import a_cloud
from tests.sandbox.virtual_time import VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.conftest import RunningCloud

FUNCTION = """
import os, sys, time
calls = 0
CAPTURED, IMPORTED = time.time_ns, time.time()

def handler(event, context):
    global calls
    calls += 1
    kind = event.get("do")
    if kind == "print":
        print("first"); print("second", file=sys.stderr); os.write(1, b"third without a line's end")
    if kind == "raise":
        raise ValueError("as asked")
    if kind == "exit":
        sys.exit(3)
    if kind == "sleep":
        time.sleep(event["seconds"])
    if kind == "import":
        __import__(event["name"])
    if kind == "resolve":
        import socket
        return [found[4] for found in socket.getaddrinfo(event["name"], event["port"], type=socket.SOCK_STREAM)]
    if kind == "clock":
        import datetime
        began, really, passed = CAPTURED(), time.monotonic(), time.time()
        time.sleep(event["seconds"])
        return {"began": began / 1e9, "imported": IMPORTED, "own": time.time() - passed,
                "real": time.monotonic() - really, "signed": datetime.datetime.now().timestamp()}
    if kind == "unserializable":
        return {1, 2}
    return {"calls": calls, "remaining": context.get_remaining_time_in_millis(), "id": context.aws_request_id,
            "arn": context.invoked_function_arn, "environment": dict(os.environ), "big": "x" * event.get("big", 0)}
"""


LOGS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "logs:CreateLogGroup", "Resource": "*"}],
}
"""Without this right a function without a log group logs nothing."""


class Function:
    """A function on the emulator."""

    def __init__(self, cloud: RunningCloud, code: str = FUNCTION, region: str = "us-east-1") -> None:
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.region = region
        self.client = cloud.client("lambda", region)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("package/module.py", code)
        self.package = packed.getvalue()
        statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam = cloud.client("iam")
        self.role = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName=self.name, PolicyName="logs", PolicyDocument=json.dumps(LOGS))
        self.client.create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Handler="package.module.handler",
            Role=self.role,
            Code={"ZipFile": self.package},
            Timeout=1,
            Environment={"Variables": {"OWN": "value"}},
        )

    def __call__(self, **event: Any) -> dict[str, Any]:
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event), LogType="Tail")
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        return {"error": answer.get("FunctionError"), "log": log, "result": json.loads(answer["Payload"].read())}


@pytest.fixture(scope="module")
def function(cloud: RunningCloud) -> Function:
    return Function(cloud)


def test_knows_what_lambda_tells_it(function: Function) -> None:
    found = function()["result"]
    environment = found["environment"]
    assert environment["OWN"] == "value"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == function.name
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{function.name}"
    assert found["arn"].endswith(f":function:{function.name}")
    assert 0 < found["remaining"] <= 1000


def test_its_code_is_prepared_before_anybody_calls_it(cloud: RunningCloud) -> None:
    package = Function(cloud, f"# {uuid.uuid4()}\n{FUNCTION}").package
    root = cloud.sandbox.layout.temporary / "functions" / hashlib.sha256(package).hexdigest()
    until(root.exists, 5)
    assert (root / "package" / "module.py").read_text().endswith(FUNCTION)


def test_has_only_the_standard_library_and_what_it_brought(function: Function) -> None:
    assert function(do="import", name="sqlite3")["error"] is None
    for name in ("boto3", "pydantic", "sandbox", "shared"):
        assert "No module named" in function(do="import", name=name)["result"]["errorMessage"]


def test_names_lead_to_what_stands_in_for_the_internet_and_addresses_where_they_say(
    cloud: RunningCloud, function: Function
) -> None:
    outside = list(addresses.outside(ports.remembered(cloud.sandbox.layout) or 0))

    def resolved(name: str, port: int | str) -> list[list[str | int]]:
        found: list[list[str | int]] = function(do="resolve", name=name, port=port)["result"]
        return found

    for name in ("processor.example", "Processor.Example.", "kms.us-east-1.amazonaws.com"):
        assert [resolved(name, port) for port in (443, "https")] == [[outside]] * 2
    assert resolved("processor.example", 80) == [[outside[0], 80]]
    assert resolved("127.0.0.1", 443) == [["127.0.0.1", 443]]
    assert resolved("::1", 443)[0][:2] == ["::1", 443]
    assert ["127.0.0.1", 443] in resolved("localhost", 443)


def test_names_in_a_zone_lead_where_its_records_say(cloud: RunningCloud, function: Function) -> None:
    """To the gateway of the region that an API's name belongs to, by the record that DNS answers, or nowhere."""
    gateways = addresses.https_endpoints(ports.remembered(cloud.sandbox.layout) or 0)
    domain = f"{function.name}.example.net"
    route53 = cloud.client("route53")

    def zone(name: str) -> str:
        made: str = route53.create_hosted_zone(Name=name, CallerReference=uuid.uuid4().hex)["HostedZone"]["Id"]
        return made

    def put(zone_id: str, name: str, target: str, **policy: Any) -> None:
        records = {"TTL": 30, "ResourceRecords": [{"Value": target}]}
        change = {"Action": "UPSERT", "ResourceRecordSet": {"Name": name, "Type": "CNAME", **records, **policy}}
        route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": [change]})

    def led(name: str) -> Any:
        answer = function(do="resolve", name=name, port=443)
        return answer["result"] if answer["error"] is None else answer["result"]["errorMessage"]

    outer, inner = zone(domain), zone(f"inner.{domain}")
    regional = [f"d-abc123.execute-api.{region}.amazonaws.com" for region in ("us-east-1", "us-west-2")]
    put(outer, f"own.{domain}", regional[0])
    put(outer, f"alias.{domain}", f"Own.{domain}.")
    put(outer, f"away.{domain}", "processor.example")
    put(outer, f"loop.{domain}", f"loop.{domain}")
    gate = {"HealthCheckId": uuid.uuid4().hex}
    put(outer, f"shared.{domain}", regional[0], SetIdentifier="primary", Failover="PRIMARY", **gate)
    put(outer, f"shared.{domain}", regional[1], SetIdentifier="secondary", Failover="SECONDARY")
    put(outer, f"weighted.{domain}", regional[0], SetIdentifier="half", Weight=1)
    put(inner, f"own.inner.{domain}", regional[1])

    east, west = (list(gateways[region]) for region in ("us-east-1", "us-west-2"))
    assert led(regional[0]) == [east]
    assert led(f"own.{domain}") == led(f"Alias.{domain}.") == [east]
    assert led(f"own.inner.{domain}") == [west]
    assert led(f"away.{domain}") == [list(addresses.outside(ports.remembered(cloud.sandbox.layout) or 0))]
    for name in (f"loop.{domain}", f"weighted.{domain}", f"none.{domain}", domain, f"own.inner.own.{domain}"):
        assert "is not known" in led(name), name
    assert "is not known" in led("d-abc123.execute-api.nowhere-1.amazonaws.com")

    assert led(f"shared.{domain}") == [east]
    for healthy, leads in ((False, west), (True, east)):  # as the daemon of DNS tells the cloud
        told = {"healthy": {gate["HealthCheckId"]: healthy}, "alarms": []}
        control.ask(cloud.sandbox.layout.cloud_socket, 2, "traffic", **told)
        assert led(f"shared.{domain}") == [leads]

    put(outer, f"own.{domain}", regional[1])
    assert led(f"own.{domain}") == [west]


def test_log_is_complete_and_in_order(function: Function) -> None:
    assert function(do="print")["log"].splitlines() == ["first", "second", "third without a line's end"]
    assert function()["log"] == ""


def test_large_answers_arrive(function: Function) -> None:
    assert len(function(big=3_000_000)["result"]["big"]) == 3_000_000


def test_stays_warm_after_an_exception(function: Function) -> None:
    before = function()["result"]["calls"]
    raised = function(do="raise")
    assert (raised["error"], raised["result"]["errorMessage"]) == ("Unhandled", "as asked")
    assert "ValueError: as asked" in raised["log"]
    assert "not JSON serializable" in function(do="unserializable")["result"]["errorMessage"]
    assert function()["result"]["calls"] == before + 3


def test_begins_anew_after_its_process_ended(function: Function) -> None:
    function()
    assert "exit status 3" in function(do="exit")["result"]["errorMessage"]
    assert function()["result"]["calls"] == 1


def test_timeout_ends_it(function: Function) -> None:
    assert function(do="sleep", seconds=30)["result"]["errorMessage"] == "Task timed out after 1.00 seconds"
    assert function()["result"]["calls"] == 1


def test_module_that_cannot_be_imported_says_so(cloud: RunningCloud) -> None:
    broken = Function(cloud, "import missing_module")
    assert "missing_module" in broken()["result"]["errorMessage"]


def test_silent_function_waits_for_nothing(function: Function) -> None:
    function()
    took = []
    for _ in range(20):
        began = time.perf_counter()
        function()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05  # what the emulator's own worker waits each time, on however busy a machine


def session_of(function: Function, **instead: str) -> boto3.Session:
    """A session with the credentials that a function was given."""
    environment = function()["result"]["environment"]
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    credentials = {name.lower(): environment[name] for name in names} | instead
    return boto3.Session(**credentials, region_name="us-east-1")


def test_acts_with_its_role_and_nothing_else(cloud: RunningCloud, function: Function) -> None:
    session = session_of(function)
    whoami = session.client("sts", endpoint_url=cloud.endpoint).get_caller_identity()["Arn"]
    assert whoami == f"arn:aws:sts::000000000000:assumed-role/{function.name}/{function.name}"
    sqs = session.client("sqs", endpoint_url=cloud.endpoint)
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.create_queue(QueueName=function.name)
    allow = {"Effect": "Allow", "Action": "sqs:CreateQueue", "Resource": f"arn:aws:sqs:*:*:{function.name}"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    cloud.client("iam").put_role_policy(RoleName=function.name, PolicyName="p", PolicyDocument=policy)
    sqs.create_queue(QueueName=function.name)


def test_roles_signature_is_verified(cloud: RunningCloud, function: Function) -> None:
    wrong = session_of(function, aws_secret_access_key="wrong")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch|InvalidSignatureException"):  # noqa: RUF043
        wrong.client("sts", endpoint_url=cloud.endpoint).get_caller_identity()


@pytest.mark.parametrize("end", ["down", "kill"])
def test_sandbox_that_ends_leaves_no_function_behind(own_cloud: RunningCloud, end: str) -> None:
    function = Function(own_cloud)
    function()
    cloud = psutil.Process(own_cloud.sandbox.status().pids["cloud"])
    running = cloud.children()
    assert running
    if end == "down":
        own_cloud.sandbox.down()
    else:
        cloud.kill()
    _, alive = psutil.wait_procs(running, timeout=2)
    assert alive == []


def test_a_mapping_waits_for_a_batch_as_long_as_its_window(cloud: RunningCloud) -> None:
    counting = Function(cloud, 'def handler(event, context):\n    print("records", len(event["Records"]))\n')
    sqs, logs = cloud.client("sqs"), cloud.client("logs")
    url = sqs.create_queue(QueueName=counting.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    counting.client.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=counting.name, BatchSize=3, MaximumBatchingWindowInSeconds=2
    )

    def counted() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{counting.name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [each["message"].strip() for each in events if each["message"].startswith("records")]

    began = time.monotonic()
    for _ in range(2):  # fewer than a batch, half a window apart
        sqs.send_message(QueueUrl=url, MessageBody="x")
        time.sleep(1)
    while not counted():
        assert time.monotonic() < began + 10
        time.sleep(0.02)
    assert time.monotonic() > began + 2
    assert counted() == ["records 2"]
    began = time.monotonic()
    for _ in range(3):  # a whole one
        sqs.send_message(QueueUrl=url, MessageBody="x")
    while len(counted()) < 2:
        assert time.monotonic() < began + 10
        time.sleep(0.02)
    assert time.monotonic() < began + 2
    assert counted()[-1] == "records 3"


def test_virtual_time_lies_between_its_invocations_and_not_in_them(tmp_path: Path) -> None:
    """Its wall clock is the sandbox's when it begins; it works and waits, and the SDK signs, by the machine's."""
    with a_cloud(tmp_path) as cloud:
        function, shared = Function(cloud), SharedClock(cloud.sandbox.layout.clock)
        first = function(do="clock", seconds=0)["result"]
        assert abs(first["began"] - time.time()) < 5
        assert first["began"] - first["imported"] < 5
        set_speed(cloud.sandbox.layout.clock, 100)
        time.sleep(0.2)
        before = shared.now()
        second = function(do="clock", seconds=0.2)["result"]
        assert before <= second["began"] <= shared.now()
        assert second["began"] - first["began"] > 20
        assert abs(second["own"] - second["real"]) < 0.05
        assert abs(second["signed"] - time.time()) < 5
        started = Function(cloud)(do="clock", seconds=0)["result"]
        assert second["began"] < started["imported"] <= started["began"]


TELLS_WHEN = """
def handler(event, context):
    import time
    print("late", time.time() - int(event["Records"][0]["attributes"]["SentTimestamp"]) / 1000)
"""


def test_a_function_is_told_when_a_message_was_sent(own_cloud: RunningCloud) -> None:
    VirtualTime(own_cloud.sandbox).pass_seconds(130)
    late = Function(own_cloud, TELLS_WHEN)
    sqs, logs = own_cloud.client("sqs"), own_cloud.client("logs")
    url = sqs.create_queue(QueueName=late.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    late.client.create_event_source_mapping(EventSourceArn=arn, FunctionName=late.name)
    sqs.send_message(QueueUrl=url, MessageBody="x")

    def told() -> list[float]:
        with contextlib.suppress(ClientError):
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{late.name}")["events"]
            return [float(each["message"].split()[1]) for each in events if each["message"].startswith("late")]
        return []

    until(told)
    assert 0 <= told()[0] < 10


class Pool:
    """The emulator's: environments by number, each leased to one at a time."""

    def __init__(self) -> None:
        self.free: list[int] = []
        self.made = 0

    def acquire(self, *, max_concurrency: int) -> tuple[int | None, str]:
        if self.free:
            return self.free.pop(), "reused"
        if self.made == max_concurrency:
            return None, "func_cap"
        self.made += 1
        return self.made, "spawn"


def test_a_slow_import_is_done_again_within_the_invocation() -> None:
    """For as long as the function may run; then it has timed out."""

    class Slow(ExecutionEnvironment):
        def __init__(self, *responses: dict[str, Any]) -> None:
            self.func_name, self.config = "slow", {"Timeout": 50, "FunctionArn": ""}
            self.faults: Any = SimpleNamespace(failure=lambda _: None)
            self._lock, self._proc = threading.Lock(), None
            self.responses, self.within = iter(responses), list[float]()

        def _start(self, within: float = INIT_WITHIN) -> tuple[dict[str, Any], str]:
            self.within.append(within)
            return next(self.responses), ""

        def _exchange(self, request: dict[str, Any], timeout: float) -> tuple[dict[str, Any], str]:
            return {"status": "ok", "result": [request["event"], timeout]}, ""

    late, ready = {"status": "error", "error": "Init timed out after 10.00 seconds"}, {"status": "ready"}
    slow = Slow(late, ready)
    assert slow.invoke({"a": 1}, "r")["result"] == [{"a": 1}, 50]
    assert slow.within == [INIT_WITHIN, 50]
    quick = Slow(ready)
    assert quick.invoke({}, "r")["status"] == "ok"
    assert quick.within == [INIT_WITHIN]
    for seconds in (50, int(INIT_WITHIN)):  # the payment function may run for just as long as an import may take
        hanging = Slow(late, late)
        hanging.config["Timeout"] = seconds
        assert hanging.invoke({}, "r")["error"] == f"Task timed out after {seconds}.00 seconds"


def test_what_comes_when_all_environments_work_waits_for_one() -> None:
    """A storm of retries else starts hundreds of processes, and the machine ends under them."""
    pool = Pool()
    acquire, release = limited(pool.acquire, pool.free.append, most=2, within=10.0)
    first, second = acquire()[0], acquire()[0]
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(acquire)
        assert not wait([waiting], timeout=0.2).done
        release(first)
        assert waiting.result(10) == (first, "reused")
    assert (second, pool.made) == (2, 2)


def test_an_invocation_that_has_waited_for_too_long_is_throttled() -> None:
    acquire, _ = limited(Pool().acquire, print, most=1, within=0.05)
    assert acquire() == (1, "spawn")
    assert acquire() == (None, "func_cap")
