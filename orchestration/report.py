"""What a run shows: a line for each event while it goes on, a table (or JSON) at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.execute import Outcome, StepStatus
from orchestration.holdings import Holder, let_go
from orchestration.plan import Operation, Plan, Step

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from engine.events import ResourceChange
    from orchestration.graph import Graph
    from orchestration.pay import Receipt
    from shared.stack import Stack

CLEAR = "\x1b[K"
WIDE = 240
"""Columns where nobody looks: a log should not be wrapped."""
SYMBOLS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "refresh": "~"}
STYLES = {
    StepStatus.CHANGED: "green",
    StepStatus.UNCHANGED: "green",
    StepStatus.FRESH: "dim",
    StepStatus.FAILED: "bold red",
    StepStatus.SKIPPED: "yellow",
    StepStatus.INTERRUPTED: "yellow",
    StepStatus.UNCOMPARED: "yellow",
}
NAMING = frozenset({Operation.PREVIEW, Operation.DRIFT})
"""Operations whose result is what they found, by name."""
DOING = {
    Operation.DEPLOY: "deploying",
    Operation.PREVIEW: "previewing",
    Operation.DRIFT: "comparing",
    Operation.DESTROY: "destroying",
}
DONE = {
    Operation.DEPLOY: "deployed",
    Operation.PREVIEW: "would change",
    Operation.DRIFT: "differs from the cloud",
    Operation.DESTROY: "destroyed",
}


def tell(line: str) -> None:
    """Say something beside the result."""
    print(line, file=sys.stderr, flush=True)


class Lines:
    """Tells what a run does, a line at a time; on a terminal also how far its stacks are."""

    def __init__(self, plan: Plan) -> None:
        self._operation = plan.operation
        self._width = max((len(str(stack)) for stack in plan.stacks), default=0)
        self._live = sys.stderr.isatty()
        self._finished: dict[Stack, int] = {}

    def started(self, step: Step, reason: str) -> None:
        why = f" ({reason})" if reason else ""
        self._line(step.stack, f"{DOING[self._operation]}{why}")

    def finished(self, outcome: Outcome) -> None:
        self._finished.pop(outcome.stack, None)
        if outcome.status is not StepStatus.FRESH:
            said = [_word(outcome.status, self._operation), describe(outcome.changes), outcome.message]
            took = _seconds(outcome)
            self._line(outcome.stack, ", ".join(filter(None, [*said[:2], took])) + (f": {said[2]}" if said[2] else ""))

    def progress(self, stack: Stack, resources: int) -> None:
        """Show how many resources have been dealt with; called from the threads that watch the engines."""
        if self._live and resources:
            self._finished[stack] = resources
            finished = list(self._finished.items())
            counts = ", ".join(f"{stack}: {count} resource{'s' * (count != 1)}" for stack, count in finished)
            print(f"\r{CLEAR}{counts}", end="\r", file=sys.stderr, flush=True)

    def _line(self, stack: Stack, text: str) -> None:
        tell(f"{CLEAR if self._live else ''}{stack!s:<{self._width}}  {text}")


def describe(changes: Mapping[str, int]) -> str:
    """Return changes in short: `+12 ~1 -3`."""
    return " ".join(f"{SYMBOLS.get(kind, kind + ' ')}{count}" for kind, count in sorted(changes.items()))


def table(plan: Plan, outcomes: Sequence[Outcome]) -> Table:
    """Return the table that ends a run: each stack with what became of it."""
    from rich.table import Table  # noqa: PLC0415

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title, side in (("stack", "left"), ("result", "left"), ("changes", "left"), ("time", "right"), ("", "left")):
        shown.add_column(title, justify="right" if side == "right" else "left", overflow="fold")
    for outcome in outcomes:
        style = STYLES[outcome.status]
        word = _word(outcome.status, plan.operation)
        took = _seconds(outcome)
        shown.add_row(
            str(outcome.stack), f"[{style}]{word}[/]", describe(outcome.changes), took, _plain(outcome.message)
        )
    return shown


def show_rows(headings: Sequence[str], found: Sequence[tuple[Sequence[str], str]]) -> None:
    """Print rows of cells, each row's second cell in its colour where a terminal shows one."""
    from rich.table import Table  # noqa: PLC0415

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in headings:
        shown.add_column(title, overflow="fold")
    for cells, style in found:
        plain = [_plain(cell) for cell in cells]
        shown.add_row(plain[0], f"[{style}]{plain[1]}[/]", *plain[2:])
    _print_table(_console(), shown)


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDE)


def show(plan: Plan, outcomes: Sequence[Outcome], closing: str, *, details: bool = False) -> None:
    """Print the table, what goes, or with `details` each resource, and the next thing to do."""
    _print_table(_console(), table(plan, outcomes))
    if plan.operation in NAMING:
        for outcome in outcomes:
            if lines := resource_lines(outcome, plan.operation, details=details):
                print("\n".join(["", str(outcome.stack), *lines]))
    if closing:
        print(f"\n{closing}")  # by itself: a command that is to be copied must not be wrapped


def resource_lines(outcome: Outcome, operation: Operation, *, details: bool) -> list[str]:
    """Return a line for each resource that would be replaced or deleted, or with `details` for each at all."""
    named = [each for each in outcome.resources if details or each.ends or let_go(outcome.stack, each)]
    return [f"  {_described(outcome.stack, change, operation)}" for change in sorted(named, key=_order)]


def _order(change: ResourceChange) -> tuple[bool, str, str]:
    return not change.ends, change.type, change.name


def _described(stack: Stack, change: ResourceChange, operation: Operation) -> str:
    """`± aws:dynamodb/table:Table payments (payments-x7k2): name; holds data`."""
    known = str(change.before.get("id", ""))
    name = f"{change.name} ({known})" if known and known != change.name and change.ends else change.name
    properties = change.forcing if change.operation == "replace" else change.properties
    gone = ["is gone"] if operation is Operation.DRIFT and change.operation == "delete" else []
    data = [] if gone else _data_that_goes(stack, change)
    told = "; ".join(filter(None, [", ".join(properties), *gone, *data]))
    symbol = SYMBOLS.get(change.operation, change.operation)
    return f"{symbol} {change.type} {name}" + (f": {told}" if told else "")


def _data_that_goes(stack: Stack, change: ResourceChange) -> list[str]:
    if change.ends:
        return ["holds data"] if let_go(stack, change) else []
    return [f"lets {holder.name} go, which holds data" for holder in let_go(stack, change)]


def resource_rows(outcome: Outcome) -> list[dict[str, Any]]:
    """Return what was or would be done to each resource, as JSON values."""
    return [
        {
            "operation": change.operation,
            "type": change.type,
            "name": change.name,
            "id": change.before.get("id"),
            "properties": list(change.properties),
            "forced_by": list(change.forcing),
            "holds_data": bool(let_go(outcome.stack, change)),
        }
        for change in sorted(outcome.resources, key=_order)
    ]


def holder_lines(amounts: Sequence[tuple[Holder, str]]) -> list[str]:
    """Return a line for each holder of data: what and where it is, and how much is in it."""
    width = max((len(holder.name) for holder, _ in amounts), default=0)
    return [f"  {holder.name:<{width}}  {holder.region}  {amount}" for holder, amount in amounts]


def holder_rows(amounts: Sequence[tuple[Holder, str]]) -> list[dict[str, str]]:
    """Return the same as JSON values."""
    return [
        {"stack": str(holder.stack), "name": holder.name, "region": holder.region, "holds": amount}
        for holder, amount in amounts
    ]


def _print_table(console: Console, shown: Table) -> None:
    """Print a table; without the blanks that fill its lines up, where it goes to a file or another program."""
    if console.is_terminal:
        console.print(shown)
        return
    with console.capture() as printed:
        console.print(shown)
    for line in printed.get().splitlines():
        print(line.rstrip())


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the outcomes as JSON values, for the record and for --json."""
    return [
        {
            "stack": str(outcome.stack),
            "layer": outcome.stack.layer,
            "role": outcome.stack.role,
            "status": outcome.status.value,
            "changes": dict(outcome.changes),
            "seconds": round(outcome.seconds, 2),
            "message": outcome.message,
            "resources": resource_rows(outcome),
        }
        for outcome in outcomes
    ]


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show_outputs(stack: str, values: Mapping[str, Any]) -> None:
    """Print one stack's outputs."""
    print(stack)
    width = max((len(name) for name in values), default=0)
    for name, value in sorted(values.items()):
        print(f"  {name:<{width}}  {value if isinstance(value, str) else json.dumps(value)}")


def show_receipt(receipt: Receipt) -> None:
    """Print what came back for a payment, and who served it."""
    print(
        json.dumps(receipt.answer.body, indent=2) if not isinstance(receipt.answer.body, str) else receipt.answer.body
    )
    replayed = ", replayed" if receipt.replayed else ""
    print(f"{receipt.answer.status} served by {receipt.served_by}{replayed}; Idempotency-Key {receipt.key}")


def graph_rows(graph: Graph) -> list[dict[str, Any]]:
    """Return the graph as JSON values, in release order."""
    return [
        {
            "stack": str(stack),
            "reads": [str(s) for s in graph.stacks if s in graph.reads[stack]],
            "after": [str(s) for s in graph.stacks if s in graph.after[stack]],
        }
        for stack in graph.stacks
    ]


def picture(graph: Graph) -> str:
    """Return the graph as text: each stack after those it needs, with whose outputs it reads and what it waits for."""
    width = max(len(str(stack)) for stack in graph.stacks)
    lines = []
    for stack in graph.stacks:
        reads = ", ".join(str(s) for s in graph.stacks if s in graph.reads[stack])
        waits = ", ".join(str(s) for s in graph.stacks if s in graph.after[stack] - graph.reads[stack])
        told = "; ".join(filter(None, [f"reads {reads}" if reads else "", f"released after {waits}" if waits else ""]))
        depth = "  " * (_depth(graph, stack) - 1) + ("└ " if _depth(graph, stack) else "")
        lines.append(f"{depth + str(stack):<{width + 10}}  {told}".rstrip())
    return "\n".join(lines)


def _depth(graph: Graph, stack: Stack) -> int:
    return max((_depth(graph, needed) + 1 for needed in graph.reads[stack]), default=0)


def all_fresh(plan: Plan) -> bool:
    return all(step.fresh for step in plan.steps)


def _word(status: StepStatus, operation: Operation) -> str:
    return DONE[operation] if status is StepStatus.CHANGED else status.value


def _seconds(outcome: Outcome) -> str:
    return f"{outcome.seconds:.1f} s" if outcome.seconds >= 0.05 else ""


def _plain(text: str) -> str:
    """Return text that rich shows as it is: what AWS says may have brackets in it."""
    return text.replace("[", "\\[")
