"""`./invoke` as a command among others."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from typing import get_args

import pytest

import tasks
from drill.sandbox_stage import FAULTS
from orchestration.choice import Choice
from orchestration.target import TARGETS
from sandbox.faults.fault import KINDS
from shared.contracts import LAYERS
from shared.roles import ROLES
from shared.root import ROOT
from simulation.world import Mode


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_reader_that_has_seen_enough_is_no_error():
    assert shell("./invoke graph | true").stderr == ""


def test_a_problem_is_one_line_and_exit_code_1():
    answer = shell("./invoke graph --environment nowhere")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("layer", LAYERS),
        ("region", ROLES),
        ("target", TARGETS),
        ("kind", KINDS),
        ("fault", FAULTS),
        ("mode", get_args(Mode)),
    ],
)
def test_help_names_every_value_that_there_is(option, values):
    """The tasks import nothing for their help: `./invoke` stays quick."""
    assert set(values) <= set(re.findall(r"\w+", tasks.HELP[option]))


def test_a_task_gets_what_is_chosen_and_the_defaults_of_a_choice():
    got = []

    @tasks.choosing("layer", "json")
    def body(choice, amount="1"):
        got.append((choice, amount))
        return 0

    assert [argument.name for argument in body.get_arguments()] == ["amount", "layer", "json"]
    assert {argument.name: argument.kind for argument in body.get_arguments()}["json"] is bool
    body.body(None, layer="data", json=False, amount="2")
    assert got == [(Choice(layer="data"), "2")]


def every_task(collection=tasks.namespace, before=""):
    """All tasks with their names, those of collections too."""
    for name, task in collection.tasks.items():
        yield f"{before}{name}", task
    for name, inner in collection.collections.items():
        yield from every_task(inner, f"{before}{name}.")


OPTIONS = {name: (task, task.get_arguments()) for name, task in every_task()}
"""Once for all tests: invoke hands the help of an option out, and has it no more."""


@pytest.mark.parametrize("name", OPTIONS)
def test_a_task_says_what_it_does_and_what_each_option_is_for(name):
    task, options = OPTIONS[name]
    summary = (task.__doc__ or "").strip().splitlines()[0]
    assert summary.endswith(".")
    if name.startswith("sandbox."):
        assert "sandbox" in summary
    for argument in options:
        assert argument.help, f"{name} --{argument.name}"


def test_no_help_is_for_an_option_that_is_none():
    used = {argument.name.replace("-", "_") for _, options in OPTIONS.values() for argument in options}
    assert {name.replace("-", "_") for name in tasks.HELP} == used
    assert {field.name for field in dataclasses.fields(Choice)} <= tasks.HELP.keys()


def test_a_layer_is_asked_for(capsys):
    with pytest.raises(SystemExit, match="1"):
        tasks.deploy.body(None, **{name: tasks.DEFAULTS[name] for name in tasks.DEFAULTS})
    assert "say which --layer" in capsys.readouterr().err
