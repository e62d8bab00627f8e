"""What the drill's tasks call; each returns the exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drill import reading, records
from drill.calibrate import CAPACITY, allowed
from drill.evidence import bind, gather
from drill.figures import shown
from drill.reconcile import Reconciliation, examine
from drill.records import NOTHING, PAGE
from drill.since import moment
from orchestration import report
from orchestration.target import Target, choose, published
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PerRole
from shared.root import ROOT
from shared.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table

    from drill.calibrate import CapacityStep
    from drill.figures import DrillFigures
    from drill.incident import Incident
    from drill.records import DrillOutcome
    from drill.sandbox_stage import SandboxStage
    from orchestration.choice import Choice

OUTAGE = 1200.0
"""Virtual seconds into which an outage is fitted, unless --compress says otherwise: what is shorter keeps its time."""
LARGEST_COMPRESSION = 1000.0
WIDTH = 160
"""Columns of a table off a terminal: nothing is folded there."""
SHOWN = 50
"""Findings in a table; JSON has them all."""


def reconcile(choice: Choice, *, since: str, ledger: str, fix: bool) -> int:
    """Compare everybody's books of the payments since then. Returns 1 when they disagree."""
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    now = place.now()
    begin = int(moment(since, now) * 1000)
    lines = Path(ledger) if ledger else place.ledger
    if ledger and not Path(ledger).is_file():
        raise Problem(f"--ledger {ledger}: there is no such file")
    known = None if lines is None else list(reading.ledger(lines, grows=not ledger))
    where = reading.places(place, settings)
    if fix:
        reading.sweep(where, sweepers(place, settings))
        known = None if lines is None else list(reading.ledger(lines, grows=not ledger))
    found = examine(reading.read(where, since=begin, now=int(place.now() * 1000), ledger=known))
    if choice.json:
        report.print_json({"since": begin, **found.to_json()})
    else:
        show(found)
    return 0 if found.clean else 1


def sweepers(place: Target, settings: Environment) -> PerRole[str]:
    """The function that finishes what was left, in each region."""
    return PerRole.build(lambda role: str(published(place, Stack("compute", settings.name, role), "audit_alias_arn")))


def show(found: Reconciliation) -> None:
    """Print what there is, and what disagrees."""
    counts = found.counts
    print(
        f"{counts.attempted} payments attempted = {counts.paid} paid + {counts.declined} declined "
        f"+ {counts.refused} refused + {counts.unknown} unknown"
    )
    if not found.charges_known:
        print("not compared with the processor: give its report with --ledger (docs/runbooks/reconcile.md)")
    if found.clean:
        books = "tables, processor and audit buckets agree" if found.charges_known else "tables and audit buckets agree"
        print(f"{books}: nothing is lost, doubled, contradictory or unaudited")
        return
    table = _table("payment", "is", "what", "what to do")
    for finding in found.findings[:SHOWN]:
        table.add_row(finding.payment, finding.kind, finding.what, finding.todo)
    _print(table)
    if len(found.findings) > SHOWN:
        print(f"... and {len(found.findings) - SHOWN} more: --json has them all")


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


def drill(choice: Choice, wish: DrillWish) -> int:
    """Lose the primary under load, and say what clients saw. Returns 0 when every objective held, 1 when one did not.

    3 is for a drill of which nothing can be said: the machine was too slow, or a part of the sandbox ended.
    """
    from drill import session  # noqa: PLC0415 - reconciling needs none of it
    from drill.sandbox_stage import FAULTS, SandboxStage  # noqa: PLC0415

    if choice.target != "sandbox":
        raise Problem("drill: only the sandbox has a primary to lose; on AWS evacuate, then ./invoke evidence")
    fault, outage = _what_breaks(wish, tuple(FAULTS))
    for name, value, least, most in (
        ("rate", wish.rate, 0.1, 200.0),
        ("duration", wish.duration, 120.0, 7200.0),
        ("speed", wish.speed, 1.0, 20.0),
    ):
        if not least <= value <= most:
            raise Problem(f"--{name} {value:g}: it is between {least:g} and {most:g}")
    out = Path(wish.evidence) if wish.evidence else None
    if out and out.exists():
        raise Problem(f"--evidence {out} is there already: name a new folder")
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    stage = SandboxStage(place, settings)
    known = records.read(session.home(place) / CAPACITY)
    if known is None:
        report.tell("what does this machine serve? measured once, within a minute (./invoke drill.calibrate again)")
        known = session.calibrated(place, settings, stage, _tell_step).to_json()
    rate, why = allowed(wish.rate, wish.speed, known)
    report.tell(why)
    planned = session.plan(
        settings,
        fault=fault,
        rate=rate,
        duration=wish.duration,
        speed=wish.speed,
        seed=session.new_seed() if wish.seed is None else wish.seed,
        target=choice.target,
    )
    planned = replace(planned, wished=wish.rate, capacity=known["rate"])
    says = FAULTS[fault]
    if outage:
        compression = max(1.0, outage.seconds / OUTAGE) if wish.compression is None else wish.compression
        planned = session.of_incident(planned, settings, outage, wish.incident, compression)
        says = f"{outage.name} ({outage.source}), its {outage.seconds / 60:.0f} minutes {compression:.3g} times shorter"
    report.tell(f"drill {planned.id}: {says}, after {planned.fault_at:.0f} s of load (seed {planned.seed})")
    if planned.caution:
        report.tell(planned.caution)
    outcome, found, folder = session.play(planned, place, settings, stage, _teller(stage))
    head = gather(folder, out, _others(place, choice)) if out else ""
    if out:
        report.tell(f"evidence in {out}; publish its head, and check it with: python3 {out}/verify.py {head}")
    if choice.json:
        told = {"plan": planned.to_json(), "outcome": outcome.to_json(), "figures": found.to_json()}
        report.print_json({**told, **({"head": head} if head else {})})
    else:
        show_drill(outcome, found)
        print(f"as a page: {relative(folder / PAGE)}; again: ./invoke drill {planned.again}")
    return outcome.code


def _what_breaks(wish: DrillWish, known: Sequence[str]) -> tuple[str, Incident | None]:
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
    fault = wish.fault or "hang"
    if fault not in known:
        raise Problem(f"unknown --fault {fault!r}: choose one of {', '.join(known)}")
    return fault, None


def drill_calibrate(choice: Choice) -> int:
    """Measure how many payments a second this machine serves. Returns 1 when it serves not even the lowest rate."""
    from drill import session  # noqa: PLC0415
    from drill.sandbox_stage import SandboxStage  # noqa: PLC0415

    if choice.target != "sandbox":
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


def drill_history(choice: Choice) -> int:
    """List the drills that there were, the newest last."""
    from drill import session  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    found = list(session.history(session.home(place)))
    if choice.json:
        report.print_json(
            [{"plan": plan.to_json(), "outcome": end.to_json(), "figures": each} for plan, end, each in found]
        )
        return 0
    if not found:
        print("no drill has been played: ./invoke drill plays one")
        return 0
    table = _table("drill", "fault", "rate", "speed", "RTO", "verdict", "why")
    for plan, end, each in found:
        rto = next((row["measured"] for row in each.get("figures", ()) if row["name"].startswith("RTO, worst")), None)
        told = f"{rto:.1f} s" if rto is not None else "never" if each else ""
        table.add_row(plan.id, plan.title, f"{plan.rate:g}/s", f"{plan.speed:g}", told, end.status, end.why)
    _print(table)
    return 0


def drill_evidence(choice: Choice, drill_id: str, out: str) -> int:
    """Gather the evidence of a drill that has been played, and print the head of its chain."""
    from drill import session  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    played = sorted(each.name for each in session.home(place).glob("*") if each.is_dir())
    if not out:
        raise Problem("drill.evidence: say where to, with --out FOLDER")
    if drill_id and drill_id not in played:
        raise Problem(f"there is no drill {drill_id!r}: ./invoke drill.history lists them")
    if not played:
        raise Problem("no drill has been played: ./invoke drill plays one")
    head = gather(session.home(place) / (drill_id or played[-1]), Path(out), _others(place, choice))
    if choice.json:
        report.print_json({"drill": drill_id or played[-1], "out": out, "head": head})
    else:
        print(f"{head}\npublish this head; check the evidence with: python3 {out}/verify.py {head}")
    return 0


def evidence(choice: Choice, *, since: str, out: str) -> int:
    """Gather what a real failover has left since then. Returns 1 when the books disagree."""
    from drill import aftermath, session  # noqa: PLC0415

    if not since or not out:
        raise Problem("evidence: say --since (30m, 2h, 1d or 2026-11-26T10:00Z) and where to, with --out FOLDER")
    if Path(out).exists():
        raise Problem(f"--out {out} is there already: name a new folder")
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    window = aftermath.Window(moment(since, place.now()), place.now())
    gathered = aftermath.Aftermath(place, settings, window).gather()
    found = aftermath.summed_up(gathered, window)
    about = {**session.about(settings), "target": choice.target, **asdict(window), "failover": aftermath.told(found)}
    texts = {"window.json": json.dumps(about, indent=2, sort_keys=True) + "\n", **aftermath.files(gathered)}
    head = bind(Path(out), _others(place, choice), texts)
    if choice.json:
        unknown = {each.name: each.unknown for each in gathered if each.unknown}
        report.print_json({"out": out, "head": head, **about, "unknown": unknown})
    else:
        table = _table("source", "asked in", "")
        for each in gathered:
            table.add_row(each.name, each.asked, f"unknown: {each.unknown}" if each.unknown else each.entries)
        _print(table)
        for what, at in (("the gate was unhealthy", found.detected), ("well again", found.well_again)):
            print(f"{what}: {at or 'not in this window'}")
        print(f"the switch said stop: {found.stopped or 'not in this window'}; {found.notified} notifications on file")
        if found.found:
            show(found.found)
        print(f"{head}\npublish this head; check the evidence with: python3 {out}/verify.py {head}")
    return 0 if found.found is None or found.found.clean else 1


def _others(place: Target, choice: Choice) -> list[Path]:
    """What belongs to a drill beside its records: the environment, and the processor's ledger."""
    environment = ROOT / "environments" / f"{choice.environment}.yaml"
    return [file for file in (environment, place.ledger) if file is not None and file.is_file()]


def drill_report(choice: Choice) -> int:
    """Print what the model allows over what is assumed, and what the drills that there were have found."""
    from drill import rto, session  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    found = rto.by_fault(session.history(session.home(place)))
    assumed, objective = settings.edge.propagation, settings.objectives.failover
    grid = {each: {floor: rto.allowed(settings, each, floor) for floor in rto.FLOORS} for each in rto.PROPAGATIONS}
    if choice.json:
        told = {
            "propagation": assumed.model_dump(mode="json"),
            "objective": objective,
            "client": session.CLIENT,
            "example": session.EXAMPLE,
        }
        report.print_json({**told, "allowed": grid, "drills": [asdict(each) for each in found]})
        return 0
    print(
        f"seconds until DNS leads the last client to the secondary, at most, whatever the fault (objective {objective})"
    )
    table = _table("propagation", *(f"floor {floor}" for floor in rto.FLOORS))
    for seconds, row in grid.items():
        mark = " *" if seconds == assumed.seconds else ""
        table.add_row(
            f"{seconds}{mark}", *(f"{total}{'' if total <= objective else ' over'}" for total in row.values())
        )
    _print(table)
    print(f"* the environment's propagation: {assumed.source}")
    print(f"floor: for how long a resolver keeps an answer at least, whatever its TTL ({settings.edge.ttl} s)")
    own = f"{session.CLIENT:g} s, and {session.EXAMPLE:g} s by clients/payments.py"
    print(f"a client adds its own time-out and pause: in a drill at most {own}; each bound below has the longest")
    print()
    if found:
        drills = _table(
            *("fault", "drills", "passed", "missed", "no verdict", "worst RTO", "objective", "bound"),
            *("paid", "lost", "doubled"),
        )
        for each in found:
            drills.add_row(*rto.cells(each))
        _print(drills)
    print(rto.never_seen(found))
    return 0


def show_drill(outcome: DrillOutcome, found: DrillFigures) -> None:
    """Print what a drill came to: each figure beside its objective and its bound."""
    table = _table("", "measured", "objective", "bound (within the model)", "")
    for each in found.figures:
        held = {True: "held", False: "MISSED", None: ""}[each.held]
        limits = [shown(value, each.unit) for value in (each.objective, each.bound)]
        table.add_row(each.name, shown(each.measured, each.unit), *limits, held)
    _print(table)
    if found.steps:
        steps = _table("after", "broken", "attempts", "failed", "by the primary", "by the secondary")
        for step in found.steps:
            counts = (step.attempts, step.failed, step.primary, step.secondary)
            steps.add_row(f"{step.at:.0f} s", "; ".join(step.faults) or "nothing", *map(str, counts))
        _print(steps)
    kinds = _table("clients", "of them out", "p50", "p99", "worst")
    for outage in found.outages:
        lengths = (shown(value, "s") for value in (outage.p50, outage.p99, outage.worst))
        kinds.add_row(f"{outage.clients} {outage.kind}", str(outage.affected), *lengths)
    _print(kinds)
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


def _teller(stage: SandboxStage) -> Callable[[str], None]:
    """Says a line with the virtual time that has passed."""
    begin = stage.clock.monotonic()
    return lambda line: report.tell(f"{stage.clock.monotonic() - begin:6.0f} s  {line}")


def _table(*columns: str) -> Table:
    from rich.table import Table  # noqa: PLC0415 - the quick path does without

    return Table(*columns, box=None, pad_edge=False)


def _print(table: Table) -> None:
    from rich.console import Console  # noqa: PLC0415

    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
