"""Each alarm of both regions says where its runbook is, and the page has a row for it."""

from __future__ import annotations

import re

import pytest

from shared import naming
from shared.environment import Environment
from shared.root import ROOT
from shared.runbooks import LONGEST_DESCRIPTION, PAGES, described
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment, run_vault

FOLDER = ROOT / "docs" / "runbooks"


def alarms(environment):
    """(What it watches, its description) of every alarm of all stacks."""
    names = Environment.load(environment).names
    for run in (*run_environment(environment).values(), run_vault(environment)):
        for made in (*run.recorder.of("MetricAlarm"), *run.recorder.of("CompositeAlarm")):
            name = made.get("name") or made["alarmName"]
            (purpose,) = {
                each
                for each in PAGES
                for role in ("primary", "secondary")
                if names.of(naming.alarm(each), role) == name
            }
            yield purpose, made["alarmDescription"]


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
def test_each_alarm_carries_the_address_of_a_page_that_has_a_row_for_it(environment):
    base = Environment.load(environment).runbooks
    found = list(alarms(environment))
    assert len(found) > 60
    for purpose, description in found:
        address = re.search(r"Runbook: (\S+)$", description)
        assert address, purpose
        assert address[1].startswith(base)
        page = FOLDER / address[1].removeprefix(base)
        rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
        assert any(f"`{purpose}`" in row.split("|")[1] for row in rows), f"{page.name} has no row for {purpose}"


def test_every_page_of_the_table_is_some_alarms_and_no_alarm_is_made_up():
    watched = {purpose for environment in (PAYMENTS, TRADING) for purpose, _ in alarms(environment)}
    assert watched == set(PAGES)


def test_every_page_is_reached_from_the_index():
    linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert linked == {path.name for path in FOLDER.glob("*.md")} - {"README.md"}


def test_what_cloudwatch_would_refuse_is_refused_before():
    longest = "x" * (LONGEST_DESCRIPTION - len(". Runbook: https://a.example/latch.md"))
    assert len(described(longest, "latch-silent", "https://a.example/")) == LONGEST_DESCRIPTION
    with pytest.raises(ValueError, match="1025 characters"):
        described(longest + "x", "latch-silent", "https://a.example/")
    with pytest.raises(ValueError, match="the alarm unknown has no page"):
        described("x", "unknown", "https://a.example/")
