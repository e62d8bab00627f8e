"""`./invoke` as a command among others."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from typing import get_args

import pytest

import tasks
from orchestration.choice import Choice
from orchestration.target import TARGETS
from sandbox.control import REGION_STATES
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
    [("layer", LAYERS), ("region", ROLES), ("target", TARGETS), ("state", REGION_STATES), ("mode", get_args(Mode))],
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


def test_every_option_of_a_choice_is_told():
    assert {field.name for field in dataclasses.fields(Choice)} <= tasks.HELP.keys()


def test_a_layer_is_asked_for(capsys):
    with pytest.raises(SystemExit, match="1"):
        tasks.deploy.body(None, **{name: tasks.DEFAULTS[name] for name in tasks.DEFAULTS})
    assert "say which --layer" in capsys.readouterr().err
