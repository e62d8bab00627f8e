"""`./invoke drill` and `drill.calibrate`: what is typed, where it is played, and what is printed of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drill import experiment, records
from drill.anchor import PublishedHead, publish
from drill.calibrate import CAPACITY, allowed
from drill.evidence import gather, ledger_of, new_folder
from drill.figures import shown
from drill.records import EVACUATION, NOTHING, PAGE, SANDBOX
from drill.tables import show_table, table_of
from orchestration import report
from orchestration.person import go_ahead
from orchestration.target import Target, choose, module
from shared.clients import STOREFRONT
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PRIMARY
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from drill.calibrate import CapacityStep
    from drill.figures import DrillFigures
    from drill.incident import Incident
    from drill.records import DrillOutcome
    from drill.stage import Stage
    from orchestration.choice import Choice


OUTAGE = 1200.0
"""Virtual seconds into which an outage is fitted, unless --compress says otherwise: what is shorter keeps its time."""
FEWEST = 30.0
"""Payments of a drill that are expected: three of each of ten clients."""
LARGEST_COMPRESSION = 1000.0
DEFAULTS = ("hang", EVACUATION)
"""The fault, unless one is said: the first of these that the target knows."""
SHOWN = 50
"""Notifications that are told; JSON has them all."""


@dataclass(frozen=True)
class DrillWish:
    """A drill as it is typed."""

    fault: str
    rate: float
    duration: float
    speed: float
    seed: int | None
    evidence: str
    incident: str = ""
    compression: float | None = None
    experiment_role: str = ""
    """ARN of the role that an experiment on AWS takes on."""


def drill(choice: Choice, wish: DrillWish) -> int:
    """Lose the primary under load, and say what clients saw. Returns 0 when every objective held, 1 when one did not.

    3 is for a drill of which nothing can be said: the machine was too slow, or a part of the sandbox ended.
    """
    from drill import session  # noqa: PLC0415 - reconciling needs none of it

    known_faults = _known_faults(choice.target)
    fault, outage = _what_breaks(wish, known_faults)
    for name, value, least, most in (
        ("rate", wish.rate, 0.1, 200.0),
        ("duration", wish.duration, 120.0, 7200.0),
        ("speed", wish.speed, 1.0, 20.0),
    ):
        if not least <= value <= most:
            raise Problem(f"--{name} {value:g}: it is between {least:g} and {most:g}")
    out = new_folder("--evidence", wish.evidence) if wish.evidence else None
    _require_possible(choice, wish, fault)
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    stage = _stage(place, settings, wish)
    rate, capacity = _rate(place, settings, stage, wish)
    if rate * wish.duration < FEWEST:
        raise Problem(
            f"--rate {rate:g} for {wish.duration:g} s are too few payments to say anything: {FEWEST:g} at least"
        )
    if place.asks_first:
        _announce(place, settings, wish, known_faults[fault])
        go_ahead(place, choice)
    planned = session.plan(
        settings,
        fault=fault,
        rate=rate,
        duration=wish.duration,
        speed=wish.speed,
        seed=session.new_seed() if wish.seed is None else wish.seed,
        target=choice.target,
    )
    planned = replace(planned, wished=wish.rate, capacity=capacity)
    says = known_faults[fault]
    if outage:
        compression = max(1.0, outage.seconds / OUTAGE) if wish.compression is None else wish.compression
        planned = session.of_incident(planned, settings, outage, wish.incident, compression)
        says = f"{outage.name} ({outage.source}), its {outage.seconds / 60:.0f} minutes {compression:.3g} times shorter"
    report.tell(f"drill {planned.id}: {says}, after {planned.fault_at:.0f} s of load (seed {planned.seed})")
    if planned.caution:
        report.tell(planned.caution)
    outcome, found, folder = session.play(planned, place, settings, stage, _teller(stage))
    head, failure = _gathered(folder, out, place, settings) if out else (None, "")
    if choice.json:
        told = {"plan": planned.to_json(), "outcome": outcome.to_json(), "figures": found.to_json()}
        report.print_json({**told, **(head.to_json() if head else {})})
    else:
        show_drill(outcome, found)
        print(f"as a page: {relative(folder / PAGE)}; again: ./invoke drill {planned.again}")
    if failure:
        report.tell(f"no evidence: {failure}")
        return outcome.code or 1
    return outcome.code or (head.code if head else 0)


def _gathered(folder: Path, out: Path, place: Target, settings: Environment) -> tuple[PublishedHead | None, str]:
    """The head of the evidence, or why there is none: the drill has been played all the same."""
    try:
        head = publish(place, settings, gather(folder, out, ledger_of(place)), str(out))
    except Problem as problem:
        return None, str(problem)
    report.tell(f"evidence in {out}, its head: " + "\n".join(head.lines()))
    return head, ""


def _known_faults(target: str) -> Mapping[str, str]:
    """What a drill can do to the primary there. Raises Problem for an unknown target."""
    if target == SANDBOX:
        from drill.sandbox_stage import FAULTS as FAULTS_OF_THE_SANDBOX  # noqa: PLC0415

        return FAULTS_OF_THE_SANDBOX
    module(target)
    from drill.aws_stage import FAULTS  # noqa: PLC0415

    return FAULTS


def _require_possible(choice: Choice, wish: DrillWish, fault: str) -> None:
    """Raise Problem for what AWS has not, and the sandbox has no use for."""
    if choice.target == SANDBOX:
        if wish.experiment_role:
            raise Problem("--experiment-role: only AWS has experiments (--target aws)")
        return
    if wish.incident:
        raise Problem(f"--incident: an outage is played in the sandbox, and not on {choice.target}")
    if wish.speed != 1.0:
        raise Problem(f"--speed {wish.speed:g}: on {choice.target} time is what it is")
    if (fault == experiment.FAULT) != bool(wish.experiment_role):
        raise Problem(
            f"drill: --fault {experiment.FAULT} on AWS is an experiment and takes --experiment-role, and no other "
            "fault does (docs/runbooks/drill-on-aws.md)"
        )


def _stage(place: Target, settings: Environment, wish: DrillWish) -> Stage:
    if place.name == SANDBOX:
        from drill.sandbox_stage import SandboxStage  # noqa: PLC0415

        return SandboxStage(place, settings)
    from drill.aws_stage import AwsStage  # noqa: PLC0415

    return AwsStage(place, settings, experiment_role=wish.experiment_role)


def _rate(place: Target, settings: Environment, stage: Stage, wish: DrillWish) -> tuple[float, float | None]:
    """Payments a second, and what this machine serves where it serves them."""
    from drill import session  # noqa: PLC0415

    if place.name != SANDBOX:
        return wish.rate, None
    known = records.read(session.home(place) / CAPACITY)
    if known is None or not isinstance(known.get("rate"), int | float):
        report.tell("what does this machine serve? measured once, within a minute (./invoke drill.calibrate again)")
        known = session.calibrated(place, settings, stage, _tell_step).to_json()
    rate, why = allowed(wish.rate, wish.speed, known)
    report.tell(why)
    return rate, known["rate"]


def _announce(place: Target, settings: Environment, wish: DrillWish, says: str) -> None:
    """What on AWS is about to happen, to whom, and who pays for it."""
    names = settings.compute.processor
    processors = " and ".join(dict.fromkeys((names.primary, names.secondary)))
    shared = settings.foundation().failover_name
    load = f"{wish.rate:g} payments a second of up to 1,000 USD, for {wish.duration:g} s at least"
    for line in (
        f"a drill in {place.where}, unproven: nobody has played it on AWS yet",
        f"{settings.region(PRIMARY)} (primary): {says}; all clients of {shared} are moved, and not the drill's alone",
        f"{load}, are made as {STOREFRONT} and charged by {processors}: let these be your processor's test endpoints",
    ):
        report.tell(line)


def _what_breaks(wish: DrillWish, known: Collection[str]) -> tuple[str, Incident | None]:
    """The fault that is wished, or a published outage. Raises Problem."""
    if wish.incident and wish.fault:
        raise Problem("drill: say --fault or --incident, not both")
    if wish.compression is not None and not wish.incident:
        raise Problem("--compress: only an --incident has minutes of its own")
    if wish.compression is not None and not 1.0 <= wish.compression <= LARGEST_COMPRESSION:
        raise Problem(f"--compress {wish.compression:g}: it is between 1 and {LARGEST_COMPRESSION:g}")
    if wish.incident:
        from drill.incident import Incident  # noqa: PLC0415 - pydantic takes its time

        return NOTHING, Incident.load(Path(wish.incident))
    fault = wish.fault or next(each for each in DEFAULTS if each in known)
    if fault not in known:
        raise Problem(f"unknown --fault {fault!r}: choose one of {', '.join(known)}")
    return fault, None


def drill_calibrate(choice: Choice) -> int:
    """Measure how many payments a second this machine serves. Returns 1 when it serves not even the lowest rate."""
    from drill import session  # noqa: PLC0415
    from drill.sandbox_stage import SandboxStage  # noqa: PLC0415

    if choice.target != SANDBOX:
        raise Problem("drill.calibrate: only the sandbox's speed is this machine's")
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    found = session.calibrated(
        place,
        settings,
        SandboxStage(place, settings),
        _tell_step,
    )
    if choice.json:
        report.print_json(found.to_json())
    else:
        print(f"{found.rate:g} payments a second: p50 {found.p50:.2f} s, p99 {found.p99:.2f} s; {found.why}")
    return 0 if found.rate else 1


def _tell_step(step: CapacityStep) -> None:
    report.tell(
        f"{step.rate:g} a second: {step.failed} of {step.payments} failed, p50 {step.p50:.2f} s, p99 {step.p99:.2f} s"
    )


def _teller(stage: Stage) -> Callable[[str], None]:
    """Says a line with the virtual time that has passed."""
    begin = stage.clock.monotonic()
    return lambda line: report.tell(f"{stage.clock.monotonic() - begin:6.0f} s  {line}")


def show_drill(outcome: DrillOutcome, found: DrillFigures) -> None:
    """Print what a drill came to: each figure beside its objective and its bound."""
    table = table_of("", "measured", "objective", "bound (within the model)", "")
    for each in found.figures:
        held = {True: "held", False: "MISSED", None: ""}[each.held]
        limits = [shown(value, each.unit) for value in (each.objective, each.bound)]
        table.add_row(each.name, shown(each.measured, each.unit), *limits, held)
    show_table(table)
    if found.steps:
        steps = table_of("after", "broken", "attempts", "failed", "by the primary", "by the secondary")
        for step in found.steps:
            counts = (step.attempts, step.failed, step.primary, step.secondary)
            steps.add_row(f"{step.at:.0f} s", "; ".join(step.faults) or "nothing", *map(str, counts))
        show_table(steps)
    kinds = table_of("clients", "of them out", "p50", "p99", "worst")
    for outage in found.outages:
        lengths = (shown(value, "s") for value in (outage.p50, outage.p99, outage.worst))
        kinds.add_row(f"{outage.clients} {outage.kind}", str(outage.affected), *lengths)
    show_table(kinds)
    print(
        f"{found.payments} payments: {found.acknowledged} acknowledged, {found.declined} declined, "
        f"{found.refused} refused, {found.unknown} unknown; "
        f"{found.first_failed} of {found.first_attempts} first attempts failed"
    )
    for when, took in (("before the fault", found.before), ("from the switch on", found.after)):
        if took.answered:
            print(f"answers {when}: p50 {took.p50:.2f} s, p99 {took.p99:.2f} s ({took.answered})")
    if found.cold_payments:
        print(
            f"the standby's first minute: {found.cold_attempts} attempts for {found.cold_payments} payments, "
            f"{found.cold_failed} failed, p99 {found.cold_p99:.2f} s (before: {found.before.p99:.2f} s)"
        )
    for event in found.notifications[:SHOWN]:
        print(f"told {event.detail} from {event.subject} after {event.at - found.begun:.0f} s: {event.what}")
    print(f"{outcome.status.upper()}: {outcome.why}")


def relative(path: Path) -> str:
    """A path as people may type it here."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
