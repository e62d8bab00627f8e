"""A drill by AWS's own interfaces alone, as `--target aws` plays it; the sandbox answers them here."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Checkout

PLAYER = """
import json, sys
from dataclasses import replace
from urllib.parse import urlsplit
from drill import session
from drill.aws_stage import AwsStage, PublicNetwork
from orchestration.target import choose
from sandbox import Sandbox
from sandbox.clock import SharedClock
from shared.environment import Environment
from shared.root import ROOT

settings = Environment.load("payments", ROOT)
place = choose("sandbox", settings, lambda line: None)
box = Sandbox(ROOT)
host, _, port = box.status().dns.rpartition(":")
dns = host, int(port)
gateway = int(urlsplit(place.gateways[settings.regions.primary]).port)
stage = AwsStage(
    place,
    settings,
    network=PublicNetwork(dns, [dns], gateway, None, place.gateways),
    clock=SharedClock(box.layout.clock),
)
address = urlsplit(place.gateways[settings.regions.primary]).hostname
stage.probed = [(address, settings.failover_name)]  # the sandbox's DNS answers the failover name, and no region's own
plan = session.plan(settings, fault=sys.argv[1], rate=1.0, duration=120.0, speed=1.0, seed=7, target="aws")
outcome, found, _ = session.play(plan, place, settings, stage, lambda line: print(line, file=sys.stderr))
print(json.dumps({"outcome": outcome.to_json(), "figures": found.to_json()}))
"""


@pytest.mark.prove
def test_an_evacuation_by_awss_interfaces_alone_moves_everybody_and_brings_them_back(checkout: Checkout) -> None:
    checkout.ok("deploy-all")
    done = subprocess.run(
        [str(checkout.root / ".venv/bin/python"), "-c", PLAYER, "evacuate"],
        cwd=checkout.root,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["outcome"]["status"] == "passed", (told["outcome"], done.stderr[-2000:])
    figures = {each["name"]: each for each in told["figures"]["figures"]}
    assert figures["RTO, worst client that honours the TTL"]["objective"] is None  # planned: never beside the 120 s
    assert 0 < figures["DNS answers the secondary"]["measured"] <= 70
    assert figures["payments lost"]["measured"] == figures["payments doubled"]["measured"] == 0
    assert told["figures"]["acknowledged"] > 100
