"""One drill from the plan to the verdict, and what all of them leave: `.sandbox/drills/<id>/`."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import secrets
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from drill import calibrate as calibration
from drill import figures as figure
from drill import reading, records
from drill.books import Books
from drill.clients import LONGEST_PAUSE, TIMEOUT, Merchandise
from drill.example import LONGEST_FAILURE
from drill.figures import DrillFigures, bottleneck, measure, out_again, too_late, verdict
from drill.page import page
from drill.play import Play, Played
from drill.reconcile import UNAUDITED, Reconciliation, examine
from drill.records import (
    INCIDENT,
    MOVES,
    NOTHING,
    NOTICED,
    SANDBOX,
    Attempt,
    DrillOutcome,
    DrillPlan,
    Event,
)
from drill.schedule import RAMP, DrillSchedule, counts
from drill.self_test import GREY, afterwards, is_unnoticed
from orchestration.person import user
from orchestration.target import published
from shared import signals
from shared.clients import STOREFRONT
from shared.contracts import LAYERS, schema
from shared.errors import MALFORMED, Problem
from shared.failover_time import METRIC_PERIOD_SECONDS, Fault, GreyBound, LatchTiming, bound, worst
from shared.roles import PRIMARY, PerRole
from shared.root import ROOT
from shared.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from drill.incident import Incident
    from drill.stage import Stage
    from orchestration.target import Target
    from shared.environment import Environment

LOCK: Final = "lock"
KILLED: Final = DrillOutcome("aborted", figure.ABORTED, "its process ended")
CLIENT: Final = TIMEOUT + LONGEST_PAUSE
EXAMPLE: Final = LONGEST_FAILURE
"""Virtual seconds that a client of a drill adds at most: an attempt that fails, and a pause; EXAMPLE for its kind."""
BOUND_OF: Final[Mapping[str, Fault]] = {
    "refuse": Fault.REFUSED,
    "hang": Fault.HANG,
    "5xx": Fault.ERROR,
    "slow": Fault.SLOW,
    "lossy": Fault.SLOW,
    "data": Fault.DATA_LAYER,
    "name": Fault.DATA_LAYER,
    "partition": Fault.DATA_LAYER,
}
"""Which of the model's faults bounds each of the drill's; grey failure and evacuation have bounds of their own."""
BY_CHANCE: Final = frozenset({"lossy"})
"""Faults of some of the calls: how long enough checkers in a row take to meet them, no model bounds."""


def plan(
    environment: Environment, *, fault: str, rate: float, duration: float, speed: float, seed: int, target: str
) -> DrillPlan:
    """What a drill is going to do, and what it is measured against. An incident's is made of it by `of_incident`."""
    schedule = DrillSchedule(seed, rate, duration)
    now = time.time()
    objectives = environment.objectives
    return DrillPlan(
        id=f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{seed}",
        seed=seed,
        fault=fault,
        rate=rate,
        duration=duration,
        fault_at=schedule.fault_at,
        speed=speed,
        environment=environment.name,
        target=target,
        objectives={
            "failover": objectives.failover,
            "grey_failure": objectives.grey_failure,
            "availability_percent": objectives.availability_percent,
        },
        propagation=environment.edge.propagation.source,
        consistency=environment.data.consistency,
        failback=environment.edge.failback,
        bounds=bounds(environment, fault),
        clients=counts(schedule.kinds),
        commit=_commit(),
        contract=_contract(),
        who=user(),
    )


def of_incident(
    planned: DrillPlan, environment: Environment, incident: Incident, file: str, compression: float
) -> DrillPlan:
    """The plan of a drill that plays a published outage: measured by what its first fault in the primary allows."""
    made = replace(
        planned,
        fault=INCIDENT,
        incident=incident.name,
        source=incident.source,
        steps=incident.planned(compression),
        file=file,
        compression=compression,
    )
    known = made.measured in BOUND_OF or made.measured == "grey"
    checks, dns = environment.edge.checks.of_the_entry_point, environment.edge.dns
    noticed = {NOTICED: float(worst(checks, dns).detection)}
    made = replace(made, bounds=bounds(environment, made.measured) if known else noticed)
    return replace(made, caution=_caution(made))


def _caution(planned: DrillPlan) -> str:
    """What it changes that an outage's minutes are shortened; nothing where they are not."""
    if planned.compression <= 1:
        return ""
    told = (
        f"Its own minutes are {planned.compression:.3g} times shorter, and no rule of health checks, DNS, alarms and "
        "latch is: steps that become shorter than these need show less than they did."
    )
    here, there, lasting = planned.first_lasts, planned.first_lasts * planned.compression, planned.bounds.get("latched")
    if lasting is None or not here < lasting <= there:
        return told
    return (
        f"{told} The first fault takes {here:.0f} s here and took {there / 60:.0f} minutes; a failover lasts for "
        f"certain only after {lasting:.0f} s, so clients may go back by themselves here, and would not at --compress "
        f"{there / lasting:.3g} or less."
    )


def bounds(environment: Environment, fault: str) -> dict[str, float]:
    """What the model allows for a fault: detection, propagation, TTL, their sum, and when a failover surely lasts."""
    checks, dns = environment.edge.checks, environment.edge.dns
    latch = LatchTiming(checks.of_the_entry_point, dns)
    if fault == NOTHING:
        return {}
    if fault == "grey":
        grey = GreyBound(environment.edge.grey_failure.periods, dns)
        detection, total = grey.detection, grey.total
    elif fault in MOVES:
        by_switch = bound([checks.stop_switch.timing()], dns, Fault.ERROR)
        detection, total = by_switch.detection, by_switch.total
    else:
        of_checks = bound(checks.of_the_entry_point, dns, BOUND_OF[fault])
        detection, total = of_checks.detection, of_checks.total
    found = {
        "detection": detection,
        "propagation": dns.propagation,
        "ttl": dns.ttl,
        "total": total,
        "client": CLIENT,
        "example": EXAMPLE,
        "latched": latch.certain + total,
    }
    if fault in BY_CHANCE or is_unnoticed(fault, environment.data.consistency):
        del found["total"]
        found[NOTICED] = found.pop("detection")
    return found


def least_detection(environment: Environment, fault: str) -> float:
    """Seconds that checkers need at least: the fault may come just before the first of `threshold` attempts.

    Of a grey failure metrics tell: it may come just before the first of `periods` minutes ends.
    """
    if fault in {INCIDENT, NOTHING}:  # who knows what, or nobody has to
        return 0.0
    if fault == GREY:
        return float((environment.edge.grey_failure.periods - 1) * METRIC_PERIOD_SECONDS)
    checks = environment.edge.checks
    timings = [checks.stop_switch.timing()] if fault in MOVES else checks.of_the_entry_point
    return float(min((each.threshold - 1) * each.interval for each in timings))


def play(
    planned: DrillPlan, target: Target, environment: Environment, stage: Stage, tell: Callable[[str], None]
) -> tuple[DrillOutcome, DrillFigures, Path]:
    """Play it, reconcile, judge, and write down all of it. Raises Problem when it cannot begin."""
    where = reading.places(target, environment)
    key = _api_key(where, target, environment)
    stage.require(planned.steps)
    with _alone(home(target)), signals.ended_in_order(), _speed(stage, planned.speed):
        tell("an idle minute, to see whether this machine keeps up")
        _require_fit_and_honest(stage)
        bounds_now = _bounds_on(stage, planned)
        planned = replace(planned, started=stage.clock.now(), regions=dict(stage.regions), bounds=bounds_now)
        folder = _folder(target, planned)
        try:
            name = environment.foundation().failover_name
            drill = Play(planned, stage, api_key=key, name=name, folder=folder, tell=tell)
            reconciled = partial(_reconciled, planned, target, environment, stage)
            played, compared = _played(planned, stage, drill, reconciled)
        except KeyboardInterrupt:
            _end(folder, DrillOutcome("aborted", figure.ABORTED, "it was interrupted"))
            raise
        except BaseException as error:
            _end(folder, DrillOutcome("aborted", 1, str(error) if isinstance(error, Problem) else repr(error)))
            raise
    kept, books = compared or (None, None)
    outcome, found = _judged(planned, played, books, least_detection(environment, planned.fault))
    if kept and books:
        records.write(folder / records.BOOKS, kept.to_json())
        records.write(folder / records.RECONCILIATION, books.to_json())
    records.write(folder / records.FIGURES, found.to_json())
    _end(folder, outcome)
    write_page(folder)
    return outcome, found, folder


def _bounds_on(stage: Stage, planned: DrillPlan) -> dict[str, float]:
    """The bounds, and what the stage adds to what is measured by it: a grace, and a look that comes late."""
    adds = {"latched": max(0.0, stage.grace() - planned.fault_at), "detection": stage.looks_every}
    return {name: value + adds.get(name, 0.0) for name, value in planned.bounds.items()}


def _played(
    planned: DrillPlan, stage: Stage, drill: Play, compared: Callable[[Played], tuple[Books, Reconciliation]]
) -> tuple[Played, tuple[Books, Reconciliation] | None]:
    """Play it and compare the books; None where they cannot be had. Raises Problem when it cannot begin."""
    played = asyncio.run(drill.run())
    try:
        books = compared(played)
        played.trouble += _lies(planned, stage, played)
    except Problem as problem:  # a part of the sandbox is gone: there is no verdict, and nothing is lost yet
        played.trouble.append(str(problem))
        return played, None
    return played, books


@contextmanager
def _alone(drills: Path) -> Iterator[None]:
    """Keep a second drill of this checkout out: it would mend what this one breaks. Raises Problem."""
    drills.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (drills / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Problem("another drill of this checkout is being played: wait for its end, or break it off") from None
        yield


@contextmanager
def _speed(stage: Stage, speed: float) -> Iterator[None]:
    """Let time pass at a speed, and as before afterwards, whatever happens."""
    before = stage.clock.speed
    try:
        stage.set_speed(speed)
        yield
    finally:
        stage.set_speed(before)


def _folder(target: Target, planned: DrillPlan) -> Path:
    """A drill's own, with its settings and its plan: on disk before anything is broken. Raises Problem."""
    folder = home(target) / planned.id
    try:
        settings = (ROOT / "environments" / planned.settings).read_bytes()
        folder.mkdir(mode=0o700)
        (folder / planned.settings).write_bytes(settings)
        records.write(folder / records.PLAN, planned.to_json())
    except OSError as error:
        raise Problem(f"cannot write down the drill in {folder}: {error.strerror}; nothing was broken") from None
    return folder


def _judged(
    planned: DrillPlan, played: Played, books: Reconciliation | None, least: float
) -> tuple[DrillOutcome, DrillFigures]:
    """What was measured, and what there is to say of it."""
    found = measure(planned, played.attempts, played.events, books)
    moments = {each.what if each.kind == "phase" else each.kind: each.at for each in reversed(played.events)}
    begun = moments.get("steady", 0.0) + RAMP
    slow = bottleneck(
        played.attempts, begun, moments.get("fault", moments.get("settled", begun)), played.lags, planned.speed
    )
    again = out_again(planned, played.attempts, played.events)
    late = too_late(planned, played.attempts, played.events, books, found)
    imitated = planned.target == SANDBOX
    lies = afterwards(planned, played.attempts, played.events, least) if imitated else []
    trouble = [*played.trouble, *filter(None, (slow, late, again)), *lies, *_unfinished(played)]
    return DrillOutcome(*verdict(found, trouble)), found


def _require_fit_and_honest(stage: Stage) -> None:
    if why := stage.too_fast():
        raise Problem(f"{why}; nothing was broken")
    if why := stage.doubts():
        raise Problem(f"{stage.name} is not to be believed: {why}; nothing was broken (drill/README.md)")


def write_page(folder: Path) -> Path:
    """Draw a drill that has come to its end, from what it has left. Raises Problem."""
    told, ended = records.read(folder / records.PLAN), records.read(folder / records.OUTCOME)
    if told is None or ended is None:
        raise Problem(f"the drill {folder.name} did not come to its end, so there is nothing to draw")
    try:
        attempts = [Attempt.read(line) for line in records.lines(folder / records.CLIENTS)]
        events = [Event.read(line) for line in records.lines(folder / records.EVENTS)]
        plan, outcome = DrillPlan.read(told), DrillOutcome.read(ended)
    except MALFORMED as error:
        raise Problem(f"{folder}: the drill's records are damaged, so nothing can be drawn ({error})") from None
    measured = records.read(folder / records.FIGURES) or {}
    drawn = page(plan, outcome, measured, attempts, events)
    out = folder / records.PAGE
    out.write_text(drawn, encoding="utf-8")
    return out


def calibrated(
    target: Target, environment: Environment, stage: Stage, told: Callable[[calibration.CapacityStep], None]
) -> calibration.Capacity:
    """Measure what this machine serves, and keep that. Raises Problem when something is broken."""
    if broken := stage.broken():
        raise Problem(f"a fault is in force: {broken[0]}; ./invoke heal ends it")
    key = _api_key(reading.places(target, environment), target, environment)
    name = f"calibration-{secrets.token_hex(4)}"
    goods = Merchandise(environment.foundation().failover_name, stage.port, key, name, patience=0.0)
    with _alone(home(target)), _speed(stage, 1.0):
        time.sleep(1.0)  # the speed holds for everybody
        steps = asyncio.run(calibration.calibrate(stage.clock, tuple(stage.regions), goods, told))
    found = calibration.capacity_of(steps, time.time(), _commit())
    records.write(home(target) / calibration.CAPACITY, found.to_json())
    return found


def home(target: Target) -> Path:
    """Where drills are kept."""
    return beside(target.state)


def beside(state: Path) -> Path:
    """Where drills are kept, by the folder of a target's runs."""
    return state.parent / "drills"


def history(folder: Path) -> Iterator[tuple[DrillPlan, DrillOutcome, dict[str, Any]]]:
    """Every drill that has begun, the oldest first: its plan, how it ended, and its figures."""
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        told = records.read(each / records.PLAN)
        if told is None:
            continue
        ended = records.read(each / records.OUTCOME)
        try:
            plan = DrillPlan.read(told)
            outcome = DrillOutcome.read(ended) if ended else KILLED
        except MALFORMED:  # a record that is damaged, or of a release that knew less
            continue
        yield plan, outcome, records.read(each / records.FIGURES) or {}


def _reconciled(
    planned: DrillPlan, target: Target, environment: Environment, stage: Stage, played: Played
) -> tuple[Books, Reconciliation]:
    """Compare the books once nothing is under way any more; the sweep has its time to finish what was left.

    What may still come to a replica or an audit bucket is waited for until it is there or late; where it could not be
    waited for so long, that is trouble.
    """
    where = reading.places(target, environment)
    since = int(planned.started * 1000)
    end = time.monotonic() + 60 + 240 / planned.speed
    while True:
        ledger = list(reading.ledger(target.ledger, grows=True)) if target.ledger else None
        books = reading.read(
            where, since=since, now=int(stage.clock.now() * 1000), ledger=ledger, attempts=played.attempts, alone=True
        )
        found = examine(books)
        settled = found.counts.unknown == found.coming == found.of(UNAUDITED) == 0
        if settled or time.monotonic() > end:
            break
        time.sleep(1)
    if found.coming:
        played.trouble.append(f"{found.coming} payments may still have got what a book has not: it was not waited for")
    return books, found


def _lies(planned: DrillPlan, stage: Stage, played: Played) -> Iterator[str]:
    """Why the stage is not to be believed, by what its own watchers have seen."""
    begun, healed = (figure.first(played.events, 0.0, *what) for what in (("fault", planned.fault), ("heal", "")))
    if begun is not None and healed is not None:
        yield from (
            f"{stage.name} is not to be believed: {each}" for each in stage.lies(planned, begun, healed) if each
        )


def _unfinished(played: Played) -> Iterator[str]:
    """What of the plan did not come about, so that nothing can be said."""
    if played.broken_off:
        yield f"{played.broken_off} payments were still being tried at the end"


def _end(folder: Path, outcome: DrillOutcome) -> None:
    records.write(folder / records.OUTCOME, outcome.to_json())


def _api_key(where: reading.Places, target: Target, environment: Environment) -> str:
    from orchestration.api import EntryPoint, merchant  # noqa: PLC0415

    arns = PerRole(**published(target, Stack("data", environment.name), "api_keys_secret_arns"))
    secret = where.aws.secret(arns.of(PRIMARY), environment.region(PRIMARY))
    return merchant(STOREFRONT, EntryPoint(""), secret).api_key


def _commit() -> str:
    try:
        told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return told.stdout.strip()


def about(environment: Environment) -> dict[str, str]:
    """What evidence says of itself: the environment, the sources, the contracts, and who gathers it."""
    return {"environment": environment.name, "commit": _commit(), "contract": _contract(), "who": user()}


def _contract() -> str:
    """A digest of all layers' contracts."""
    return hashlib.sha256("\n".join(schema(each.outputs) for each in LAYERS.values()).encode()).hexdigest()[:16]


def new_seed() -> int:
    """A seed nobody has chosen."""
    return secrets.randbelow(1_000_000)
