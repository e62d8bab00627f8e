"""What holds data stays unless the user names it, whatever the engine says would be done, and to whichever type."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backend import Checkpoint
from engine.events import Events, ResourceChange, RuleBroken
from orchestration.graph import Graph
from orchestration.guard import DataWouldGo, Guard
from orchestration.holdings import HOLDING
from orchestration.made_of import FUNCTIONS
from orchestration.plan import Freshness, Judgement, Operation, make
from shared.contracts import CONTRACT
from shared.errors import Problem
from shared.stack import Stack

GRAPH = Graph.of("payments")
DATA, EDGE = Stack("data", "payments"), Stack("edge", "payments")
NETWORK, COMPUTE = Stack("network", "payments", "secondary"), Stack("compute", "payments", "secondary")
TABLE, QUEUE, ROLE = "aws:dynamodb/table:Table", "aws:sqs/queue:Queue", "aws:iam/role:Role"


def resource(kind, name, **inputs):
    outputs = {"name": name, "region": "us-east-1"}
    return {"urn": f"urn::{name}", "type": kind, "custom": True, "id": name, "inputs": inputs, "outputs": outputs}


def change(operation, kind, name):
    return ResourceChange(operation, f"urn::{name}", kind, before=resource(kind, name))


def events(*changes, outputs=None):
    found = Events(outputs={CONTRACT: {}} if outputs is None else outputs)
    found._resources = {(each.urn, each.operation, ""): each for each in changes}
    return found


@dataclass
class Place:
    """Deployed stacks, and what the engine's preview says of each."""

    deployed: dict = field(default_factory=lambda: {DATA: [resource(TABLE, "payments"), resource(ROLE, "role")]})
    previews: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    outputs: dict = field(default_factory=dict)
    parts: dict = field(default_factory=dict)
    made_of: dict = field(default_factory=dict)

    def checkpoint(self, stack):
        if stack not in self.deployed:
            return None
        own = {"type": "pulumi:pulumi:Stack", "urn": "urn::stack", "outputs": self.outputs.get(stack, {})}
        return Checkpoint([own, *self.deployed[stack]])

    def preview(self, stack):
        self.asked.append(stack)
        answer = self.previews.get(stack, events())
        if isinstance(answer, Problem):
            raise answer
        return answer

    def guard(self, *discard, early=False, judged=True):
        return Guard(
            self.preview,
            self,
            made_of=lambda stack: (
                self.made_of.get(stack),
                {producer: self.outputs.get(producer) for producer in GRAPH.reads[stack]},
            ),
            differences=lambda stack: self.parts.get(stack, {"code"}),
            discard=discard,
            programs_may_end_early=early,
            judged=judged,
        )

    def look(self, *discard, plan=None, early=False):
        guard = self.guard(*discard, early=early)
        guard.look(plan or planned())
        return guard


def planned(freshness=Freshness.STALE, stacks=GRAPH.stacks):
    return make(Operation.DEPLOY, GRAPH, stacks, lambda _: Judgement(freshness, ""))


@pytest.mark.parametrize("operation", ["replace", "delete"])
@pytest.mark.parametrize("freshness", [Freshness.STALE, Freshness.FORCED])
def test_what_holds_data_stays(operation, freshness):
    place = Place(previews={DATA: events(change(operation, TABLE, "payments"), change(operation, ROLE, "role"))})
    with pytest.raises(DataWouldGo, match="1 resource that holds data would be replaced") as caught:
        place.look(plan=planned(freshness))
    assert [holder.name for holder in caught.value.holders] == ["table/payments"]


@pytest.mark.parametrize("operation", ["create", "update"])
def test_what_is_made_or_changed_in_place_goes_on(operation):
    place = Place(previews={DATA: events(change(operation, TABLE, "payments"))})
    place.look().require(DATA)
    assert place.asked == [DATA]


def test_what_is_named_goes():
    place = Place(previews={DATA: events(change("replace", TABLE, "payments"))})
    place.look("table/payments").require(DATA)


@pytest.mark.parametrize("named", [["table/other"], ["table/payments", "table/other"], ["payments"]])
def test_a_name_that_does_not_go_is_refused(named):
    place = Place(previews={DATA: events(change("replace", TABLE, "payments"))})
    with pytest.raises(DataWouldGo):
        place.look(*named)
    with pytest.raises(DataWouldGo, match="--discard-data names table/payments, and what would go is nothing that"):
        Place().look("table/payments")


KINDS = [*HOLDING, ROLE, "aws:rds/instance:Instance", "payments:data:PaymentsTable"]
OPERATIONS = ["create", "update", "replace", "delete"]


@given(
    changes=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(KINDS)), max_size=6),
    named=st.sets(st.integers(0, 5)),
)
def test_nothing_goes_that_is_not_named_and_nothing_is_named_that_does_not_go(changes, named):
    made = [change(operation, kind, f"x{number}") for number, (operation, kind) in enumerate(changes)]
    place = Place(previews={DATA: events(*made)})
    try:
        place.look()
        going = set()
    except DataWouldGo as refusal:
        going = {holder.name for holder in refusal.holders}
    held = {*HOLDING, "aws:rds/instance:Instance"}  # what nobody has classified holds data
    expected = {each.before["id"] for each in made if each.operation in {"replace", "delete"} and each.type in held}
    assert {name.rpartition("/")[2] for name in going} == expected
    chosen = {name for name in going if int(name.rpartition("/x")[2]) in named}
    if chosen == going:
        place.look(*chosen).require(DATA)
    else:
        with pytest.raises(DataWouldGo):
            place.look(*chosen)


def test_everything_is_looked_at_before_the_first_refusal():
    place = Place({DATA: [resource(TABLE, "payments")], EDGE: [resource(QUEUE, "told")]})
    place.previews = {
        DATA: events(change("replace", TABLE, "payments")),
        EDGE: events(change("delete", QUEUE, "told")),
    }
    with pytest.raises(DataWouldGo) as caught:
        place.look("table/payments")
    assert {holder.name for holder in caught.value.holders} == {"table/payments", "queue/told"}


def test_what_is_not_there_or_is_empty_or_is_fresh_costs_no_preview():
    place = Place({DATA: []})
    place.look()
    Place().look(plan=planned(Freshness.FRESH))
    assert place.asked == []


@pytest.mark.parametrize("judged", [True, False])
def test_a_stack_without_data_is_looked_at_where_it_could_break_a_rule(judged):
    place = Place({COMPUTE: [resource(ROLE, "role")]})
    place.guard(judged=judged).look(planned())
    assert place.asked == ([COMPUTE] if judged else [])


def test_new_function_code_alone_costs_no_preview():
    place = Place({COMPUTE: [resource(QUEUE, "dead")]}, parts={COMPUTE: frozenset({FUNCTIONS})})
    place.look().require(COMPUTE)
    assert place.asked == []
    for parts in (None, frozenset(), {FUNCTIONS, "code"}, {"environment"}):
        place.parts[COMPUTE] = parts
        place.asked.clear()
        place.look()
        assert place.asked == [COMPUTE]


def test_a_preview_without_a_difference_is_told_while_what_it_read_is_what_is_there():
    same = {CONTRACT: {}, "table": "payments"}
    place = Place({EDGE: [resource(QUEUE, "told")], COMPUTE: [resource(ROLE, "role")]})
    place.outputs = {EDGE: same, COMPUTE: {"endpoint": "https://before.example.com"}}
    place.previews = {EDGE: events(outputs=dict(same))}
    guard = place.look()
    assert guard.require(EDGE)
    assert not guard.require(COMPUTE)  # it would publish something else
    assert set(place.asked) == {COMPUTE, EDGE}
    assert len(place.asked) == 2
    place.outputs[COMPUTE] = {"endpoint": "https://another"}
    place.previews[EDGE] = events(outputs={**same, "of": "another"})
    assert not guard.require(EDGE), "it is of what it reads by then"


def test_what_breaks_a_rule_is_told_before_anything_changes_of_all_stacks_at_once():
    place = Place({DATA: [resource(TABLE, "payments")], NETWORK: [resource(ROLE, "role")]})
    place.previews = {
        DATA: RuleBroken(["Table payments: encryption: no key"]),
        NETWORK: RuleBroken(["Vpc vpc: suffix: none", "Vpc vpc: tags: none"]),
    }
    with pytest.raises(RuleBroken) as caught:
        place.look()
    assert str(caught.value).endswith("; nothing was changed; 2 more violations")
    assert {each.removesuffix("; nothing was changed") for each in caught.value.violations} == {
        "data/payments: Table payments: encryption: no key",
        "network/payments-secondary: Vpc vpc: suffix: none",
        "network/payments-secondary: Vpc vpc: tags: none",
    }


@pytest.mark.parametrize("outputs", [{CONTRACT: {}, "table": "other"}, {CONTRACT: {}}, None])
def test_a_change_of_outputs_alone_is_a_change(outputs):
    place = Place(outputs={DATA: {CONTRACT: {}, "table": "payments"}}, previews={DATA: Events(outputs=outputs)})
    assert not place.look().require(DATA)


def test_a_changed_resource_is_a_change():
    changed = events(change("update", TABLE, "payments"), outputs={CONTRACT: {}})
    changed.changes = {"update": 1}
    place = Place(outputs={DATA: {CONTRACT: {}}}, previews={DATA: changed})
    assert not place.look().require(DATA)


def test_a_stack_that_cannot_be_previewed_fails_in_its_turn_and_keeps_no_other_from_going_on():
    place = Place(previews={DATA: Problem("projects/data: invalid syntax")})
    guard = place.look()
    with pytest.raises(Problem, match="invalid syntax"):
        guard.require(DATA)
    assert place.asked == [DATA]
    guard.require(NETWORK)


class TestWhatDiffersInTheStacksTurn:
    """A preview is of the sources, the state and the upstream outputs that there were: one differs, and it is stale."""

    @pytest.fixture
    def place(self):
        place = Place({EDGE: [resource(QUEUE, "told", key="arn:key-1")], DATA: [resource(TABLE, "payments")]})
        place.outputs = {DATA: {"key": "arn:key-1", "replica": "arn:key-2"}}
        return place

    def follows(self, place):
        plan = make(
            Operation.DEPLOY,
            GRAPH,
            [DATA, EDGE],
            lambda stack: Judgement(Freshness.STALE if stack == DATA else Freshness.FRESH, ""),
        )
        assert plan.steps[1].judgement.freshness is Freshness.FOLLOWS
        return self.looked(place, plan)

    def looked(self, place, plan=None):
        guard = place.look(plan=plan)
        place.asked.clear()
        return guard

    def sources(self, place):
        place.made_of[EDGE] = "touched"

    def state(self, place):
        """As a create that was cut off is taken over, and the state refreshed."""
        place.deployed[EDGE] = [*place.deployed[EDGE], resource(QUEUE, "dead")]

    def swapped(self, place):
        """The same values under other names: none of them vanishes."""
        place.outputs[DATA] = {"key": "arn:key-2", "replica": "arn:key-1"}

    def transformed(self, place):
        """What the data is made of is not the value itself."""
        place.outputs[DATA] = {"key": "arn:key-1", "replica": "arn:key-9"}

    def added(self, place):
        place.outputs[DATA] = {**place.outputs[DATA], "new": "x"}

    def removed(self, place):
        place.outputs[DATA] = {"key": "arn:key-1"}

    @pytest.mark.parametrize("what", ["sources", "state", "swapped", "transformed", "added", "removed"])
    @pytest.mark.parametrize("how", ["follows", "looked"])
    def test_whatever_differs_is_looked_at_anew_and_keeps_what_would_go(self, place, what, how):
        guard = getattr(self, how)(place)
        getattr(self, what)(place)
        place.previews[EDGE] = events(change("replace", QUEUE, "told"))
        with pytest.raises(Problem, match=r"changed during the run; nothing of it.*--discard-data queue/told"):
            guard.require(EDGE)
        assert place.asked == [EDGE]

    @pytest.mark.parametrize("how", ["follows", "looked"])
    def test_where_nothing_differs_nothing_is_asked_again(self, place, how):
        guard = getattr(self, how)(place)
        guard.require(EDGE)
        assert place.asked == []

    def test_it_is_asked_once_of_each_difference(self, place):
        guard = self.looked(place)
        self.added(place)
        guard.require(EDGE)
        guard.require(EDGE)
        assert place.asked == [EDGE]

    def test_a_preview_that_failed_for_want_of_a_new_output_is_made_again_when_that_is_there(self, place):
        place.previews[EDGE] = Problem("stack data/payments has no output new")
        guard = self.looked(place)
        with pytest.raises(Problem, match="has no output new"):
            guard.require(EDGE)
        self.added(place)
        place.previews[EDGE] = events()
        guard.require(EDGE)
        assert place.asked == [EDGE]

    def test_what_differs_while_it_is_looked_at_is_looked_at_anew(self, place):
        """An edit while the engine reads the sources: the preview may be of either."""
        place.preview = lambda stack: (place.asked.append(stack), self.sources(place), events())[-1]
        guard = self.looked(place)
        guard.require(EDGE)
        assert place.asked == [EDGE]

    @pytest.mark.parametrize(("while_looked_at", "looks"), [(0, 1), (1, 2), (2, 3), (3, None), (99, None)])
    def test_a_look_in_its_turn_is_of_the_state_that_there_is_after_it(self, place, while_looked_at, looks):
        """The kind: what was looked at is no longer what is changed. The queue becomes one that would be replaced."""
        guard = self.looked(place)
        self.added(place)

        def preview(stack):
            place.asked.append(stack)
            if len(place.asked) <= while_looked_at:
                self.state(place)
            return events(change("replace", QUEUE, "told")) if len(place.asked) == looks else events()

        guard._preview = preview
        found = "queue/told" if looks else "was changed each time that it was looked at"
        with pytest.raises(Problem, match=found):
            guard.require(EDGE)


class TestALanguageHostThatTakesAnEarlyEndForComplete:
    """Pulumi's own: there the preview tells."""

    def test_a_program_that_has_not_published_fails_in_any_layer(self):
        place = Place({NETWORK: [resource(ROLE, "role")]}, previews={NETWORK: events(outputs={})})
        guard = place.look(early=True)
        with pytest.raises(Problem, match="projects/network ended before it published its outputs"):
            guard.require(NETWORK)
        place.parts[NETWORK] = {FUNCTIONS}
        with pytest.raises(Problem, match="ended before"):
            place.look(early=True).require(NETWORK)

    def test_one_that_has_goes_on(self):
        place = Place({NETWORK: [resource(ROLE, "role")]})
        place.look(early=True).require(NETWORK)
        assert place.asked == [NETWORK]


def test_stacks_are_looked_at_together():
    both = threading.Barrier(2, timeout=5)
    place = Place({DATA: [resource(TABLE, "payments")], EDGE: [resource(QUEUE, "told")]})
    place.preview = lambda _: (both.wait(), events())[1]
    place.look()


def test_a_resource_of_another_time_that_waits_for_its_end_counts():
    """An earlier run made its replacement, and could not delete it."""
    place = Place({DATA: [{**resource(TABLE, "payments"), "delete": True}]})
    place.previews = {DATA: events(change("delete", TABLE, "payments"))}
    with pytest.raises(DataWouldGo):
        place.look()
