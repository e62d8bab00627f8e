"""The other profile's whole life, beside the first one: a load balancer in each region, from the same code."""

from __future__ import annotations

import json

import pytest

from tests.e2e.inventory import everything
from tests.e2e.read_back import told_otherwise

pytestmark = pytest.mark.xdist_group("running")

REGIONS = ["us-east-1", "us-east-2", "us-west-2"]
TRADING = ("--environment", "trading")


def test_both_profiles_live_in_one_sandbox(running):
    cloud = running.ok("sandbox.status", "--json").json["endpoint"]
    before = everything(cloud, REGIONS)
    deployed = running.ok("deploy-all", *TRADING, "--json")
    assert len(deployed.statuses) == 8
    assert set(deployed.statuses.values()) == {"changed"}
    assert "smoke test passed" in deployed.messages["compute/trading-secondary"]
    assert told_otherwise(running, cloud, "trading") == {}

    first = running.ok("pay", *TRADING, "--key", "order-1", "--json").json
    assert (first["status"], first["served_by"], first["replayed"]) == (201, "us-east-1 (primary)", False)
    again = running.ok("pay", *TRADING, "--key", "order-1", "--region", "secondary", "--json").json
    assert (again["status"], again["served_by"], again["replayed"]) == (201, "us-west-2 (secondary)", True)
    assert again["answer"] == first["answer"]
    other = running.ok("pay", "--key", "order-1", "--region", "secondary", "--json").json
    assert (other["served_by"], other["replayed"]) == ("us-east-2 (secondary)", False), "each has its own payments"

    assert set(running.ok("deploy-all", *TRADING, "--force", "--json").statuses.values()) == {"unchanged"}
    assert set(running.ok("drift", *TRADING, "--json").statuses.values()) == {"unchanged"}
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}, "the other profile minds nothing"

    destroyed = running.ok("destroy-all", *TRADING, "--yes", "--json")
    assert set(destroyed.statuses.values()) == {"changed"}
    assert everything(cloud, REGIONS) == before
    assert running.ok("pay", "--json").json["status"] == 201


@pytest.mark.prove
def test_a_drill_fails_over_from_one_load_balancer_to_the_other(drilled):
    drilled.ok("deploy-all", *TRADING)
    wish = ("--fault", "hang", "--rate", "1", "--duration", "120", "--speed", "2", "--seed", "7", "--json")
    played = drilled.run("drill", *TRADING, *wish, seconds=900)
    report = json.loads(played.out)
    assert played.code == 0, played.out
    assert report["outcome"]["status"] == "passed"
    found = {each["name"]: each for each in report["figures"]["figures"]}
    assert found["RTO, worst client that honours the TTL"]["measured"] <= report["plan"]["objectives"]["failover"]
    assert [name for name, each in found.items() if each["held"] is False] == []
    assert (found["payments lost"]["measured"], found["payments doubled"]["measured"]) == (0, 0)
