"""The switch of the sandbox's tricks, what it turns off, and that there is none of them on AWS."""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from engine import find
from engine.find import Engine
from orchestration.targets import aws, sandbox
from sandbox import sources, variables
from sandbox.cloud import repairs
from sandbox.layout import Layout
from sandbox.plugins import __main__ as plugins
from sandbox.plugins.install import install
from sandbox.tricks import OFF, VARIABLE, Trick, on
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT

ENVIRONMENT = Environment.load("payments")
ALL = {name: value for variables in sandbox.FAST.values() for name, value in variables.items()}


def turned_off(monkeypatch, setting):
    monkeypatch.setenv(VARIABLE, setting)
    return {trick for trick in Trick if not on(trick)}


def test_all_are_on_by_default_and_go_together_or_one_by_one(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert all(map(on, Trick))
    assert turned_off(monkeypatch, "") == set()
    assert turned_off(monkeypatch, OFF) == set(Trick)
    assert turned_off(monkeypatch, "-traces,-garbage") == {Trick.TRACES, Trick.GARBAGE}


@pytest.mark.parametrize("setting", ["traces", "-trace", "on", "off,-traces"])
def test_what_the_switch_does_not_know_is_one_line(monkeypatch, setting):
    with pytest.raises(
        Problem, match=rf"^{VARIABLE}={setting}: \S+ is unknown: it is `off`, or some of -warm_plugins,"
    ):
        turned_off(monkeypatch, setting)


def test_each_has_a_row_in_the_table():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "speed.md").read_text(), re.MULTILINE)
    assert rows == [trick.value for trick in Trick]


def target(monkeypatch, tmp_path, setting):
    """The sandbox as a target, where nothing is started."""
    monkeypatch.setattr(os, "environ", dict(os.environ))  # a target keeps nothing in it but what leads to the sandbox
    monkeypatch.setenv(VARIABLE, setting)
    layout = Layout(tmp_path)
    for folder in (layout.bin, layout.backend):
        folder.mkdir(parents=True)
    box = SimpleNamespace(
        layout=layout,
        up=lambda _: SimpleNamespace(generation="1", recoveries=0, gateways={}),
        variables=lambda: variables.of(layout, 4566),
        require_passphrase=lambda: None,
        lost_passphrase="",
    )
    monkeypatch.setattr(sandbox, "Sandbox", lambda _: box)
    monkeypatch.setattr(find, "find", lambda _: Engine("3", tmp_path / "pulumi", "", ""))
    monkeypatch.setattr(sandbox, "install", lambda *_: None)
    frozen = []
    monkeypatch.setattr(atexit, "register", frozen.append)
    made = sandbox.make(ENVIRONMENT, print)
    return made, frozen


def test_a_run_in_the_sandbox_uses_them(monkeypatch, tmp_path):
    made, frozen = target(monkeypatch, tmp_path, "")
    assert made.holds_programs
    assert made.cli.variables.items() >= ALL.items()
    assert len(frozen) == 1


def test_a_run_in_the_sandbox_without_them_is_a_plain_one(monkeypatch, tmp_path):
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    made, frozen = target(monkeypatch, tmp_path, OFF)
    assert not made.holds_programs
    assert not ALL.keys() & made.cli.variables.keys()
    assert made.cli.variables[VARIABLE] == OFF  # what an engine starts is told too
    assert frozen == []


def test_the_host_of_plugins_is_told(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    assert all(vars(plugins.warmth()).values())
    monkeypatch.setenv(VARIABLE, OFF)
    assert not any(vars(plugins.warmth()).values())


def test_plugins_are_plain_processes_without_them(monkeypatch, tmp_path):
    engine = tmp_path / "pulumi"
    engine.write_text("#!/bin/sh\n")
    layout = Layout(tmp_path)
    for setting, starts in (("", "stub.py"), (OFF, "-m sandbox.plugins.plain language"), ("", "stub.py")):
        monkeypatch.setenv(VARIABLE, setting)
        install(layout, engine)
        assert starts in (layout.bin / "pulumi-language-python").read_text()


def test_a_repair_that_is_for_speed_only_goes_with_them(monkeypatch):
    repaired = []
    for name in repairs.REPAIRS:
        monkeypatch.setitem(repairs.REPAIRS, name, lambda name=name: repaired.append(name))
    monkeypatch.setenv(VARIABLE, OFF)
    repairs.apply()
    assert repairs.REPAIRS.keys() - set(repaired) == {"transport.protocols_are_read_without_the_models"}


def test_a_daemon_of_another_setting_is_not_current(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    quick = sources.digest("sandbox/cloud")
    monkeypatch.setenv(VARIABLE, OFF)
    assert sources.digest("sandbox/cloud") != quick


@pytest.mark.parametrize("setting", ["", OFF, "nonsense"])
def test_there_is_none_on_aws_whatever_the_switch_says(monkeypatch, tmp_path, setting):
    for name in (*ALL, "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(VARIABLE, setting)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "passphrase")
    official = tmp_path / "pulumi"
    official.with_name("pulumi-language-python").touch()
    monkeypatch.setattr(find, "find", lambda _: Engine("3", official, "", ""))
    monkeypatch.setattr(aws, "_account", lambda _: "123456789012")
    monkeypatch.setattr(aws, "_lost", lambda *_: "")
    monkeypatch.setattr(Environment, "require_own_domain", lambda _: None)
    made = aws.make(ENVIRONMENT, print)
    assert not made.holds_programs
    assert made.cli.executable == official  # with Pulumi's own language host
    added = made.cli.variables.keys() - os.environ.keys()
    assert added == {"PULUMI_OPTION_CONFIG_FILE", "PULUMI_DEBUG_COMMANDS"}


ON_AWS = """
import atexit, gc, json, os, sys
registered = []
atexit.register = registered.append
before = os.getpriority(os.PRIO_PROCESS, 0), gc.get_threshold()
from orchestration import commands, driver, operate, smoke
from orchestration.targets import aws
print(json.dumps({
    "modules": sorted(name for name in sys.modules if name.split(".")[0] == "sandbox"),
    "frozen": gc.get_freeze_count(),
    "enabled": gc.isenabled(),
    "at exit": [str(each) for each in registered if getattr(each, "__module__", "").startswith(("orch", "gc"))],
    "changed": before != (os.getpriority(os.PRIO_PROCESS, 0), gc.get_threshold()),
}))
"""


def test_a_run_on_aws_reads_nothing_of_the_sandbox_and_leaves_its_own_process_alone():
    answer = subprocess.run([sys.executable, "-c", ON_AWS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == {
        "modules": [],
        "frozen": 0,
        "enabled": True,
        "at exit": [],
        "changed": False,
    }
