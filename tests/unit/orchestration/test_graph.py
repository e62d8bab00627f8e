from __future__ import annotations

import dataclasses

import pytest

from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, make
from shared.contracts import LAYERS, DataOutputs, EdgeOutputs, Layer, VaultOutputs
from shared.errors import Problem
from shared.stack import Stack

GRAPH = Graph.of("payments")
NETWORK_1, NETWORK_2 = Stack("network", "payments", "primary"), Stack("network", "payments", "secondary")
COMPUTE_1, COMPUTE_2 = Stack("compute", "payments", "primary"), Stack("compute", "payments", "secondary")
DATA, EDGE = Stack("data", "payments"), Stack("edge", "payments")


def test_five_layers_are_eight_stacks_in_release_order():
    assert [str(stack) for stack in GRAPH.stacks] == [
        "network/payments-secondary",
        "network/payments-primary",
        "data/payments",
        "compute/payments-secondary",
        "compute/payments-primary",
        "edge/payments",
        "observability/payments-secondary",
        "observability/payments-primary",
    ]


def test_a_regional_consumer_reads_its_own_region_and_a_global_one_reads_both():
    assert GRAPH.reads[COMPUTE_1] == {NETWORK_1, DATA}
    assert GRAPH.reads[EDGE] >= {COMPUTE_1, COMPUTE_2, DATA}


def test_a_primary_waits_for_its_secondary_without_reading_it():
    assert COMPUTE_2 in GRAPH.after[COMPUTE_1]
    assert COMPUTE_2 not in GRAPH.reads[COMPUTE_1]


def test_names_are_what_the_cli_and_stack_references_use():
    assert COMPUTE_2.reference == "organization/compute/payments-secondary"
    assert DATA.reference == "organization/data/payments"


def test_select_one_layer_or_one_region_of_it():
    assert GRAPH.select("compute") == (COMPUTE_2, COMPUTE_1)
    assert GRAPH.select("compute", "secondary") == (COMPUTE_2,)
    assert GRAPH.select() == GRAPH.stacks


@pytest.mark.parametrize(
    ("layer", "role", "expected"),
    [
        ("computer", None, "unknown layer 'computer': choose one of network, data, compute, edge, observability"),
        ("compute", "us-east-1", "unknown region 'us-east-1': choose primary or secondary"),
        ("data", "primary", "layer data is global: its one stack spans both regions, so leave out --region"),
    ],
)
def test_a_wrong_selection_is_one_line(layer, role, expected):
    with pytest.raises(Problem) as problem:
        GRAPH.select(layer, role)
    assert str(problem.value) == expected


VAULT = Stack("vault", "payments")


def test_a_vault_is_there_only_when_it_is_asked_for():
    assert VAULT not in GRAPH.stacks
    with pytest.raises(Problem, match=r"there is no vault: it is made with production: true and vault\.region"):
        GRAPH.select("vault")
    graph = Graph.of("payments", aside=["vault"])
    assert graph.select("vault") == (VAULT,)
    assert set(graph.stacks) == {*GRAPH.stacks, VAULT}
    assert graph.reads[VAULT] == {DATA}


def test_nobody_reads_a_vault_and_nobody_waits_for_it_on_the_way_up_or_down():
    graph = Graph.of("payments", aside=["vault"])
    assert not [stack for stack in graph.stacks if VAULT in graph.reads[stack] | graph.after[stack]]
    for operation in Operation:
        plan = make(operation, graph, graph.stacks, lambda _: Judgement(Freshness.STALE, ""))
        assert not [step.stack for step in plan.steps if VAULT in step.after], operation
    plan = make(Operation.DESTROY, GRAPH, GRAPH.stacks, lambda _: Judgement(Freshness.STALE, ""))
    assert next(step for step in plan.steps if step.stack == DATA).after, "others are waited for"


def test_a_layer_that_would_wait_for_one_that_stands_aside_is_refused():
    waiting = dataclasses.replace(LAYERS["edge"], consumes=(VaultOutputs,))
    with pytest.raises(Problem, match="layer edge waits for a layer that stands aside"):
        Graph.of("payments", {"data": LAYERS["data"], "edge": waiting}, aside=["vault"])


def test_a_circle_is_named():
    layers = {
        "data": Layer("data", DataOutputs, regional=False, consumes=(EdgeOutputs,)),
        "edge": Layer("edge", EdgeOutputs, regional=False, consumes=(DataOutputs,)),
    }
    with pytest.raises(Problem, match=r"in a circle: .*data/payments -> edge/payments"):
        Graph.of("payments", layers)


def test_a_contract_that_nobody_publishes_is_named():
    with pytest.raises(Problem, match="layer compute consumes NetworkOutputs, which no layer publishes"):
        Graph.of("payments", {"compute": LAYERS["compute"]})
