"""A drill on a stage of paper: what it breaks it mends, and what it did not break it leaves alone."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace

import pytest

from drill.clients import TIMEOUT, TRYING, finished
from drill.names import TIMEOUT as NAME_TIMEOUT
from drill.play import LONGEST_TRY, PRIMARY, SECONDARY, Play, most_at_once
from drill.records import CLIENTS, EVENTS, DrillPlan, Event, lines
from drill.schedule import DrillSchedule
from drill.stage import Standing
from shared.errors import Problem

PLAN = DrillPlan(
    "id",
    seed=1,
    fault="refuse",
    rate=0.2,
    duration=120.0,
    fault_at=60.0,
    speed=1.0,
    environment="payments",
    target="sandbox",
    objectives={"failover": 120},
    bounds={"latched": 400.0},
)


BROKEN = {"region": "primary", "kind": "name", "says": "broken", "source": "https://example.com"}


class LeapingClock:
    """Time that passes only when somebody sleeps."""

    speed = 1.0

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    monotonic = now

    async def sleep(self, seconds):
        end = self.time + seconds
        while self.time < end:
            await asyncio.sleep(0)
            self.time = min(end, self.time + 0.5)

    async def wait_for(self, awaitable, _seconds):
        future = asyncio.ensure_future(awaitable)
        await asyncio.sleep(0)
        if not future.done():
            future.cancel()
            raise TimeoutError
        return future.result()


@dataclass
class PaperStage:
    """Fails over 30 s after the fault, latches after 130, and goes back 40 s after `restore`."""

    clock: LeapingClock = field(default_factory=LeapingClock)
    dns = ("127.0.0.1", 9)
    port = 9
    name = "the sandbox"
    tls = None
    regions = {"127.1.0.1": PRIMARY}  # noqa: RUF012 - of a test
    probed = (("127.1.0.1", "api.example.com"),)
    well: bool = True
    faults: list = field(default_factory=list)
    done: list = field(default_factory=list)
    began: float = float("inf")
    restored: float = float("inf")
    dies_at: float = float("inf")
    returns: bool = False

    def standing(self):
        now = self.clock.now()
        if now >= self.dies_at:
            raise Problem("the checkers do not answer")
        latched = self.began + 130 <= now < self.restored
        away = self.began + 30 <= now < self.restored + 40
        if self.returns and "heal" in self.done:
            away = False
        gate = self.well and not away
        return Standing(SECONDARY if away else PRIMARY, gate, {"secondary stop-switch": not latched})

    def set_speed(self, _speed): ...

    def begin(self, fault):
        self.began = self.clock.now()
        self.done.append(fault)
        return Event(self.began, "fault", "us-east-1", fault)

    def enact(self, step):
        self.began = min(self.began, self.clock.now())
        self.done.append([each["kind"] for each in step["faults"]])
        return Event(self.clock.now(), "step", "us-east-1", str(step["at"]), "broken")

    def heal(self):
        self.done.append("heal")
        return Event(self.clock.now(), "heal")

    def restore(self):
        self.done.append("restore")
        self.restored = self.clock.now()
        return Event(self.restored, "restore")

    def broken(self):
        return self.faults

    def life(self):
        return {"cloud": 1 if self.clock.now() < self.dies_at else 2}

    def events(self, _since):
        return iter([Event(1100.0, "dns", "api", SECONDARY)])


THREADS = asyncio.to_thread


@pytest.fixture(autouse=True)
def threadless(monkeypatch):
    """Time leaps whenever somebody waits, and must not while a thread is waited for."""

    async def at_once(work, *arguments):
        return work(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


def played(stage, tmp_path, plan=PLAN):
    told = []
    play = Play(plan, stage, api_key="secret", name="api.example.com", folder=tmp_path, tell=told.append)
    return asyncio.run(play.run())


def phases(found):
    return [each.what for each in found.events if each.kind == "phase"]


def test_a_drill_goes_through_its_phases_and_mends_what_it_broke(tmp_path):
    stage = PaperStage()
    found = played(stage, tmp_path)
    assert phases(found) == ["steady", "outage", "switched", "latched", "healed", "restored", "failed back", "settled"]
    assert stage.done == ["refuse", "heal", "restore"]
    assert found.trouble == []
    assert [each["what"] for each in lines(tmp_path / EVENTS) if each["kind"] == "phase"] == phases(found)
    assert len(list(lines(tmp_path / CLIENTS))) == len(found.attempts) > 20
    assert any(each.kind == "dns" for each in found.events)


def test_who_breaks_a_drill_off_while_it_breaks_something_leaves_nothing_broken(tmp_path, monkeypatch):
    """The thread that throws the switch cannot be stopped: it is waited for, and what it did is mended."""
    monkeypatch.setattr(asyncio, "to_thread", THREADS)
    stage, begins, told = PaperStage(), threading.Event(), []

    def slowly(fault):
        begins.set()
        time.sleep(0.3)
        stage.done.append(fault)
        return Event(stage.clock.now(), "fault", "us-east-1", fault)

    stage.begin = slowly

    async def broken_off():
        play = Play(PLAN, stage, api_key="secret", name="api.example.com", folder=tmp_path, tell=told.append)
        drill = asyncio.ensure_future(play.run())
        await asyncio.to_thread(begins.wait)
        drill.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drill

    asyncio.run(broken_off())
    assert stage.done == ["refuse", "heal", "restore"]


def test_what_cannot_be_mended_is_told_with_what_to_do_and_hides_nothing(tmp_path):
    stage, told = PaperStage(), []

    def refused():
        raise RuntimeError("no credentials any more")

    stage.heal = refused
    play = Play(PLAN, stage, api_key="secret", name="api.example.com", folder=tmp_path, tell=told.append)
    with pytest.raises(RuntimeError):
        asyncio.run(play.run())
    assert stage.done == ["refuse", "restore"]
    assert "cannot heal: no credentials any more; do it by ./invoke heal" in told


@pytest.mark.parametrize("lost", ["_load", "_watch_names"])
def test_a_part_of_the_drill_that_ends_takes_the_verdict_away(tmp_path, monkeypatch, lost):
    async def ends(*_):
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(Play, lost, ends)
    assert any("a mistake of ours" in each for each in played(PaperStage(), tmp_path).trouble)


def test_an_outage_that_does_not_end_lasts_for_a_while_all_the_same(tmp_path):
    stage = PaperStage()
    steps = [{"at": 0.0, "faults": [BROKEN]}]
    found = played(stage, tmp_path, replace(PLAN, fault="incident", incident="a bad day", steps=steps))
    moments = {each.what: each.at for each in found.events if each.kind == "phase"}
    assert moments["healed"] - moments["outage"] >= PLAN.objectives["failover"]


def test_an_outage_whose_fault_takes_longer_to_notice_is_given_that_time(tmp_path):
    steps = [{"at": 0.0, "faults": [{**BROKEN, "kind": "grey"}]}]
    plan = replace(PLAN, fault="incident", steps=steps, objectives={"failover": 120.0, "grey_failure": 300.0})
    moments = {each.what: each.at for each in played(PaperStage(), tmp_path, plan).events if each.kind == "phase"}
    assert moments["healed"] - moments["outage"] >= 300


@pytest.mark.parametrize(("fault", "least"), [("refuse", 120), ("grey", 300), ("evacuate", 120)])
def test_nobody_mends_before_clients_may_be_back(tmp_path, fault, least):
    """Where failback is automatic a failover lasts as soon as it is there, and clients still have to follow it."""
    plan = replace(PLAN, fault=fault, failback="automatic", objectives={"failover": 120.0, "grey_failure": 300.0})
    moments = {each.what: each.at for each in played(PaperStage(), tmp_path, plan).events if each.kind == "phase"}
    assert moments["healed"] - moments["outage"] >= least


def under_way(rate, seed, seconds=75.0):
    """The most payments at once when a region answers nothing: each client tries five again, and further ones once."""
    schedule = DrillSchedule(seed, rate, 300)
    trying, once, most = [0] * len(schedule.kinds), [], 0
    for arrival in schedule.arrivals():
        if arrival.at > schedule.fault_at + seconds:
            return most
        if arrival.at < schedule.fault_at:
            continue
        once = [end for end in once if end > arrival.at]
        if trying[arrival.client] < TRYING:
            trying[arrival.client] += 1
        else:
            copied = schedule.kinds[arrival.client] == "example"
            once.append(arrival.at + (LONGEST_TRY if copied else TIMEOUT + 2 * NAME_TIMEOUT))
        most = max(most, sum(trying) + len(once))
    raise AssertionError("the load goes on")


@pytest.mark.parametrize("rate", [0.1, 1, 5, 10, 17.1, 20, 60, 200])
def test_payments_that_only_wait_for_a_dead_region_are_not_too_many(rate):
    clients = len(DrillSchedule(1, rate, 300).kinds)
    seconds = 300.0 if rate < 20 else 75.0
    assert max(under_way(rate, seed, seconds) for seed in range(1, 6)) < most_at_once(rate, clients)


def test_a_machine_that_keeps_no_time_out_is_told_and_not_loaded_further(tmp_path):
    class Stuck:
        asked = 0

        async def pay(self, *_):
            Stuck.asked += 1
            await asyncio.Event().wait()

    async def loaded():
        stage = PaperStage()
        play = Play(PLAN, stage, api_key="secret", name="api.example.com", folder=tmp_path, tell=lambda _: None)
        clients: list = [Stuck()] * 10
        load = asyncio.ensure_future(play._load(clients, stage.clock.now()))
        await stage.clock.sleep(1000.0)
        load.cancel()
        await finished(play._paying, stage.clock, 0.0)
        return play.played.trouble

    most = most_at_once(PLAN.rate, 10)
    assert asyncio.run(loaded()) == [f"{most} payments were being tried at once: the machine is too slow for this rate"]
    assert Stuck.asked == most < 70


def test_how_late_the_drill_was_before_its_load_is_not_held_against_it(tmp_path, monkeypatch):
    before = Play._until_ready

    async def slowly(play):
        await before(play)
        play.played.lags.append(99.0)

    monkeypatch.setattr(Play, "_until_ready", slowly)
    assert 99.0 not in played(PaperStage(), tmp_path).lags


def test_where_failback_is_automatic_nothing_latches_and_clients_must_go_back(tmp_path):
    stage = PaperStage(returns=True)
    latches = stage.standing
    stage.standing = lambda: replace(latches(), checks={"secondary stop-switch": True})
    found = played(stage, tmp_path, replace(PLAN, failback="automatic"))
    assert phases(found) == ["steady", "outage", "switched", "healed", "returned", "restored", "failed back", "settled"]


def test_what_was_broken_half_way_is_mended_too(tmp_path):
    """The switch is thrown, and the fence cannot be put up: clients are moved, so they are let back."""
    stage = PaperStage()

    def half(fault):
        stage.done.append(fault)
        raise Problem("cannot put up the fence")

    stage.begin = half
    found = played(stage, tmp_path)
    assert stage.done == ["refuse", "heal", "restore"]
    assert "cannot put up the fence" in found.trouble


def test_a_drill_that_breaks_nothing_is_load_alone(tmp_path):
    stage = PaperStage()
    found = played(stage, tmp_path, replace(PLAN, fault="none", duration=120.0))
    assert phases(found) == ["steady", "settled"]
    assert stage.done == []
    begun, ended = (each.at for each in found.events if each.kind == "phase")
    assert 120 <= ended - begun < 130


def test_an_outage_is_played_step_by_step_whatever_clients_do_meanwhile(tmp_path):
    stage, broken = PaperStage(), BROKEN
    steps = [
        {"at": 0.0, "faults": [{**broken, "kind": "name"}]},
        {"at": 200.0, "faults": [{**broken, "kind": "lossy"}]},
        {"at": 260.0, "faults": []},
    ]
    found = played(stage, tmp_path, replace(PLAN, fault="incident", incident="a bad day", steps=steps))
    assert phases(found) == ["steady", "outage", "switched", "latched", "healed", "restored", "failed back", "settled"]
    assert stage.done == [["name"], ["lossy"], [], "heal", "restore"]
    begun, *times = (each.at for each in found.events if each.kind in {"fault", "step"})
    assert [at - begun for at in times] == pytest.approx([0, 200, 260], abs=20)  # others let the time pass, too


def test_an_outage_that_is_broken_off_is_mended(tmp_path):
    stage = PaperStage(dies_at=1300.0)
    steps = [{"at": float(at), "faults": []} for at in (0, 100, 900)]
    found = played(stage, tmp_path, replace(PLAN, fault="incident", incident="a bad day", steps=steps))
    assert found.trouble
    assert stage.done[-2:] == ["heal", "restore"]


def test_what_the_primarys_health_route_answers_is_written_down(tmp_path):
    found = played(PaperStage(), tmp_path)
    assert [each.what for each in found.events if each.kind == "probe"] == ["ill"]  # nobody listens there


def test_clients_that_go_back_by_themselves_are_seen(tmp_path):
    assert "returned" in phases(played(PaperStage(returns=True), tmp_path))


def test_a_fault_of_somebody_else_is_left_alone(tmp_path):
    stage = PaperStage(faults=["3: us-east-1: hang"])
    with pytest.raises(Problem, match="heal ends it"):
        played(stage, tmp_path)
    assert stage.done == []


def test_a_system_that_is_not_well_is_not_broken(tmp_path):
    stage = PaperStage(well=False)
    with pytest.raises(Problem, match="nothing to lose"):
        played(stage, tmp_path)
    assert stage.done == []


def test_a_part_of_the_sandbox_that_ends_is_trouble_and_all_is_mended(tmp_path):
    stage = PaperStage(dies_at=1100.0)
    found = played(stage, tmp_path)
    assert stage.done == ["refuse", "heal", "restore"]
    assert "the checkers do not answer" in found.trouble
    assert any("cloud ended" in each for each in found.trouble)
