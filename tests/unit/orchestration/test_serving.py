"""The only region that serves is not changed by the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from engine.backend import Checkpoint
from orchestration import serving_now
from orchestration.api import ApiResponse
from orchestration.graph import Graph
from orchestration.serving import OnlyServingRegion, WhoServes, require_another
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY
from shared.stack import Stack

ENVIRONMENT = Environment.load("payments")
GRAPH = Graph.of("payments")
LAYERS = ("network", "compute", "observability")
GLOBAL = [Stack("data", "payments"), Stack("edge", "payments")]


def of(role):
    return [Stack(layer, "payments", role) for layer in LAYERS]


@pytest.mark.parametrize(
    ("healthy", "evacuated", "only"),
    [
        (ROLES, False, None),
        (ROLES, True, SECONDARY),
        ((SECONDARY,), False, SECONDARY),
        ((SECONDARY,), True, SECONDARY),
        ((PRIMARY,), False, PRIMARY),
        ((PRIMARY,), True, None),
        ((), False, None),
        ((), True, None),
    ],
)
def test_who_serves_alone(healthy, evacuated, only):
    assert WhoServes(healthy, evacuated).only == only


@pytest.mark.parametrize("only", ROLES)
@pytest.mark.parametrize("stack", [*of(PRIMARY), *of(SECONDARY), *GLOBAL], ids=str)
def test_what_changes_it_is_refused_and_nothing_else(only, stack):
    found = WhoServes((only,), evacuated=False)
    if stack.role in {only, None}:
        with pytest.raises(OnlyServingRegion, match=f"{stack} would change in .* the only region that serves"):
            require_another(found, [stack], ENVIRONMENT.region)
    else:
        require_another(found, [stack], ENVIRONMENT.region)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (WhoServes(ROLES, evacuated=True), ("us-east-1 (primary) is evacuated", "./invoke restore", "--force")),
        (
            WhoServes((SECONDARY,), evacuated=False),
            ("us-east-1 (primary) does not answer", "bring us-east-1", "--force"),
        ),
        (
            WhoServes((PRIMARY,), evacuated=False),
            ("us-east-2 (secondary) does not answer", "bring us-east-2", "--force"),
        ),
    ],
)
def test_a_refusal_says_in_one_line_why_and_what_to_do(found, words):
    with pytest.raises(OnlyServingRegion) as refused:
        require_another(found, GLOBAL, ENVIRONMENT.region)
    assert "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


@dataclass
class World:
    """Both regions, the switch, and what is deployed."""

    stopped: bool | Problem = False
    status: dict = field(default_factory=lambda: {"us-east-1": [200], "us-east-2": [200]})
    missing: tuple = ()
    asked: list = field(default_factory=list)
    told: list = field(default_factory=list)

    def checkpoint(self, stack):
        if stack in self.missing:
            return None
        return Checkpoint([{"type": "pulumi:pulumi:Stack", "urn": "urn", "outputs": {"contract": {}}}])

    def switch(self, *_):
        self.asked.append("switch")
        if isinstance(self.stopped, Problem):
            raise self.stopped
        return serving_now.STOPPED if self.stopped else serving_now.RUNS

    def entry(self, _, region, __):
        def ask(*_):
            self.asked.append(region)
            answers = self.status[region]
            now = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(now, Problem):
                raise now
            return ApiResponse(now, {}, {})

        return SimpleNamespace(ask=ask)

    def require(self, released):
        target = SimpleNamespace(backend=self, gateways={})
        serving_now.require_another_region(released, target, ENVIRONMENT, GRAPH, self.told.append)


@pytest.fixture
def world(monkeypatch):
    found = World()
    monkeypatch.setattr(serving_now, "PAUSE", 0)
    monkeypatch.setattr(serving_now, "_switch", found.switch)
    monkeypatch.setattr(serving_now, "entry", found.entry)
    return found


def test_nothing_is_asked_where_nothing_is_released(world):
    world.require([])
    assert world.asked == []


@pytest.mark.parametrize("missing", [Stack("edge", "payments"), Stack("compute", "payments", PRIMARY)], ids=str)
def test_nothing_is_asked_before_clients_can_be_there(world, missing):
    world.missing = (missing,)
    world.require(list(GRAPH.stacks))
    assert world.asked == []


def test_it_goes_on_where_both_serve(world):
    world.require(list(GRAPH.stacks))
    assert sorted(world.asked) == ["switch", "us-east-1", "us-east-2"]
    assert world.told == []


def test_the_switch_makes_the_secondary_the_only_one(world):
    world.stopped = True
    world.require(of(PRIMARY))
    with pytest.raises(OnlyServingRegion, match="evacuated"):
        world.require(of(SECONDARY))


@pytest.mark.parametrize("answer", [503, Problem("no answer")])
def test_a_region_whose_health_does_not_answer_serves_nobody(world, answer):
    world.status["us-east-2"] = [answer]
    world.require(of(SECONDARY))
    with pytest.raises(OnlyServingRegion, match="us-east-2"):
        world.require(of(PRIMARY))


def test_some_bad_answers_are_a_cold_start_or_a_busy_moment(world):
    world.status["us-east-1"] = [502, Problem("no answer"), 503, 503, 503, 200]
    world.require(of(SECONDARY))


def test_a_switch_that_cannot_be_read_is_told_and_stops_nobody(world):
    world.stopped = Problem("cannot read the stop switch in us-east-2")
    world.require(list(GRAPH.stacks))
    assert world.told == [
        "whether us-east-1 (primary) is evacuated is unknown: cannot read the stop switch in us-east-2"
    ]
