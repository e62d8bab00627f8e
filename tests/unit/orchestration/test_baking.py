"""A bake: which alarms count, what ends it, and that no primary gets what was not watched."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from engine.backend import Checkpoint
from engine.events import Events
from engine.operations import Interrupted
from orchestration import baking
from orchestration.baking import BakeWatch, Baking, watched
from orchestration.choice import Choice
from orchestration.driver import Deploy, RunContext
from orchestration.fingerprint import TAG, WITHDRAWN, Fingerprint, MadeOf, parts_of
from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, Step, make
from orchestration.release_rules import admitted, will_bake
from orchestration.releases import ALIAS, Release, Releases, Serving
from shared.errors import Problem
from shared.stack import Stack

GRAPH = Graph.of("payments")
SECONDARY, PRIMARY = (Stack("compute", "payments", role) for role in ("secondary", "primary"))
BEFORE = Serving({("pay", "live"): "1"}, {})
BEGAN = 1_000_000.0
ALARMS = {"processor-function-errors": "errors", "health-latency": "latency"}


class AlarmedCloud:
    """CloudWatch that raises alarms at moments of a clock which passes by ten seconds at each look."""

    def __init__(self, **raised):
        self.raised, self.time, self.asked = raised, BEGAN, []

    def now(self):
        self.time += 10
        return self.time

    def client(self, service, region):
        assert (service, region) == ("cloudwatch", "us-east-2")
        return self

    def describe_alarms(self, AlarmNames, AlarmTypes, StateValue, MaxRecords):  # noqa: N803
        assert (AlarmTypes, StateValue) == (["MetricAlarm"], "ALARM")
        assert len(AlarmNames) <= MaxRecords == 100
        self.asked.append(tuple(AlarmNames))
        raised = {name: at for name, at in self.raised.items() if name in AlarmNames and BEGAN + at <= self.time}
        times = {name: datetime.fromtimestamp(BEGAN + at, UTC) for name, at in raised.items()}
        return {"MetricAlarms": [{"AlarmName": name, "StateUpdatedTimestamp": at} for name, at in times.items()]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(baking, "TICK", 0)


def bake(cloud, *, alarms=None, pay=lambda: None, stop=None, minutes=5.0):
    """The remark, and what was told."""
    told: list[str] = []
    watch = BakeWatch(cloud, "us-east-2", ALARMS if alarms is None else alarms, pay, cloud.now, told.append)
    return watch.watch(Baking(minutes, BEGAN, BEFORE), stop or threading.Event()), told


def test_alarms_of_the_primary_and_of_a_failover_are_no_releases_fault():
    whats = ["processor-function-errors", "failover-traffic", "primary-unserved", "secondary-unserved"]
    whats += ["synthetics-primary", "synthetics-secondary"]
    arns = {what: f"arn:aws:cloudwatch:us-east-2:1:alarm:payment-{what}-x" for what in whats}
    state = Checkpoint([{"type": "pulumi:pulumi:Stack", "outputs": {"alarm_arns": arns}}])
    stacks = {Stack("observability", "payments", "secondary"): state}
    backend: Any = SimpleNamespace(checkpoint=stacks.get)
    counted = {"processor-function-errors", "secondary-unserved", "synthetics-secondary"}
    assert watched(backend, SECONDARY) == {what: f"payment-{what}-x" for what in counted}
    nothing: Any = SimpleNamespace(checkpoint=lambda _: None)
    assert watched(nothing, SECONDARY) == {}


def test_a_quiet_bake_lasts_as_long_as_it_should_and_tells_how_long_still():
    paid: list[int] = []
    cloud = AlarmedCloud()
    remark, told = bake(cloud, pay=lambda: paid.append(1))
    assert cloud.time - BEGAN >= 300
    assert remark == f"baked 5 min: 2 alarms quiet, {len(paid)} smoke payments made"
    assert len(paid) >= 10
    assert len(told) >= 4
    assert "of 5 min left" in told[0]


@pytest.mark.parametrize("after", [15, 100, 290])
def test_an_alarm_that_is_raised_ends_it_with_its_name_and_time(after):
    cloud = AlarmedCloud(errors=after)
    with pytest.raises(Problem, match="alarm processor-function-errors was raised at ") as caught:
        bake(cloud)
    assert f"{datetime.fromtimestamp(BEGAN + after, UTC):%H:%M:%SZ}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert cloud.time <= BEGAN + 310


def test_an_alarm_that_was_raised_before_does_not_count_and_is_told():
    cloud = AlarmedCloud(errors=-30)
    remark, told = bake(cloud)
    assert "1 alarm quiet" in remark
    assert told[0].startswith("not watched: alarm processor-function-errors was raised before the release")
    with pytest.raises(Problem, match="alarm health-latency"):
        bake(AlarmedCloud(errors=-30, latency=60))


def test_a_smoke_payment_that_fails_ends_it():
    answers = iter([None, None, Problem("POST /payment answered 502, not 201")])

    def pay():
        if problem := next(answers):
            raise problem

    with pytest.raises(Problem, match=r"^at \d\d:\d\d:\d\dZ, \d.\d min into the bake, POST /payment answered 502"):
        bake(AlarmedCloud(), pay=pay)


def test_an_interrupt_ends_it_at_once():
    stop = threading.Event()
    paid: list[int] = []

    def pay():
        paid.append(1)
        stop.set()

    with pytest.raises(Interrupted, match="the next run begins the bake anew"):
        bake(AlarmedCloud(), pay=pay, stop=stop)
    assert len(paid) == 1


def test_without_alarms_payments_are_watched_and_that_is_told():
    _, told = bake(AlarmedCloud(), alarms={})
    assert told[0] == "no alarms are deployed in us-east-2: smoke payments alone are watched"


def test_more_alarms_than_one_question_takes():
    cloud = AlarmedCloud(a149=20)
    with pytest.raises(Problem, match="alarm what-149"):
        bake(cloud, alarms={f"what-{number}": f"a{number}" for number in range(150)})
    assert {len(names) for names in cloud.asked} == {100, 50}


@pytest.mark.parametrize("words", ["-1", "nan", "inf", "soon", "10081"])
def test_a_wrong_number_of_minutes_is_one_line(words):
    with pytest.raises(Problem, match="--bake"):
        _ = Choice(bake=words).bake_minutes


def test_minutes_are_what_was_said_or_nothing():
    assert [Choice(bake=words).bake_minutes for words in ("", "0", "2.5", "10080")] == [None, 0, 2.5, 10080]


STALE, FRESH = Judgement(Freshness.STALE, "changed"), Judgement(Freshness.FRESH, "")


MADE_OF = MadeOf(pieces={"code": {"a.py": "b"}})


class BakedFingerprints:
    """Fingerprints of two stacks: how long the secondary was watched, and whether a bake of it was cut off."""

    def __init__(self, baked=0.0, unfinished=0.0):
        self.backend = SimpleNamespace(tags=lambda _: {})
        self._baked, self._unfinished = baked, unfinished

    def withdrawn(self, _):
        return False

    def known(self, _):
        return Fingerprint("u", {}, self._baked)

    def baking(self, stack):
        return Baking(self._unfinished, 0, BEFORE) if self._unfinished and stack == SECONDARY else None


def plan(stacks, judgements, known, minutes):
    made = make(Operation.DEPLOY, GRAPH, stacks, lambda stack: judgements.get(stack, FRESH))
    covers = lambda stack: stack == SECONDARY  # noqa: E731
    return admitted(made, known, covers, GRAPH, force=False, bake=minutes)


def judged(found):
    return {step.stack: step.judgement.freshness for step in found.steps}


BOTH = (SECONDARY, PRIMARY)


@pytest.mark.parametrize("secondary", [FRESH, Judgement(Freshness.FORCED, "forced")])
def test_a_fresh_secondary_that_was_not_watched_is_watched_before_a_stale_primary(secondary):
    found = plan(BOTH, {SECONDARY: secondary, PRIMARY: STALE}, BakedFingerprints(), 5)
    assert judged(found) == {SECONDARY: Freshness.UNBAKED, PRIMARY: Freshness.STALE}
    (primary,) = [step for step in found.steps if step.stack == PRIMARY]
    assert SECONDARY in primary.after


@pytest.mark.parametrize(
    ("judgements", "known", "minutes"),
    [
        ({PRIMARY: STALE}, BakedFingerprints(baked=5), 5),
        ({PRIMARY: STALE}, BakedFingerprints(), None),
        ({PRIMARY: STALE}, BakedFingerprints(), 0),
        ({PRIMARY: STALE}, BakedFingerprints(unfinished=5), 0),
        ({}, BakedFingerprints(), 5),
    ],
)
def test_what_was_watched_or_need_not_be_is_left_as_it_is(judgements, known, minutes):
    assert judged(plan(BOTH, judgements, known, minutes))[SECONDARY] is Freshness.FRESH


@pytest.mark.parametrize(
    ("known", "minutes"),
    [(BakedFingerprints(), 5), (BakedFingerprints(unfinished=5), None), (BakedFingerprints(baked=4), 5)],
)
def test_a_primary_alone_does_not_get_what_was_not_watched(known, minutes):
    with pytest.raises(Problem, match=r"compute/payments-secondary was not watched for 5 min.*--bake 0"):
        plan((PRIMARY,), {PRIMARY: STALE}, known, minutes)
    plan((PRIMARY,), {PRIMARY: STALE}, known, 0)


def test_a_secondary_alone_is_watched_and_its_primary_follows_without_a_bake_of_its_own():
    stale = {SECONDARY: STALE, PRIMARY: STALE}
    assert judged(plan((SECONDARY,), stale, BakedFingerprints(), 5)) == {SECONDARY: Freshness.STALE}
    assert judged(plan((PRIMARY,), stale, BakedFingerprints(baked=5), None)) == {PRIMARY: Freshness.STALE}


def test_a_bake_of_what_is_not_watched_is_refused():
    data = Stack("data", "payments")
    with pytest.raises(Problem, match="--bake watches a release of compute"):
        plan((data,), {data: STALE}, BakedFingerprints(), 5)
    plan((data,), {data: STALE}, BakedFingerprints(), None)


def test_a_run_that_may_wait_prepares_nothing_meanwhile():
    stale = make(Operation.DEPLOY, GRAPH, BOTH, lambda _: STALE)
    known: Any = BakedFingerprints()
    assert [will_bake(stale, known, minutes) for minutes in (None, 0, 5)] == [False, False, True]
    known = BakedFingerprints(unfinished=5)
    assert will_bake(stale, known, None)


class ComputeBooks:
    """One stack of a backend: its state, tags, and whether its newest update was completed."""

    def __init__(self, left=99):
        """Make them; with `left` tags, the run is killed."""
        self.tagged: dict[str, str] = {}
        self.version = "2"
        self.left = left

    def tags(self, _):
        return self.tagged

    def tag(self, _, name, value):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.tagged[name] = value

    def checkpoint(self, _):
        outputs = {"functionName": "pay", "name": "live", "functionVersion": self.version}
        return Checkpoint([{"type": ALIAS, "outputs": outputs}])


class TestDeploymentWithBake:
    """The driver: what it leaves in the tags, whatever ends the bake."""

    def deploy(
        self,
        *,
        minutes=5.0,
        ends=None,
        books=None,
        changes=True,
        freshness=Freshness.STALE,
        verified=True,
        nothing=False,
    ):
        books = books or ComputeBooks()
        asked: list[Baking] = []

        def watch(_stack, baking_, _stop):
            asked.append(baking_)
            assert Baking.from_tag(books.tagged[TAG]) == baking_
            if ends:
                raise ends
            return "baked"

        fingerprints = SimpleNamespace(
            backend=books,
            made_of=lambda _, update: replace(MADE_OF, update=update),
            verified=lambda _: verified,
            doubtful=lambda _: False,
            require_as_begun=lambda _: {},
            touched=lambda *_: [],
            baking=lambda _: Baking.from_tag(books.tagged.get(TAG, "")),
            known=lambda _: Fingerprint.from_tag(books.tagged.get(TAG, "")),
        )
        context: Any = SimpleNamespace(
            graph=SimpleNamespace(reads={SECONDARY: ()}),
            target=SimpleNamespace(backend=books, now=lambda: 77.0),
            workspace=SimpleNamespace(ensure=lambda _: None),
            fingerprints=fingerprints,
            check=SimpleNamespace(
                covers=lambda _: True,
                before=lambda _, verified: BEFORE,
                after=lambda *_: "smoke test passed",
                bake=watch,
            ),
            guard=lambda _: nothing,
            promised=None,
            run=SimpleNamespace(update=lambda _: "u2", message=lambda *_: "{}"),
            operations=SimpleNamespace(run=lambda *_: Events(changes={"update": 1} if changes else {})),
            refresh=False,
            bake=minutes,
        )
        ran: RunContext = context
        work = None
        try:
            work = Deploy(ran).run(Step(SECONDARY, frozenset(), Judgement(freshness, "")))
        except (Problem, Interrupted) as ended:
            assert ended is ends  # noqa: PT017 - which of the two, the caller says
        return work, books, asked

    def test_a_release_that_stands_it_is_recorded_with_its_minutes(self):
        work, books, asked = self.deploy()
        assert work is not None
        assert work.remark == "smoke test passed; baked"
        left = books.checkpoint(SECONDARY).digest
        assert Fingerprint.from_tag(books.tagged[TAG]) == Fingerprint("u2", parts_of(MADE_OF.pieces), 5.0, left)
        assert (asked[0].since, asked[0].before) == (77.0, BEFORE)
        served = Releases.read(books, SECONDARY).serving
        assert served
        assert served.serving == Serving({("pay", "live"): "2"}, {})

    def test_a_release_that_a_killed_update_left_in_the_state_is_checked_though_nothing_changes(self):
        """The newest entry of the history is still of the update before, which passed."""
        _, books, _ = self.deploy(minutes=0.0)
        work, _, _ = self.deploy(minutes=0.0, books=books, changes=False)
        assert work is not None
        assert work.remark == ""
        books.version = "3"
        for freshness in (Freshness.STALE, Freshness.FORCED):
            work, _, _ = self.deploy(minutes=0.0, books=books, changes=False, freshness=freshness, nothing=True)
            assert work is not None
            assert work.remark == "smoke test passed"
            books.version = "4"

    @pytest.mark.parametrize("cut_off_at", range(5))
    def test_a_run_that_is_killed_at_any_tag_leaves_no_fresh_stack_without_its_release(self, cut_off_at):
        """The kind: what says that all is done is written before all is done."""
        books = ComputeBooks(cut_off_at)
        with suppress(KeyboardInterrupt):
            self.deploy(minutes=0.0, books=books)
        recorded = Releases.read(books, SECONDARY).serving
        assert recorded or Fingerprint.from_tag(books.tagged.get(TAG, "")) is None
        books.left = 99
        self.deploy(minutes=0.0, books=books, changes=False, verified=False)
        known = Releases.read(books, SECONDARY)
        assert known.serving
        assert known.serving.serving == Serving({("pay", "live"): "2"}, {})
        assert known.before is None, "a release that is recorded again is still one"

    def test_one_that_does_not_is_withdrawn_and_never_a_release_to_go_back_to(self):
        _, books, _ = self.deploy(ends=Problem("alarm"))
        assert books.tagged[TAG] == WITHDRAWN
        assert Releases.read(books, SECONDARY).serving is None

    def test_an_interrupted_bake_is_begun_anew_and_still_knows_what_served_before(self):
        _, books, _ = self.deploy(ends=Interrupted("stop"))
        assert Baking.from_tag(books.tagged[TAG])
        # nobody says --bake any more, and nothing changes: watched all the same, since the release's begin
        _, books, asked = self.deploy(minutes=None, books=books, changes=False, verified=False)
        assert [(each.minutes, each.since, each.before) for each in asked] == [(5.0, 77.0, BEFORE)]
        found = Fingerprint.from_tag(books.tagged[TAG])
        assert found
        assert found.baked == 5.0

    def test_a_bake_that_was_cut_off_is_left_out_when_that_is_said(self):
        _, books, _ = self.deploy(ends=Interrupted("stop"))
        work, books, asked = self.deploy(minutes=0.0, books=books, changes=False, verified=False)
        assert asked == []
        assert work is not None
        assert work.remark == "smoke test passed"

    def test_a_release_that_it_has_had_for_a_while_goes_back_on_the_one_before(self):
        books = ComputeBooks()
        old, new = (Release(name, Serving({("pay", "live"): name}, {}), at) for name, at in (("1", 3.0), ("2", 50.0)))
        Releases(new, old).write(books, SECONDARY)
        newest = Fingerprint("u1", {"code": "b"})
        books.tag(SECONDARY, TAG, newest.to_tag())
        work, books, asked = self.deploy(books=books, freshness=Freshness.UNBAKED)
        assert [(each.since, each.before) for each in asked] == [(50.0, old.serving)]
        assert work is not None
        assert work.changes == {}
        assert Fingerprint.from_tag(books.tagged[TAG]) == replace(newest, baked=5.0)

    def test_an_update_that_changes_nothing_leaves_no_release_unwatched(self):
        books = ComputeBooks()
        old, new = (Release(name, Serving({("pay", "live"): name}, {}), at) for name, at in (("1", 3.0), ("2", 50.0)))
        Releases(new, old).write(books, SECONDARY)
        books.tag(SECONDARY, TAG, Fingerprint("u1", {"code": "a"}).to_tag())
        _, books, asked = self.deploy(books=books, changes=False)
        assert [(each.minutes, each.since, each.before) for each in asked] == [(5.0, 50.0, old.serving)]
        _, books, asked = self.deploy(books=books, changes=False)
        assert asked == [], "it was watched for so long"
        _, books, asked = self.deploy(minutes=None, books=books, changes=False)
        found = Fingerprint.from_tag(books.tagged[TAG])
        assert found
        assert found.baked == 5.0

    def test_without_minutes_nothing_is_watched_and_nothing_is_tagged_before(self):
        work, _, asked = self.deploy(minutes=None)
        assert asked == []
        assert work is not None
        assert work.remark == "smoke test passed"
