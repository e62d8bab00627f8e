"""`./invoke bench.payment`."""

from __future__ import annotations

import json
import sys
from time import thread_time_ns
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from tools.bench import imports, own_code
from tools.bench.throughput import Deployed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.bench.imports import ColdImport
    from tools.bench.own_code import OwnTime
    from tools.bench.throughput import Throughput

REQUESTS: Final = 2_000
"""In process, of each kind."""
IMPORTS: Final = 5
PAYMENTS: Final = 300
"""Through the sandbox, and as many puts."""
THREADS: Final = 8


def payment(environment: str, *, as_json: bool = False) -> int:
    """Measure all of it and print it. Raises Problem when the environment is not deployed in the sandbox."""
    deployed = Deployed(environment, _tell)
    _tell(f"{PAYMENTS} payments through the sandbox, as many puts, {THREADS} threads")
    throughput = deployed.measure(PAYMENTS, THREADS)
    _tell(f"{REQUESTS} requests of each kind in process")
    own = list(zip(own_code.measure(REQUESTS), own_code.measure(REQUESTS, thread_time_ns), strict=True))
    _tell(f"{IMPORTS} cold imports of each function")
    cold = imports.measure(IMPORTS)
    if as_json:
        print(json.dumps(_as_json(own, cold, throughput), indent=2))
    else:
        _show(own, cold, throughput)
    return 0


def _as_json(
    own: list[tuple[OwnTime, OwnTime]], cold: list[ColdImport], throughput: list[Throughput]
) -> dict[str, Any]:
    return {
        "own_code": {
            kind.kind: {
                "requests": len(kind.nanoseconds),
                "p50_ms": round(kind.milliseconds(50), 4),
                "p99_ms": round(kind.milliseconds(99), 4),
                "processor_p50_ms": round(processor.milliseconds(50), 4),
                "processor_p99_ms": round(processor.milliseconds(99), 4),
                "calls": kind.calls,
            }
            for kind, processor in own
        },
        "cold_imports": {
            subject.name: {
                "wall_ms": round(subject.wall, 1),
                "processor_ms": round(subject.processor, 1),
                "runs": len(subject.runs),
            }
            for subject in cold
        },
        "throughput": {
            rate.what: {
                "per_second": round(rate.per_second, 1),
                "requests": PAYMENTS,
                "threads": THREADS,
                "failed": rate.failed,
            }
            for rate in throughput
        },
    }


def _show(own: list[tuple[OwnTime, OwnTime]], cold: list[ColdImport], throughput: list[Throughput]) -> None:
    _table(
        ("own code, without I/O", "p50 ms", "p99 ms", "processor p99 ms", "calls to AWS"),
        (
            (kind.kind, *(f"{ms:.3f}" for ms in _milliseconds(kind, processor)), str(kind.calls))
            for kind, processor in own
        ),
    )
    _table(
        ("cold import", "wall ms", "processor ms"),
        ((subject.name, f"{subject.wall:.0f}", f"{subject.processor:.0f}") for subject in cold),
    )
    _table(
        (f"sandbox, {THREADS} threads", "requests/s", "failed"),
        ((rate.what, f"{rate.per_second:.0f}", str(rate.failed)) for rate in throughput),
    )


def _milliseconds(kind: OwnTime, processor: OwnTime) -> tuple[float, float, float]:
    return kind.milliseconds(50), kind.milliseconds(99), processor.milliseconds(99)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    shown = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for column in shown.columns[1:]:
        column.justify = "right"
    shown.columns[0].min_width = 28  # the tables stand below each other
    for row in rows:
        shown.add_row(*row)
    console = Console(highlight=False)
    console.print(shown)
    console.print()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
