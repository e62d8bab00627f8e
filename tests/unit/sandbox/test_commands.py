"""What `./invoke sandbox.status` says."""

from __future__ import annotations

import pytest

from sandbox import addresses, commands
from sandbox.faults.fault import InjectedFault
from sandbox.lifecycle import SandboxStatus
from shared.environment import Environment
from shared.errors import Problem

ENVIRONMENT = Environment.load("payments")
USED = {region for _, region in ENVIRONMENT.regions}
GATEWAYS = {region: addresses.url(endpoint) for region, endpoint in addresses.endpoints(20000).items()}


class Box:
    """A sandbox that says what it is told to say."""

    def __init__(self, status):
        self._status = status

    def __call__(self, _root):
        return self

    def status(self):
        return self._status


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


def test_status_lists_a_region_with_a_fault(box, capsys):
    box(faults=[InjectedFault("hang", "eu-west-1", number=3).told()])
    commands.status()
    rows = shown(capsys)
    assert rows.keys() & GATEWAYS.keys() == USED | {"eu-west-1"}
    assert rows["eu-west-1"] == f"{GATEWAYS['eu-west-1']}  hang (fault 3)"


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
