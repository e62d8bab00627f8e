"""An outage in waves is played step by step: clients move once, stay away in its pauses, and go back by decision."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Checkout

OUTAGE = """
name: a short outage in two waves
begins: "2026-01-01T00:00:00Z"
source: "assumed: a test"
faults:
  - {at: 0, until: 9, kind: refuse, part: gateway, says: nobody gets in, source: "assumed: a test"}
  - {at: 10, until: 10.5, kind: lossy, part: PART, probability: 0.2, says: some get in, source: "assumed: a test"}
"""


@pytest.mark.prove
def test_an_outage_in_waves_loses_nothing_and_nobody_goes_back_in_its_pause(checkout: Checkout, tmp_path: Path) -> None:
    checkout.ok("deploy-all")
    file, out = tmp_path / "outage.yaml", tmp_path / "evidence"
    file.write_text(OUTAGE.replace("PART", "nothing"))
    wish = ("--incident", str(file), "--rate", "1", "--speed", "3", "--seed", "7")
    refused = checkout.run("drill", *wish, "--json")
    assert refused.code == 1
    assert "'some get in' cannot be played here: unknown --part 'nothing'" in refused.err
    assert checkout.ok("fault", "--json").json == []

    file.write_text(OUTAGE.replace("PART", "gateway"))
    played = checkout.run("drill", *wish, "--evidence", str(out), "--json", seconds=1500)
    assert played.code == 0, played.out + played.err
    told = played.json
    steps = told["figures"]["steps"]
    assert [(step["at"], step["faults"]) for step in steps] == [
        (0, ["nobody gets in"]),
        (540, []),
        (600, ["some get in"]),
        (630, []),
    ]
    assert all(step["secondary"] for step in steps[:3])
    assert not any(step["primary"] for step in steps[:3])
    figures = {each["name"]: each for each in told["figures"]["figures"]}
    assert figures["clients stayed away until restored"]["held"] is True
    assert (figures["payments lost"]["measured"], figures["payments doubled"]["measured"]) == (0, 0)
    assert {each["kind"] for each in told["figures"]["outages"]} >= {"fresh", "example"}
    verified = subprocess.run(
        [sys.executable, out / "verify.py", told["head"]], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
    assert json.loads((out / "plan.json").read_text())["steps"][1]["faults"] == []
    assert "incident outage" in checkout.ok("drill.history").out
