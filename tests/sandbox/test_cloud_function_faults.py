"""Faults of functions and of what they stand on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox import addresses, distances, ports
from sandbox.faults.fault import InjectedFault
from sandbox.faults.network import cuts
from tests.sandbox.test_cloud_functions import Function
from tests.sandbox.test_gateway_answers import api  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.conftest import RunningCloud
    from tests.sandbox.test_gateway_answers import Api

REGION, OTHER = "us-west-1", "us-west-2"
CODE = """
import os, socket, ssl, time, urllib.request, urllib.error

def asked(event):
    headers = {}
    if "service" in event:
        scope = f"20250101/{os.environ['AWS_REGION']}/{event['service']}/aws4_request"
        key = os.environ["AWS_ACCESS_KEY_ID"]
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(event["url"], headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=event.get("within", 0.5)).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(getattr(error, "reason", error)).__name__

def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if "resolve" in event:
        try:
            return bool(socket.getaddrinfo(event["resolve"], 443))
        except socket.gaierror:
            return False
    began = time.monotonic()
    answer = asked(event) if "url" in event else os.getpid()
    return time.monotonic() - began if "timed" in event else answer
"""


@pytest.fixture(scope="module")
def function(cloud: RunningCloud) -> Iterator[Function]:
    made = Function(cloud, CODE, REGION)
    made.client.update_function_configuration(FunctionName=made.name, Timeout=5)
    yield made
    made.client.delete_function(FunctionName=made.name)


@pytest.fixture(autouse=True)
def healed(cloud: RunningCloud) -> Iterator[None]:
    yield
    cloud.sandbox.heal()


def begin(cloud: RunningCloud, kind: str, **said: Any) -> InjectedFault:
    return cloud.sandbox.begin_fault(InjectedFault(kind, REGION, **said))


def test_a_function_raises_crashes_or_runs_into_its_time_out(cloud: RunningCloud, function: Function) -> None:
    before = function()["result"]
    begin(cloud, "function", part=function.name, how="error")
    assert function()["result"]["errorMessage"] == "a fault of the sandbox"
    cloud.sandbox.heal()
    assert function()["result"] == before
    begin(cloud, "function", part=function.name, how="crash")
    assert "exit status" in function()["result"]["errorMessage"]
    cloud.sandbox.heal()
    assert function()["result"] != before, "a crash ends the process"
    function.client.update_function_configuration(FunctionName=function.name, Timeout=1)
    begin(cloud, "function", part=function.name, how="timeout")
    began = time.monotonic()
    assert "timed out after 1.00 seconds" in function()["result"]["errorMessage"]
    assert time.monotonic() - began >= 1
    function.client.update_function_configuration(FunctionName=function.name, Timeout=5)


@pytest.mark.parametrize(("kind", "said"), [("function", {"how": "crash"}), ("grey", {"how": "crash"})])
def test_a_crash_ends_what_is_under_way(cloud: RunningCloud, function: Function, kind: str, said: Any) -> None:
    function()
    with ThreadPoolExecutor() as threads:
        running = threads.submit(function, sleep=3)
        assert not wait([running], timeout=0.5).done
        begin(cloud, kind, part=function.name, **said)
        assert "exit status" in running.result()["result"]["errorMessage"]


def test_a_dependency_is_kept_from_the_functions_of_its_region(cloud: RunningCloud, function: Function) -> None:
    def ask(service: str) -> Any:
        return function(url=cloud.endpoint, service=service)["result"]

    reached = ask("secretsmanager")
    assert isinstance(reached, int)
    begin(cloud, "dependency", part="secrets", how="refuse")
    assert ask("secretsmanager") in {"ConnectionResetError", "RemoteDisconnected"}
    assert isinstance(ask("ssm"), int)
    cloud.client("secretsmanager", REGION).list_secrets()
    cloud.sandbox.heal()
    begin(cloud, "dependency", part="secrets", how="hang")
    assert ask("secretsmanager") in {"timeout", "TimeoutError"}
    cloud.sandbox.heal()
    assert ask("secretsmanager") == reached


def test_cold_means_that_processes_start_anew(cloud: RunningCloud, function: Function) -> None:
    before = function()["result"]
    begin(cloud, "dependency", part="parameters", how="refuse")
    assert function()["result"] == before
    begin(cloud, "dependency", part="parameters", how="refuse-cold")
    assert function()["result"] != before


def test_the_processor_is_a_dependency_too(cloud: RunningCloud, function: Function) -> None:
    def ask() -> Any:
        return function(url="https://processor.example.com/charges/none")["result"]

    reached = ask()
    assert isinstance(reached, int)
    begin(cloud, "dependency", part="processor", how="refuse")
    assert ask() in {"ConnectionResetError", "RemoteDisconnected"}
    cloud.sandbox.heal()
    begin(cloud, "dependency", part="processor", how="hang")
    assert ask() in {"timeout", "TimeoutError"}
    cloud.sandbox.heal()
    assert ask() == reached


@pytest.mark.parametrize("how", ["both", "outbound", "inbound"])
def test_a_partition_keeps_functions_from_the_other_region(cloud: RunningCloud, function: Function, how: str) -> None:
    port = ports.remembered(cloud.sandbox.layout)
    assert port is not None

    def ask(region: str) -> Any:
        return function(url=addresses.url(addresses.endpoints(port)[region]) + "/health")["result"]

    assert ask(OTHER) == 404
    begin(cloud, "partition", part="isolated", how=how, cut=cuts(REGION, ("*",), how))
    assert ask(OTHER) in {"timeout", "TimeoutError"}
    assert ask(REGION) == 404
    assert httpx.get(cloud.gateways[OTHER] + "/health").status_code == 404
    assert httpx.get(cloud.gateways[REGION] + "/health").status_code == 404


def test_functions_wait_for_answers_of_other_regions(cloud: RunningCloud, function: Function) -> None:
    port = ports.remembered(cloud.sandbox.layout)
    assert port is not None

    def took(region: str) -> float:
        url = addresses.url(addresses.endpoints(port)[region]) + "/health"
        return min(float(function(url=url, timed=True)["result"]) for _ in range(5))

    far = distances.round_trip(REGION, "eu-west-1")
    assert took(REGION) < distances.round_trip(REGION, OTHER) <= took(OTHER) < far <= took("eu-west-1")


def test_a_name_leads_nowhere(cloud: RunningCloud, function: Function) -> None:
    assert function(resolve="processor.example.com")["result"] is True
    begin(cloud, "name", part="Processor.example.com")
    assert function(resolve="processor.example.com")["result"] is False
    assert function(resolve="www.example.com")["result"] is True


def test_functions_are_throttled(cloud: RunningCloud, function: Function) -> None:
    begin(cloud, "throttle", part="functions")
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        function()
    cloud.sandbox.heal()
    function()


def test_an_api_is_throttled(cloud: RunningCloud, api: Api) -> None:  # noqa: F811 - the fixture
    assert api.post().status_code == 200
    begin(cloud, "throttle", part="api")
    refused = api.post()
    assert (refused.status_code, refused.json()) == (429, {"message": "Too Many Requests"})
    cloud.sandbox.heal()
    begin(cloud, "throttle", part="functions")
    assert api.post().status_code == 500
    cloud.sandbox.heal()
    assert api.post().status_code == 200


@pytest.mark.parametrize(("kind", "error"), [("refuse", httpx.TransportError), ("hang", httpx.ReadTimeout)])
def test_a_clients_request_under_way_is_hit(cloud: RunningCloud, api: Api, kind: str, error: Any) -> None:  # noqa: F811
    """Its function has run meanwhile, and nobody hears of it."""
    host = f"{api.identity}.execute-api.{REGION}.amazonaws.com"

    def post() -> int:
        body = {"do": "sleep", "seconds": 0.8}
        return httpx.post(f"{api.url}/v1/pay", json=body, headers={"Host": host}, timeout=1.5).status_code

    with ThreadPoolExecutor() as threads:
        asked = threads.submit(post)
        assert not wait([asked], timeout=0.3).done
        begin(cloud, kind)
        with pytest.raises(error):
            asked.result()
    cloud.sandbox.heal()
    assert post() == 200


def test_environments_in_a_lost_zone_end_and_start_in_another(cloud: RunningCloud) -> None:
    ec2 = cloud.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zones = [each["ZoneId"] for each in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZoneId=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    made = Function(cloud, CODE, REGION)
    made.client.update_function_configuration(
        FunctionName=made.name, Timeout=5, VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": []}
    )
    before = made()["result"]
    lost = []
    for zone in zones:
        begin(cloud, "zone", part=zone)
        lost.append(made()["result"] != before)
        cloud.sandbox.heal()
        before = made()["result"]
    assert any(lost), "it ran in one of them"
    for zone in zones:
        begin(cloud, "zone", part=zone)
    assert "no subnet of" in made()["result"]["errorMessage"]
