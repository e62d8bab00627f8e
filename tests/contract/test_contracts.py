"""Contracts are what programs really exchange: nothing undeclared is read, nothing declared is missing."""

from __future__ import annotations

import dataclasses
import json

import pytest

from shared.contracts import LAYERS, DataOutputs, EdgeOutputs, NetworkOutputs, schema
from shared.roles import ROLES
from shared.stack import Stack
from tests.unit.projects.mocked_programs import PAYMENTS, STACKS, TRADING, run_environment, stacks_of


def declared(stack):
    """The full names of the stacks that `stack` may read, by its layer's declaration."""
    own = Stack.parse(*stack.split("/"))
    expected = set()
    for outputs in LAYERS[own.layer].consumes:
        producer = LAYERS[outputs.project]
        roles = ((own.role,) if own.role else ROLES) if producer.regional else (None,)
        names = [f"{own.environment}-{each}" if each else own.environment for each in roles]
        expected |= {f"organization/{producer.name}/{name}" for name in names}
    return expected


@pytest.mark.parametrize("stack", STACKS)
def test_a_program_reads_exactly_what_its_layer_declares(stack):
    assert set(run_environment()[stack].recorder.read) == declared(stack)


MISSING = {
    PAYMENTS: {"network": {"public"}, "compute": {"load_balancer"}, "edge": {"load_balancers", "payment_targets"}},
    TRADING: {"compute": {"rest_api"}},
}
"""What a profile does not have, by layer."""


@pytest.mark.parametrize("environment", MISSING)
@pytest.mark.parametrize("number", range(len(STACKS)))
def test_a_program_publishes_exactly_its_contract(environment, number):
    stack = stacks_of(environment)[number]
    layer = stack.partition("/")[0]
    outputs = LAYERS[layer].outputs
    exports = run_environment(environment)[stack].exports
    assert set(exports) == {field.name for field in dataclasses.fields(outputs)} | {"contract", "deployed_as"}
    assert exports["contract"] == {"name": outputs.project, "version": outputs.version}
    assert {name for name, value in exports.items() if value in (None, "")} == MISSING[environment].get(layer, set())


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_crosses(stack):
    run = run_environment()[stack]
    passwords = [f"generated-{each.name}" for each in run.recorder.of("RandomPassword")]
    said = json.dumps(dict(run.exports))
    assert not [each for each in passwords if each in said]


def test_a_layer_consumes_only_earlier_ones():
    earlier: set[str] = set()
    for layer in LAYERS.values():
        assert {outputs.project for outputs in layer.consumes} <= earlier
        assert layer.outputs.project == layer.name
        earlier.add(layer.name)


def test_a_schema_shows_every_field_nested_ones_too():
    assert schema(NetworkOutputs).splitlines() == [
        "network v2",
        "  vpc_id: Output[str]",
        "  private_subnet_ids: Output[Sequence[str]]",
        "  function_security_group_id: Output[str]",
        "  public: PublicTierOutputs | None",
        "    subnet_ids: Output[Sequence[str]]",
        "    security_group_id: Output[str]",
    ]
    assert "    gate: Output[str]" in schema(EdgeOutputs)
    assert schema(DataOutputs) != schema(EdgeOutputs)
