"""Graphs, plans and queues over any acyclic set of layers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, make
from orchestration.ready import ReadyQueue
from shared.contracts import ASIDE, LAYERS
from tests.property.graphs import graphs


def dependants(graph, stack):
    """All stacks that come after one, directly or through others."""
    found = set()
    for candidate in graph.stacks:  # in order, so one pass reaches all
        if graph.after[candidate] & (found | {stack}):
            found.add(candidate)
    return found


@given(st.sets(st.sampled_from(sorted(LAYERS)), min_size=1), st.sampled_from(Operation))
def test_nobody_waits_for_what_stands_aside(layers, operation):
    """Whatever else is chosen with it, and whatever is done."""
    graph = Graph.of("anything", aside=ASIDE)
    chosen = [stack for stack in graph.stacks if stack.layer in layers | set(ASIDE)]
    plan = make(operation, graph, chosen, lambda _: Judgement(Freshness.STALE, ""))
    assert graph.aside
    assert graph.aside <= set(plan.stacks)
    assert not [step.stack for step in plan.steps if step.after & graph.aside]


VERDICTS = st.sampled_from([Freshness.FRESH, Freshness.STALE])


@given(graphs())
def test_every_stack_comes_after_all_it_needs(graph):
    place = {stack: number for number, stack in enumerate(graph.stacks)}
    assert len(place) == len(graph.stacks)
    assert all(place[needed] < place[stack] for stack in graph.stacks for needed in graph.after[stack])
    assert all(graph.reads[stack] <= graph.after[stack] for stack in graph.stacks)


@given(graphs(), st.data())
def test_destroying_is_deploying_backwards(graph, data):
    stacks = data.draw(st.lists(st.sampled_from(graph.stacks), unique=True))
    forwards, backwards = (
        make(operation, graph, stacks, lambda _: Judgement(Freshness.STALE, ""))
        for operation in (Operation.DEPLOY, Operation.DESTROY)
    )
    assert backwards.stacks == forwards.stacks[::-1]
    edges = {(needed, step.stack) for step in forwards.steps for needed in step.after}
    assert {(step.stack, needed) for step in backwards.steps for needed in step.after} == edges


@given(graphs(), st.data())
def test_a_step_is_fresh_only_if_nothing_it_reads_runs(graph, data):
    verdicts = {stack: data.draw(VERDICTS) for stack in graph.stacks}
    plan = make(Operation.DEPLOY, graph, graph.stacks, lambda stack: Judgement(verdicts[stack], ""))
    final = {step.stack: step.judgement.freshness for step in plan.steps}
    for stack, verdict in final.items():
        fresh = verdicts[stack] is Freshness.FRESH
        runs_before = any(final[needed] is not Freshness.FRESH for needed in graph.reads[stack])
        assert verdict is (Freshness.STALE if not fresh else Freshness.FOLLOWS if runs_before else Freshness.FRESH)


@given(graphs(), st.data())
def test_the_queue_hands_out_each_item_once_in_order_or_drops_it(graph, data):
    queue = ReadyQueue(graph.after)
    running, done, failed, dropped = [], set(), set(), set()
    while not queue.finished:
        while (stack := queue.take()) is not None:
            assert graph.after[stack] <= done
            running.append(stack)
        stack = running.pop(data.draw(st.integers(0, len(running) - 1)))
        if data.draw(st.booleans()):
            queue.done(stack)
            done.add(stack)
        else:
            failed.add(stack)
            lost = queue.failed(stack)
            assert set(lost) == dependants(graph, stack) - failed - dropped
            dropped.update(lost)
    assert done | failed | dropped == set(graph.stacks)
    assert len(done) + len(failed) + len(dropped) == len(graph.stacks)
