"""A region that is out: refusing, hanging, answering with errors; the others go on."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from sandbox import addresses, ports
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
    cloud.sandbox.set_region(REGION, "open")
    assert log.read_text() == before, "a region that is out is nothing to tell of"


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
    gated.sandbox.set_region(REGION, "refuse")
    assert gated.sandbox.status().closed_regions == {REGION: "refuse"}
    with pytest.raises(ConnectionClosedError):
        ask_aws(gated, REGION)
    with pytest.raises(httpx.ConnectError):
        ask_gateway(gated, REGION)


def test_a_regions_https_is_out_with_it(gated: RunningCloud) -> None:
    assert ask_gateway_by_https(gated, REGION) == 404
    gated.sandbox.set_region(REGION, "errors")
    assert ask_gateway_by_https(gated, REGION) == 503
    for state, error in (("refuse", httpx.ConnectError), ("hang", httpx.ReadTimeout)):
        gated.sandbox.set_region(REGION, state)
        with pytest.raises(error):
            ask_gateway_by_https(gated, REGION)
    assert ask_gateway_by_https(gated, OTHER) == 404
    gated.sandbox.set_region(REGION, "open")
    assert ask_gateway_by_https(gated, REGION) == 404


def test_connections_that_are_open_end_with_the_region(gated: RunningCloud) -> None:
    with httpx.Client(base_url=gated.gateways[REGION]) as client:
        assert client.get("/health").status_code == 404
        gated.sandbox.set_region(REGION, "refuse")
        with pytest.raises(httpx.TransportError):
            client.get("/health")


def test_hanging_region_never_answers(gated: RunningCloud) -> None:
    gated.sandbox.set_region(REGION, "hang")
    with pytest.raises(ReadTimeoutError):
        ask_aws(gated, REGION)
    with pytest.raises(httpx.ReadTimeout):
        ask_gateway(gated, REGION)


def test_clients_left_hanging_are_cut_off_when_the_region_is_back(gated: RunningCloud) -> None:
    gated.sandbox.set_region(REGION, "hang")
    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(httpx.get, gated.gateways[REGION] + "/health", timeout=10) for _ in range(3)]
        assert not wait(asked, timeout=PATIENCE).done
        gated.sandbox.set_region(REGION, "open")
        for each in asked:
            with pytest.raises(httpx.RemoteProtocolError):
                each.result()


def test_failing_region_answers_503(gated: RunningCloud) -> None:
    gated.sandbox.set_region(REGION, "errors")
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        ask_aws(gated, REGION)
    assert ask_gateway(gated, REGION) == 503


@pytest.mark.parametrize("state", ["refuse", "hang", "errors"])
def test_everything_else_goes_on(gated: RunningCloud, state: str) -> None:
    gated.sandbox.set_region(REGION, state)
    ask_aws(gated, OTHER)
    assert ask_gateway(gated, OTHER) == 404
    gated.client("iam", REGION).list_roles()
    gated.client("route53", REGION).list_hosted_zones()
    assert gated.sandbox.up().running


def test_opened_region_is_back(gated: RunningCloud) -> None:
    for state in ("refuse", "hang", "errors"):
        gated.sandbox.set_region(REGION, state)
        gated.sandbox.set_region(REGION, "open")
        ask_aws(gated, REGION)
        assert ask_gateway(gated, REGION) == 404
    assert gated.sandbox.status().closed_regions == {}


def test_unknown_region_is_named(cloud: RunningCloud) -> None:
    with pytest.raises(Problem, match="'us-moon-1' is neither a role nor an AWS region"):
        cloud.sandbox.set_region("us-moon-1", "refuse")


def test_gates_do_not_outlive_the_cloud(own_cloud: RunningCloud) -> None:
    own_cloud.sandbox.set_region(REGION, "refuse")
    own_cloud.sandbox.down()
    with pytest.raises(Problem, match=r"run \./invoke sandbox\.up"):
        own_cloud.sandbox.set_region(REGION, "refuse")
    assert own_cloud.sandbox.up().closed_regions == {}
