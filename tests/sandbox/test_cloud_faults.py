"""Faults of a running cloud: of a region, of one service or operation, of requests under way; the others go on."""

from __future__ import annotations

import ssl
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from sandbox import addresses, ports
from sandbox.clock import set_speed
from sandbox.faults.fault import InjectedFault
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.conftest import RunningCloud

REGION, OTHER = "ap-south-1", "ap-south-2"
PATIENCE = 0.5


@pytest.fixture
def gated(cloud: RunningCloud) -> Iterator[RunningCloud]:
    log = cloud.sandbox.logs()["cloud"]
    before = log.read_text()
    yield cloud
    cloud.sandbox.heal()
    assert log.read_text() == before, "a region that is out is nothing to tell of"


def begin(cloud: RunningCloud, kind: str, region: str = REGION, **said: Any) -> InjectedFault:
    return cloud.sandbox.begin_fault(InjectedFault(kind, region, **said))


def ask_aws(cloud: RunningCloud, region: str) -> None:
    cloud.client("dynamodb", region, read_timeout=PATIENCE).list_tables()


def ask_gateway(cloud: RunningCloud, region: str) -> int:
    return httpx.get(cloud.gateways[region] + "/health", timeout=PATIENCE).status_code


def ask_gateway_by_https(cloud: RunningCloud, region: str) -> int:
    """As functions do: by a name that the sandbox's authority vouches for."""
    address, port = addresses.https_endpoints(ports.remembered(cloud.sandbox.layout) or 0)[region]
    name = f"d-abc123.execute-api.{region}.amazonaws.com"
    trusted = ssl.create_default_context(cafile=str(cloud.sandbox.layout.authority))
    with httpx.Client(verify=trusted, timeout=PATIENCE) as client:
        url = f"https://{address}:{port}/health"
        return client.get(url, headers={"Host": name}, extensions={"sni_hostname": name}).status_code


def test_refusing_region_takes_no_connection(gated: RunningCloud) -> None:
    ask_aws(gated, REGION)
    begin(gated, "refuse")
    assert gated.sandbox.status().faults[0]["kind"] == "refuse"
    with pytest.raises(ConnectionClosedError):
        ask_aws(gated, REGION)
    with pytest.raises(httpx.ConnectError):
        ask_gateway(gated, REGION)


def test_a_regions_https_is_out_with_it(gated: RunningCloud) -> None:
    assert ask_gateway_by_https(gated, REGION) == 404
    begin(gated, "5xx")
    assert ask_gateway_by_https(gated, REGION) == 503
    for state, error in (("refuse", httpx.ConnectError), ("hang", httpx.ReadTimeout)):
        gated.sandbox.heal()
        begin(gated, state)
        with pytest.raises(error):
            ask_gateway_by_https(gated, REGION)
    assert ask_gateway_by_https(gated, OTHER) == 404
    gated.sandbox.heal()
    assert ask_gateway_by_https(gated, REGION) == 404


def test_connections_that_are_open_end_with_the_region(gated: RunningCloud) -> None:
    with httpx.Client(base_url=gated.gateways[REGION]) as client:
        assert client.get("/health").status_code == 404
        begin(gated, "refuse")
        with pytest.raises(httpx.TransportError):
            client.get("/health")


def test_hanging_region_never_answers(gated: RunningCloud) -> None:
    begin(gated, "hang")
    with pytest.raises(ReadTimeoutError):
        ask_aws(gated, REGION)
    with pytest.raises(httpx.ReadTimeout):
        ask_gateway(gated, REGION)


def test_clients_left_hanging_are_cut_off_when_the_region_is_back(gated: RunningCloud) -> None:
    begin(gated, "hang")
    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(httpx.get, gated.gateways[REGION] + "/health", timeout=10) for _ in range(3)]
        assert not wait(asked, timeout=PATIENCE).done
        gated.sandbox.heal()
        for each in asked:
            with pytest.raises(httpx.RemoteProtocolError):
                each.result()


def test_failing_region_answers_503(gated: RunningCloud) -> None:
    begin(gated, "5xx")
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        ask_aws(gated, REGION)
    assert ask_gateway(gated, REGION) == 503


@pytest.mark.parametrize("state", ["refuse", "hang", "5xx"])
def test_everything_else_goes_on(gated: RunningCloud, state: str) -> None:
    begin(gated, state)
    ask_aws(gated, OTHER)
    assert ask_gateway(gated, OTHER) == 404
    gated.client("iam", REGION).list_roles()
    gated.client("route53", REGION).list_hosted_zones()
    assert gated.sandbox.up().running


def test_opened_region_is_back(gated: RunningCloud) -> None:
    for state in ("refuse", "hang", "5xx"):
        begin(gated, state)
        gated.sandbox.heal()
        ask_aws(gated, REGION)
        assert ask_gateway(gated, REGION) == 404
    assert gated.sandbox.status().faults == []


def test_unknown_region_is_named(cloud: RunningCloud) -> None:
    with pytest.raises(Problem, match="'us-moon-1' is no role and no AWS region"):
        begin(cloud, "refuse", "us-moon-1")


def test_a_function_that_is_not_there_is_named_and_nothing_changes(gated: RunningCloud) -> None:
    with pytest.raises(Problem, match=f"no function 'pays' in {REGION}"):
        begin(gated, "function", part="pays", how="error")
    assert gated.sandbox.faults() == []


def test_several_faults_are_in_force_at_once_and_end_one_by_one(gated: RunningCloud) -> None:
    first, second = begin(gated, "hang", part="gateway"), begin(gated, "5xx", part="aws")
    assert second.number == first.number + 1
    with pytest.raises(httpx.ReadTimeout):
        ask_gateway(gated, REGION)
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        ask_aws(gated, REGION)
    assert gated.sandbox.heal(first.number) == [first]
    assert ask_gateway(gated, REGION) == 404
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        ask_aws(gated, REGION)
    assert gated.sandbox.heal(region=OTHER) == []
    assert gated.sandbox.heal(region=REGION) == [second]
    ask_aws(gated, REGION)


def test_faults_outlive_the_cloud_and_end_with_a_wipe(own_cloud: RunningCloud) -> None:
    begun = begin(own_cloud, "refuse")
    own_cloud.sandbox.down()
    with pytest.raises(Problem, match=r"run \./invoke sandbox\.up"):
        begin(own_cloud, "hang")
    assert own_cloud.sandbox.up().faults == [begun.told()]
    httpx.get(f"{own_cloud.endpoint}/_ministack/health").raise_for_status()
    with pytest.raises(httpx.ConnectError):
        ask_gateway(own_cloud, REGION)
    own_cloud.sandbox.wipe()
    assert own_cloud.sandbox.up().faults == []
    assert ask_gateway(own_cloud, REGION) == 404


def test_a_slow_region_answers_late(gated: RunningCloud) -> None:
    begin(gated, "slow", seconds=0.3)
    began = time.monotonic()
    gated.client("dynamodb", REGION).list_tables()
    assert 0.3 <= time.monotonic() - began < 2


def test_how_late_is_measured_in_virtual_seconds(gated: RunningCloud) -> None:
    set_speed(gated.sandbox.layout.clock, 10)
    try:
        begin(gated, "slow", seconds=5)
        began = time.monotonic()
        gated.client("dynamodb", REGION).list_tables()
        assert 0.5 <= time.monotonic() - began < 3
    finally:
        set_speed(gated.sandbox.layout.clock, 1)


def test_a_lossy_region_loses_questions_and_answers(gated: RunningCloud) -> None:
    """A lost question has no effect, a lost answer has."""
    queue = gated.client("sqs", REGION, read_timeout=0.2)
    begin(gated, "lossy", probability=1.0)
    names = [f"lost-{number}" for number in range(16)]
    for name in names:
        with pytest.raises(ReadTimeoutError):
            queue.create_queue(QueueName=name)
    gated.sandbox.heal()
    made = {url.rpartition("/")[2] for url in queue.list_queues(QueueNamePrefix="lost-").get("QueueUrls", ())}
    assert set() < made < set(names)


ERRORS = {
    "dynamodb": ("dynamodb:ListTables", lambda client: client.list_tables()),
    "s3": ("s3:GetObject", lambda client: client.get_object(Bucket="none", Key="none")),
    "sns": ("sns:ListTopics", lambda client: client.list_topics()),
    "sqs": ("sqs:ListQueues", lambda client: client.list_queues()),
    "secretsmanager": ("secretsmanager:ListSecrets", lambda client: client.list_secrets()),
    "cloudwatch": ("monitoring:DescribeAlarms", lambda client: client.describe_alarms()),
}


@pytest.mark.parametrize("service", ERRORS)
def test_one_operation_fails_as_its_service_tells_errors(gated: RunningCloud, service: str) -> None:
    part, call = ERRORS[service]
    begin(gated, "operation", part=part, how="InternalServerError")
    with pytest.raises(ClientError) as caught:
        call(gated.client(service, REGION))
    assert caught.value.response["Error"]["Code"] == "InternalServerError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    gated.client("events", REGION).list_rules()


def test_the_data_layer_alone_is_out(gated: RunningCloud) -> None:
    begin(gated, "data", how="hang")
    with pytest.raises(ReadTimeoutError):
        ask_aws(gated, REGION)
    gated.client("sqs", REGION).list_queues()
    ask_aws(gated, OTHER)


def test_a_request_under_way_is_hit_by_a_fault_that_begins(gated: RunningCloud) -> None:
    """Long polling is one that takes its time."""
    queue = gated.client("sqs", REGION, read_timeout=3)
    url = queue.create_queue(QueueName="under-way")["QueueUrl"]
    for kind, error in (("refuse", ConnectionClosedError), ("hang", ReadTimeoutError)):
        with ThreadPoolExecutor() as threads:
            asked = threads.submit(queue.receive_message, QueueUrl=url, WaitTimeSeconds=2)
            assert not wait([asked], timeout=PATIENCE).done
            begin(gated, kind)
            with pytest.raises(error):
                asked.result()
        gated.sandbox.heal()
