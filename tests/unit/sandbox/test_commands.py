"""What `./invoke sandbox.status` and `sandbox.region` say and take."""

from __future__ import annotations

import pytest

from sandbox import addresses, commands
from sandbox.lifecycle import SandboxStatus
from shared.environment import Environment
from shared.errors import Problem

ENVIRONMENT = Environment.load("payments")
USED = {region for _, region in ENVIRONMENT.regions}
GATEWAYS = {region: addresses.url(endpoint) for region, endpoint in addresses.endpoints(20000).items()}


class Box:
    """A sandbox that says what it is told to say, and notes what it is told."""

    def __init__(self, status):
        self._status, self.states = status, {}

    def __call__(self, _root):
        return self

    def status(self):
        return self._status

    def set_region(self, region, state):
        self.states[region] = state


@pytest.fixture
def box(monkeypatch):
    def make(**told):
        told = {"generation": "0123", **told}
        found = SandboxStatus(running=True, endpoint="http://127.0.0.1:20000", gateways=GATEWAYS, **told)
        made = Box(found)
        monkeypatch.setattr(commands, "Sandbox", made)
        return made

    return make


def shown(capsys):
    """What was printed, by its name."""
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_status_lists_the_regions_that_an_environment_uses(box, capsys):
    box()
    assert commands.status() == 0
    assert shown(capsys).keys() & GATEWAYS.keys() == USED


def test_status_lists_a_region_that_is_out_with_its_state(box, capsys):
    box(closed_regions={"eu-west-1": "hang"})
    commands.status()
    rows = shown(capsys)
    assert rows.keys() & GATEWAYS.keys() == USED | {"eu-west-1"}
    assert rows["eu-west-1"] == f"{GATEWAYS['eu-west-1']}  hang"


def test_status_lists_all_when_asked(box, capsys):
    box()
    commands.status(every_region=True)
    said = capsys.readouterr().out
    assert all(region in said for region in GATEWAYS)
    assert "--all" not in said


def test_status_is_aligned_and_has_no_blanks_at_the_end(box, capsys):
    box(pids={"cloud": 1, "plugins": 22}, generation="0123", trouble="the disk is full")
    commands.status(every_region=True)
    lines = capsys.readouterr().out.splitlines()
    assert len({len(line) - len(line.split("  ", 1)[1].lstrip()) for line in lines}) == 1
    assert [line for line in lines if line != line.rstrip()] == []


def test_an_environment_that_cannot_be_loaded_does_not_keep_the_status_back(box, capsys, monkeypatch):
    def load(name):
        raise Problem(name)

    box()
    monkeypatch.setattr(Environment, "load", load)
    assert commands.status() == 0
    assert shown(capsys)["33"].startswith("more regions")


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_a_region_is_taken_out_by_its_role_or_its_name(box, capsys, role):
    region = ENVIRONMENT.region(role)
    for named, said in ((role, f"{region} ({role}): hang"), (region, f"{region}: hang")):
        made = box()
        assert commands.set_region(named, "hang", "payments") == 0
        assert made.states == {region: "hang"}
        assert capsys.readouterr().out == f"{said}\n"


@pytest.mark.parametrize(
    ("region", "state", "environment", "said"),
    [
        ("", "hang", "payments", "--region"),
        ("us-east-1", "close", "payments", "unknown --state 'close'"),
        ("primary", "hang", "nowhere", "unknown environment 'nowhere'"),
    ],
)
def test_what_is_none_is_one_line(box, region, state, environment, said):
    made = box()
    with pytest.raises(Problem, match=said) as caught:
        commands.set_region(region, state, environment)
    assert "\n" not in str(caught.value)
    assert made.states == {}
