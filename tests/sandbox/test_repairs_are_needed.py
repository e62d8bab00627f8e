"""Each repair of the cloud once left out: its own tests fail then, or it is needed no longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.sandbox.proofs import PROOFS, WITHOUT

ROOT = Path(__file__).parents[2]


@pytest.mark.prove
@pytest.mark.parametrize("repair", PROOFS)
def test_without_the_repair_its_tests_fail(tmp_path: Path, repair: str):
    results = outcomes(PROOFS[repair], tmp_path, {WITHOUT: repair})
    passed = [test for test, outcome in results.items() if outcome == "passed"]
    assert not passed, f"{repair} is needed no longer, or these tests prove nothing of it: {', '.join(passed)}"
    assert set(results.values()) == {"failed"}, f"the tests of {repair} could not be run: {results}"


def outcomes(tests: tuple[str, ...], folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """How each test ended, run by itself with a cloud of its own."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", f"--basetemp={folder / 'tmp'}", *tests]
    environment = {**os.environ, **settings, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # they take half of the time
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), said.stdout + said.stderr
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - of our own pytest
        broken = case.find("error") is not None or case.find("skipped") is not None
        outcome = "not run" if broken else "passed" if case.find("failure") is None else "failed"
        found[str(case.get("name"))] = outcome
    assert len(found) >= len(tests), said.stdout
    return found
