"""DNS and health checkers beside a running cloud: what is declared by the API is answered and checked."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from dnslib import DNSRecord

from sandbox import checker_ranges, control
from sandbox.clock import set_speed
from sandbox.faults.fault import InjectedFault
from tests.sandbox.conftest import RunningCloud, a_cloud
from tests.sandbox.virtual_time import METRICS_ARRIVE, VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

DOMAIN = "pay.example.com"
EAST, WEST = (f"d-abc.execute-api.us-{side}-1.amazonaws.com" for side in ("east", "west"))
SPEED = 20


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with a_cloud(tmp_path_factory.mktemp("checkout"), ("cloud", "processor", "traffic")) as made:
        yield made


@pytest.fixture
def zone(traffic: RunningCloud) -> Iterator[str]:
    """A zone of the domain."""
    route53 = traffic.client("route53")
    made = route53.create_hosted_zone(Name=DOMAIN, CallerReference=uuid.uuid4().hex)["HostedZone"]["Id"]
    yield made
    found = route53.list_resource_record_sets(HostedZoneId=made)["ResourceRecordSets"]
    own = [{"Action": "DELETE", "ResourceRecordSet": each} for each in found if each["Type"] not in {"NS", "SOA"}]
    if own:
        route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": own})
    route53.delete_hosted_zone(Id=made)


def put(traffic: RunningCloud, zone: str, name: str, kind: str, value: str, **policy: str) -> None:
    record = {"Name": name, "Type": kind, "TTL": 30, "ResourceRecords": [{"Value": value}], **policy}
    traffic.client("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    )


def declare(traffic: RunningCloud, **config: Any) -> str:
    made = traffic.client("route53").create_health_check(CallerReference=uuid.uuid4().hex, HealthCheckConfig=config)
    return str(made["HealthCheck"]["Id"])


def asked(traffic: RunningCloud, name: str, kind: str = "A") -> DNSRecord:
    host, _, port = traffic.sandbox.status().dns.rpartition(":")
    return DNSRecord.parse(DNSRecord.question(name, kind).send(host, int(port), timeout=2))


def addresses(traffic: RunningCloud, name: str) -> list[str]:
    return [str(each.rdata) for each in asked(traffic, name).rr if each.rtype == 1]


def found(traffic: RunningCloud, check: str) -> dict[str, Any]:
    told = control.ask(traffic.sandbox.layout.traffic_socket, 2, "health")
    return next((each for each in told["checks"] if each["id"] == check), {})


@contextmanager
def endpoint(body: bytes = b"fine") -> Iterator[tuple[int, set[str], dict[str, int]]]:
    """An endpoint of the test's own: its port, from where it was asked, and the status that it answers."""
    sources: set[str] = set()
    answers = {"status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sources.add(self.client_address[0])
            self.send_response(answers["status"])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a checker that has its status goes
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], sources, answers
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def fast(traffic: RunningCloud) -> Iterator[None]:
    set_speed(traffic.sandbox.layout.clock, SPEED)
    yield
    set_speed(traffic.sandbox.layout.clock, 1)


def test_names_are_answered_as_they_are_declared(traffic: RunningCloud, zone: str) -> None:
    put(traffic, zone, f"use1.{DOMAIN}", "CNAME", EAST)
    until(lambda: addresses(traffic, f"use1.{DOMAIN}") == ["127.1.0.1"])
    put(traffic, zone, f"use1.{DOMAIN}", "CNAME", WEST)
    until(lambda: addresses(traffic, f"use1.{DOMAIN}") == ["127.1.0.3"])
    assert asked(traffic, f"none.{DOMAIN}").header.rcode == 3
    assert asked(traffic, "elsewhere.example.org").header.rcode == 5


@pytest.mark.usefixtures("fast")
def test_checkers_and_dns_follow_an_endpoint(traffic: RunningCloud, zone: str) -> None:
    """Sixteen of them ask, from their own addresses, and the answer moves when the endpoint fails."""
    route53 = traffic.client("route53")
    with endpoint() as (port, sources, answers):
        check = declare(
            traffic,
            Type="HTTP",
            IPAddress="127.0.0.1",
            Port=port,
            ResourcePath="/health",
            RequestInterval=10,
            FailureThreshold=2,
        )
        primary = {"SetIdentifier": "primary", "Failover": "PRIMARY", "HealthCheckId": check}
        put(traffic, zone, f"api.{DOMAIN}", "CNAME", EAST, **primary)
        put(traffic, zone, f"api.{DOMAIN}", "CNAME", WEST, SetIdentifier="secondary", Failover="SECONDARY")
        until(lambda: addresses(traffic, f"api.{DOMAIN}") == ["127.1.0.1"])
        until(lambda: len(found(traffic, check).get("observations", [])) == 16)
        assert sources == {place.source for place in checker_ranges.PLACES}
        told = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        assert {each["IPAddress"] for each in told} == {place.address for place in checker_ranges.PLACES}
        assert {each["StatusReport"]["Status"] for each in told} == {"Success: HTTP Status Code 200, OK"}
        assert route53.get_health_check_last_failure_reason(HealthCheckId=check)["HealthCheckObservations"] == []
        answers["status"] = 503
        until(lambda: addresses(traffic, f"api.{DOMAIN}") == ["127.1.0.3"])
        told = route53.get_health_check_last_failure_reason(HealthCheckId=check)["HealthCheckObservations"]
        assert {each["StatusReport"]["Status"] for each in told} == {
            "Failure: HTTP Status Code 503, Service Unavailable"
        }
        assert found(traffic, check)["healthy"] is False
        answers["status"] = 301
        until(lambda: addresses(traffic, f"api.{DOMAIN}") == ["127.1.0.1"])
    lines = [json.loads(line) for line in traffic.sandbox.layout.traffic_events.read_text().splitlines()]
    assert [each["set"] for each in lines if each["what"] == "answer"] == ["primary", "secondary", "primary"]
    changes = [each for each in lines if each.get("check") == check]
    assert [(each["what"], each["healthy"]) for each in changes] == [
        ("status", False),
        ("dns", False),
        ("status", True),
        ("dns", True),
    ]
    route53.delete_health_check(HealthCheckId=check)
    until(lambda: not found(traffic, check))


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(
    ("body", "healthy"), [(b"x" * 5116 + b"stop", True), (b"x" * 5117 + b"stop", False), (b"STOP", False)]
)
def test_words_are_looked_for_in_the_first_5120_bytes(traffic: RunningCloud, body: bytes, healthy: bool) -> None:
    with endpoint(body) as (port, _, _):
        check = declare(
            traffic,
            Type="HTTP_STR_MATCH",
            IPAddress="127.0.0.1",
            Port=port,
            SearchString="stop",
            RequestInterval=10,
            FailureThreshold=1,
        )
        until(lambda: len(found(traffic, check).get("observations", [])) == 16)
        assert found(traffic, check)["healthy_checkers"] == (16 if healthy else 0)
        traffic.client("route53").delete_health_check(HealthCheckId=check)


@pytest.mark.usefixtures("fast")
def test_an_endpoint_that_hangs_is_given_up_by_the_virtual_clock(traffic: RunningCloud) -> None:
    """It accepts and says nothing, or has nobody who accepts: two and four virtual seconds."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        config = {"Type": "HTTP", "IPAddress": "127.0.0.1", "RequestInterval": 10, "FailureThreshold": 1}
        check = declare(traffic, Port=silent.getsockname()[1], **config)
        until(lambda: len(found(traffic, check).get("observations", [])) == 16)
        assert found(traffic, check)["last_failure"] == "Failure: no answer within 2 seconds"
        assert not found(traffic, check)["healthy"]
        traffic.client("route53").delete_health_check(HealthCheckId=check)


@pytest.mark.usefixtures("fast")
def test_a_buckets_policy_lets_the_checkers_in_and_nobody_else(traffic: RunningCloud) -> None:
    """They ask by the bucket's own name and https, at its region's address."""
    region, bucket = "us-east-2", f"switch-{uuid.uuid4().hex[:8]}"
    s3 = traffic.client("s3", region)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_object(Bucket=bucket, Key="switch", Body=b"stop")
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/switch",
        "Condition": {"IpAddress": {"aws:SourceIp": [cidr for cidr, _ in checker_ranges.IPV4]}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    host = f"{bucket}.s3.{region}.amazonaws.com"
    check = declare(
        traffic,
        Type="HTTPS_STR_MATCH",
        FullyQualifiedDomainName=host,
        Port=443,
        ResourcePath="/switch",
        SearchString="stop",
        RequestInterval=10,
        FailureThreshold=2,
        Inverted=True,
        EnableSNI=True,
    )
    until(lambda: len(found(traffic, check).get("observations", [])) == 16)
    wanted = {"Success: HTTP Status Code 200, OK"}  # a busy machine may miss one's two seconds once
    until(lambda: {each["status"] for each in found(traffic, check)["observations"]} == wanted)
    assert httpx.get(f"{traffic.gateways[region]}/switch", headers={"Host": host}).status_code == 403
    assert not found(traffic, check)["healthy"]
    s3.put_object(Bucket=bucket, Key="switch", Body=b"run")
    until(lambda: found(traffic, check)["healthy"])
    traffic.sandbox.begin_fault(InjectedFault("refuse", region))
    until(lambda: "refused" in found(traffic, check)["last_failure"])
    traffic.sandbox.heal(region=region)
    traffic.client("route53").delete_health_check(HealthCheckId=check)


def test_a_check_follows_an_alarm_while_its_region_is_there(traffic: RunningCloud) -> None:
    cloudwatch, alarm = traffic.client("cloudwatch"), f"alarm-{uuid.uuid4().hex[:8]}"
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="Test",
        MetricName="Errors",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    check = declare(
        traffic,
        Type="CLOUDWATCH_METRIC",
        AlarmIdentifier={"Region": "us-east-1", "Name": alarm},
        InsufficientDataHealthStatus="Healthy",
    )

    def follows() -> bool:
        # Said again each time: the next evaluation of the alarm takes back what was set.
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
        return not found(traffic, check)["healthy"]

    until(lambda: found(traffic, check).get("alarm_state") == "INSUFFICIENT_DATA")
    assert found(traffic, check)["healthy"]
    until(follows)
    traffic.sandbox.begin_fault(InjectedFault("hang", "us-east-1"))
    until(lambda: found(traffic, check)["healthy"])
    traffic.sandbox.heal(region="us-east-1")
    until(follows)
    traffic.client("route53").delete_health_check(HealthCheckId=check)
    cloudwatch.delete_alarms(AlarmNames=[alarm])


def test_the_status_of_a_calculated_check_is_not_told(traffic: RunningCloud) -> None:
    route53 = traffic.client("route53")
    check = declare(traffic, Type="CALCULATED", HealthThreshold=0, ChildHealthChecks=[])
    with pytest.raises(route53.exceptions.InvalidInput):
        route53.get_health_check_status(HealthCheckId=check)
    with pytest.raises(route53.exceptions.NoSuchHealthCheck):
        route53.get_health_check_status(HealthCheckId=str(uuid.uuid4()))
    route53.delete_health_check(HealthCheckId=check)


def test_what_checkers_find_is_measured_every_minute_in_one_region(traffic: RunningCloud) -> None:
    time = VirtualTime(traffic.sandbox)
    check = declare(traffic, Type="HTTP", IPAddress="127.0.0.1", Port=1, RequestInterval=10, FailureThreshold=1)
    both = declare(traffic, Type="CALCULATED", ChildHealthChecks=[check], HealthThreshold=1)
    until(lambda: found(traffic, check).get("healthy") is False, 30)
    time.pass_seconds(60 + METRICS_ARRIVE)

    def lowest(metric: str, of: str, region: str = "us-east-1") -> float | None:
        points = traffic.client("cloudwatch", region).get_metric_statistics(
            Namespace="AWS/Route53",
            MetricName=metric,
            Dimensions=[{"Name": "HealthCheckId", "Value": of}],
            StartTime=time.date() - timedelta(hours=1),
            EndTime=time.date() + timedelta(minutes=1),
            Period=3600,
            Statistics=["Minimum"],
        )["Datapoints"]
        return min((each["Minimum"] for each in points), default=None)

    assert lowest("HealthCheckStatus", check) == 0
    assert lowest("HealthCheckPercentageHealthy", check) == 0
    assert lowest("ChildHealthCheckHealthyCount", both) == 0
    assert lowest("HealthCheckPercentageHealthy", both) is None, "nobody checks a calculated one"
    assert lowest("HealthCheckStatus", check, "us-east-2") is None
