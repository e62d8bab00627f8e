"""A program stays where its stack is, and comes to its end: else its update fails before it has made anything."""

from __future__ import annotations

import contextlib
import sys

import pulumi
import pytest

from shared.components.regions import this_region
from shared.contracts import DEPLOYED_AS, LAYERS, MAY_MOVE
from shared.environment_sections import NetworkSettings
from tests.unit.projects.mocked_programs import ACCOUNT, STACKS, published, run_component, run_environment, run_program


def edited(stack, **changed):
    """What every stack exports, with `stack` deployed somewhere else."""
    outputs = published()
    own = outputs[f"organization/{stack}"]
    place = {**own[DEPLOYED_AS], **changed}
    return {**outputs, f"organization/{stack}": {**own, DEPLOYED_AS: place}}


def run(stack, outputs):
    layer, _, name = stack.partition("/")
    return run_program(layer, name, outputs)


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_says_where_it_is_and_stays_there(stack):
    exports = run_environment()[stack].exports
    place = exports[DEPLOYED_AS]
    regional = LAYERS[stack.partition("/")[0]].regional
    assert (place["account"], place["suffix"]) == (ACCOUNT, "x7k2")
    uses = {stack.rpartition("-")[2]} if regional else {"primary", "secondary", "witness"}
    assert set(place["regions"]) == uses
    assert run(stack, published()).exports == exports


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("allowed", [False, True])
def test_a_stack_that_would_move_fails_before_it_makes_anything(stack, allowed, monkeypatch):
    use = "secondary" if stack.endswith("-secondary") else "primary"
    regions = run_environment()[stack].exports[DEPLOYED_AS]["regions"]
    if allowed:
        monkeypatch.setenv(MAY_MOVE, "1")
    for changed, words in (
        ({"suffix": "other"}, "suffix other, not x7k2"),
        ({"regions": {**regions, use: "eu-west-1"}}, f"{use} region eu-west-1, not {regions[use]}"),
    ):
        if allowed:
            assert run(stack, edited(stack, **changed)).recorder.cloud
            continue
        with pytest.raises(pulumi.RunError) as caught:
            run(stack, edited(stack, **changed))
        line = str(caught.value)
        assert line.startswith(f"stack {stack} is deployed with {words}: ")
        assert "environments/payments.yaml" in line
        assert "\n" not in line


@pytest.mark.parametrize("allowed", [False, True])
def test_another_account_is_never_allowed(allowed, monkeypatch):
    if allowed:
        monkeypatch.setenv(MAY_MOVE, "1")
    with pytest.raises(pulumi.RunError, match=f"is deployed in account 999999999999, not {ACCOUNT}: log in"):
        run("data/payments", edited("data/payments", account="999999999999"))


def test_names_that_are_made_otherwise_move_a_stack():
    """By the environment's label in the profile that has it in names, or by another profile."""
    known = run_environment()["data/payments"].exports[DEPLOYED_AS]["names"]
    assert known == "payment-<purpose>-<role>"
    with pytest.raises(pulumi.RunError, match=f"with names trading-<region>-staging-<purpose>, not {known}: "):
        run("data/payments", edited("data/payments", names="trading-<region>-staging-<purpose>"))


@pytest.mark.parametrize("allowed", [False, True])
def test_the_tables_consistency_stays_for_its_life(allowed, monkeypatch):
    """It is no replacement, but an update that deletes the replica."""
    if allowed:
        monkeypatch.setenv(MAY_MOVE, "1")
    outputs = published()
    outputs["organization/data/payments"] = {**outputs["organization/data/payments"], "consistency": "MREC"}
    if allowed:
        assert run("data/payments", outputs).recorder.cloud
    else:
        with pytest.raises(pulumi.RunError, match="stack data/payments is deployed with consistency MREC, not MRSC: "):
            run("data/payments", outputs)


def test_a_witness_that_changes_moves_the_stack_that_has_it():
    regions = run_environment()["data/payments"].exports[DEPLOYED_AS]["regions"]
    with pytest.raises(pulumi.RunError, match="witness region eu-west-3, not us-west-2"):
        run("data/payments", edited("data/payments", regions={**regions, "witness": "eu-west-3"}))


@pytest.mark.parametrize("outputs", [{}, {"vpc_id": "vpc-1"}, {DEPLOYED_AS: None}])
def test_a_stack_that_never_said_where_it_is_goes_on(outputs):
    stacks = {**published(), "organization/network/payments-primary": outputs}
    assert run("network/payments-primary", stacks).exports[DEPLOYED_AS]["suffix"] == "x7k2"


def swallowed():
    with contextlib.suppress(Exception):
        raise KeyError("vpc")


@pytest.mark.parametrize("end", [lambda: None, sys.exit, lambda: sys.exit(0), swallowed])
def test_a_program_that_ends_before_it_has_published_is_an_error_in_one_line(end):
    def build():
        this_region(NetworkSettings)
        end()

    with pytest.raises(pulumi.RunError, match=r"^projects/network ended before it published its outputs: ") as caught:
        run_component("payments-primary", build, published(), project="network")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyError("vpc"), SystemExit(3), pulumi.RunError("no such stack")])
def test_a_program_that_fails_keeps_its_own_error(error):
    def build():
        this_region(NetworkSettings)
        raise error

    with pytest.raises(type(error)) as caught:
        run_component("payments-primary", build, published(), project="network")
    assert caught.value is error
