"""A drill as one page that needs nothing else: the timeline as a picture, and every figure beside its objective."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from html import escape
from typing import TYPE_CHECKING, Any, Final

from drill.figures import shown
from drill.records import SANDBOX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drill.records import Attempt, DrillOutcome, DrillPlan, Event

WIDTH, LEFT, RIGHT = 1100, 150, 20
BARS, LANE = 150, 26
"""Heights, in pixels."""
COLUMNS: Final = 120
"""Of the bars: so many parts of the time."""
OUTCOMES: Final = {
    "primary": ("answered by the primary", "#2a78b8"),
    "secondary": ("answered by the secondary", "#37a068"),
    "refused": ("declined or refused", "#9a8ac0"),
    "failed": ("failed, or not sent in time", "#cf4a3c"),
}
MODEL: Final = "Bounds are within the model: Route 53's documented timing and the environment's propagation."
PLAYED: Final = {
    True: "Played in a sandbox, which imitates AWS: a pre-test.",
    False: "Played on AWS by a program whose way there is unproven: compare these figures with AWS's own records.",
}
"""By whether it was the sandbox."""
PLANNED: Final = (
    "Planned: clients were moved by a decision, and nothing had failed. It says nothing of how long an unplanned "
    "failover takes, and is not to be set beside its objective."
)
STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2530;--paper:#fff;--line:#c8ced6;--held:#1d7a46;--missed:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--paper:#14181d;--line:#3d4652;--held:#5fc98c;--missed:#ff8a7d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
body{max-width:1140px;margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:1em 0}
th,td{text-align:left;padding:.25em 1.2em .25em 0;border-bottom:1px solid var(--line)}
svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,sans-serif}.held{color:var(--held)}
.missed,.inconclusive,.aborted{color:var(--missed)}.passed{color:var(--held)}code{overflow-wrap:anywhere}
@media print{body{margin:0}}
"""


def page(
    plan: DrillPlan,
    outcome: DrillOutcome,
    told: Mapping[str, Any],
    attempts: Sequence[Attempt],
    events: Sequence[Event],
) -> str:
    """The whole page. `told` is figures.json."""
    title = f"Drill {plan.id}: {plan.incident or plan.fault}{', planned' if plan.planned else ''}"
    load = f"{plan.rate:g} payments a second in {plan.environment} ({plan.target}), at {plan.speed:g} times the speed."
    by = f"Commit {plan.commit or 'unknown'}, contracts {plan.contract}, by {plan.who or 'nobody known'}."
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="{outcome.status}"><strong>{outcome.status.upper()}</strong>: {escape(outcome.why)}</p>',
        f"<p>{escape(load)} Play it again: <code>./invoke drill {escape(plan.again)}</code></p>",
        picture(plan, attempts, events),
        "<h2>Figures</h2>",
        *_figures(told),
        f"<p>{escape(_propagation(plan))}</p>",
        *_stepped(plan, told),
        "<h2>Clients</h2>",
        *_clients(told),
        *_latencies(told),
        "<h2>Who was told</h2>",
        *_notified(plan, told),
        *([f"<p>{PLANNED}</p>"] if plan.planned else []),
        f"<p>{escape(by)} {MODEL} {PLAYED[plan.target == SANDBOX]}</p>",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _propagation(plan: DrillPlan) -> str:
    """Whose figure it is that DNS follows the checkers within so many seconds."""
    seconds = plan.bounds.get("propagation")
    return f"In the bounds DNS follows the checkers within {seconds:g} s ({plan.propagation})." if seconds else ""


def picture(plan: DrillPlan, attempts: Sequence[Attempt], events: Sequence[Event]) -> str:
    """The timeline: attempts by outcome, and below it health checks, DNS, notifications and phases."""
    if not attempts:
        return "<p>No payment was tried.</p>"
    begin = min(each.sent for each in attempts)
    end = max([*(each.sent for each in attempts), *(each.at for each in events)]) + 1.0
    scale = (WIDTH - LEFT - RIGHT) / (end - begin)

    def x(at: float) -> float:
        return LEFT + (min(max(at, begin), end) - begin) * scale

    lanes = _lanes(plan, events, end)
    height = BARS + 30 + LANE * len(lanes) + 40
    drawn = [*_bars(attempts, begin, end), *_axis(begin, end, x, height)]
    for number, (name, spans) in enumerate(lanes):
        top = BARS + 30 + LANE * number
        drawn.append(f'<text x="{LEFT - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>')
        for start, stop, colour, what in spans:
            width = max(x(stop) - x(start), 2.0)
            drawn.append(
                f'<rect x="{x(start):.1f}" y="{top + 4}" width="{width:.1f}" height="{LANE - 8}" fill="{colour}">'
                f"<title>{escape(what)}</title></rect>"
            )
    drawn += _limits(plan, events, x, height)
    legend = " ".join(f'<tspan fill="{colour}">■</tspan> {escape(words)}   ' for words, colour in OUTCOMES.values())
    drawn.append(f'<text x="{LEFT}" y="{height - 4}">{legend}</text>')
    label = (
        f"Attempts by outcome over {end - begin:.0f} virtual seconds, with health checks, DNS answers and phases below"
    )
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">' + "".join(drawn) + "</svg>"


def _bars(attempts: Sequence[Attempt], begin: float, end: float) -> Iterator[str]:
    """Attempts in each part of the time, by what became of them."""
    size = (end - begin) / COLUMNS
    parts: dict[int, Counter[str]] = defaultdict(Counter)
    for each in attempts:
        parts[min(int((each.sent - begin) / size), COLUMNS - 1)][_kind(each)] += 1
    most = max(sum(part.values()) for part in parts.values())
    width = (WIDTH - LEFT - RIGHT) / COLUMNS
    yield f'<text x="{LEFT - 8}" y="14" text-anchor="end">{most / size:.1f} attempts/s</text>'
    for column, part in sorted(parts.items()):
        bottom = float(BARS)
        for kind, (words, colour) in OUTCOMES.items():
            if count := part[kind]:
                tall = count / most * (BARS - 10)
                bottom -= tall
                place = (
                    f'x="{LEFT + column * width:.1f}" y="{bottom:.1f}" width="{width - 0.6:.1f}" height="{tall:.1f}"'
                )
                yield f'<rect {place} fill="{colour}"><title>{count} {escape(words)}</title></rect>'


def _kind(attempt: Attempt) -> str:
    if attempt.outcome in {"declined", "refused"}:
        return "refused"
    if attempt.is_bad:
        return "failed"
    return "secondary" if "secondary" in attempt.region else "primary"


Span = tuple[float, float, str, str]


def _lanes(plan: DrillPlan, events: Sequence[Event], end: float) -> list[tuple[str, list[Span]]]:
    """What was so from when to when, a lane for each thing."""
    colours = {"healthy": "#37a068", "unhealthy": "#cf4a3c", "primary": "#2a78b8", "secondary": "#37a068"}
    changes: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda each: each.at):
        if event.kind == "health":
            changes[event.subject.removeprefix("payment-api-")].append(event)
        elif event.kind == "dns":
            changes["DNS answers"].append(event)
    lanes: list[tuple[str, list[Span]]] = []
    fault = [each for each in events if each.kind == "fault"]
    healed = min((each.at for each in events if each.kind == "heal"), default=end)
    steps = [each for each in events if each.kind == "step"]
    if steps:
        stops = [*(each.at for each in steps[1:]), healed]
        played = zip(plan.steps, steps, stops, strict=False)  # one that was broken off has not played all
        lanes.append(
            ("outage", [(each.at, stop, "#cf4a3c", each.detail) for step, each, stop in played if step["faults"]])
        )
    else:
        lanes.append(("fault", [(each.at, healed, "#cf4a3c", f"{plan.fault} in {each.subject}") for each in fault]))
    for name, found in sorted(changes.items()):
        stops = [*(each.at for each in found[1:]), end]
        spans = zip(found, stops, strict=True)
        lanes.append(
            (name, [(each.at, stop, colours.get(each.what, "#888"), f"{name}: {each.what}") for each, stop in spans])
        )
    told = [
        (each.at, each.at, "#c08a1e", f"{each.what} to {each.detail}") for each in events if each.kind == "notification"
    ]
    if told:
        lanes.append(("notifications", told))
    phases = [each for each in events if each.kind == "phase"]
    stops = [*(each.at for each in phases[1:]), end]
    shades = ("#8795a6", "#a9b4c1")
    lanes.append(
        (
            "phases",
            [
                (each.at, stop, shades[number % 2], f"{each.what}: {each.detail}")
                for number, (each, stop) in enumerate(zip(phases, stops, strict=True))
            ],
        )
    )
    return lanes


def _axis(begin: float, end: float, x: Any, height: int) -> Iterator[str]:
    step = next((each for each in (10, 30, 60, 120, 300, 600) if (end - begin) / each <= 14), 1200)
    for number in range(int((end - begin) / step) + 1):
        at = begin + number * step
        yield f'<path d="M{x(at):.1f} {BARS}V{height - 30}" stroke="#8888" stroke-width="0.5"/>'
        yield f'<text x="{x(at):.1f}" y="{BARS + 16}" text-anchor="middle">{number * step} s</text>'


def _limits(plan: DrillPlan, events: Sequence[Event], x: Any, height: int) -> Iterator[str]:
    """Lines for the objective and the bound, counted from the fault that they are for."""
    fault = next((each.at for each in events if each.kind == "fault"), None)
    if fault is None:
        return
    for name, seconds in (("bound", plan.bounds.get("total")), ("objective", plan.objective)):
        if seconds is not None and math.isfinite(seconds):
            at = x(fault + plan.measured_at + seconds)
            yield f'<path d="M{at:.1f} 0V{height - 30}" stroke="currentColor" stroke-dasharray="4 3"/>'
            yield f'<text x="{at + 3:.1f}" y="{12 if name == "bound" else 26}">{name} {seconds:g} s</text>'


def _figures(told: Mapping[str, Any]) -> Iterator[str]:
    yield "<table><tr><th></th><th>measured</th><th>objective</th><th>bound (within the model)</th><th></th></tr>"
    for each in told.get("figures", ()):
        held = {True: '<td class="held">held</td>', False: '<td class="missed">missed</td>'}.get(
            each["held"], "<td></td>"
        )
        measured = shown("never" if each["measured"] is None else each["measured"], each["unit"])
        limits = "".join(f"<td>{escape(shown(each[name], each['unit']))}</td>" for name in ("objective", "bound"))
        yield f"<tr><td>{escape(each['name'])}</td><td>{escape(measured)}</td>{limits}{held}</tr>"
    yield "</table>"


def _stepped(plan: DrillPlan, told: Mapping[str, Any]) -> Iterator[str]:
    """An outage step by step: what was broken, by whom that is told, and what clients saw."""
    if not plan.steps:
        return
    yield f"<h2>{escape(plan.incident)}</h2><p>{escape(plan.source)} {escape(plan.caution)}</p>"
    yield "<table><tr><th>after</th><th>broken</th><th>source</th><th>attempts</th><th>failed</th>"
    yield "<th>by the primary</th><th>by the secondary</th></tr>"
    for each in told.get("steps", ()):
        texts = (f"{each['at']:.0f} s", "; ".join(each["faults"]) or "nothing", "; ".join(each["sources"]))
        counts = (str(each[name]) for name in ("attempts", "failed", "primary", "secondary"))
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (*texts, *counts)) + "</tr>"
    yield "</table>"


def _latencies(told: Mapping[str, Any]) -> Iterator[str]:
    for name, words in (("before", "before the fault"), ("after", "from the switch on")):
        took = told.get(name, {})
        if took.get("answered"):
            yield f"<p>Answers {words}: p50 {took['p50']:.2f} s, p99 {took['p99']:.2f} s ({took['answered']}).</p>"


def _clients(told: Mapping[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>clients</th><th>of them out</th><th>p50</th><th>p99</th><th>worst</th></tr>"
    for each in told.get("outages", ()):
        cells = "".join(f"<td>{_seconds(each[name])}</td>" for name in ("p50", "p99", "worst"))
        yield f"<tr><td>{each['clients']} {escape(each['kind'])}</td><td>{each['affected']}</td>{cells}</tr>"
    yield "</table>"


def _notified(plan: DrillPlan, told: Mapping[str, Any]) -> Iterator[str]:
    found = told.get("notifications", ())
    if not found:
        yield "<p>Nobody: the environment has no e-mail address, or no alarm has gone off.</p>"
        return
    yield "<table><tr><th>after the beginning</th><th>from</th><th>what</th><th>to</th></tr>"
    for each in found:
        cells = (f"{each['at'] - plan.started:.0f} s", each["subject"], each["what"], each["detail"])
        yield "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
