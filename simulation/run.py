"""Seeds, played and judged: one, or many over all processors."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from typing import TYPE_CHECKING, Final

from simulation.invariants import check
from simulation.mutants import MUTANTS
from simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from simulation.cells import Cell
    from simulation.watch import Finding
    from simulation.world import Mode

BATCH: Final = 50
"""Seeds that a process plays before it reports."""

MAY_LOSE: Final[dict[Mode, tuple[str, ...]]] = {
    "mrsc": (),
    "mrec": ("lost", "contradicted", "unbooked", "audit", "reworded", "order"),
}
"""What a consistency mode costs by its nature, the worst first.

A second charge, an unfinished payment or a bug never belong to it.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One seed's result. `digest` is its history's."""

    seed: int
    findings: tuple[Finding, ...]
    digest: str
    requests: int
    payments: int

    def failures(self, mode: Mode) -> list[Finding]:
        """What must not be in this mode."""
        return [finding for finding in self.findings if finding.kind not in MAY_LOSE[mode]]


@dataclass(slots=True)
class Batch:
    """What came of some seeds: sums, the verdicts of those with findings, and how often each cell was visited."""

    seeds: int = 0
    requests: int = 0
    payments: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    cells: Counter[Cell] = field(default_factory=Counter)

    def add(self, other: Batch) -> None:
        """Take in another batch."""
        self.seeds += other.seeds
        self.requests += other.requests
        self.payments += other.payments
        self.verdicts += other.verdicts
        self.cells.update(other.cells)


def play(seed: int, mode: Mode, mutant: str | None = None) -> tuple[World, Verdict]:
    """Play one seed, with a mistake put into the code if one is named."""
    with MUTANTS[mutant].applied() if mutant else nullcontext():
        world = World(seed, mode)
        world.run()
    history = world.history
    return world, Verdict(seed, tuple(check(world)), history.digest, len(history.operations), len(world.wishes))


def play_batch(first: int, count: int, mode: Mode, mutant: str | None = None) -> Batch:
    """Play consecutive seeds."""
    batch = Batch()
    for seed in range(first, first + count):
        world, verdict = play(seed, mode, mutant)
        cells = Counter() if world.census is None else world.census.cells
        batch.add(Batch(1, verdict.requests, verdict.payments, [verdict] if verdict.findings else [], cells))
    return batch


def play_all(first: int, count: int, mode: Mode, mutant: str | None = None) -> Generator[Batch, None, None]:
    """Play consecutive seeds on all processors; gives their batches in order. Closing it stops the rest."""
    workers = max(1, min(os.cpu_count() or 1, count // BATCH))
    if workers == 1:
        for begin in range(first, first + count, BATCH):
            yield play_batch(begin, min(BATCH, first + count - begin), mode, mutant)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            with _ctrl_c_later():  # the workers inherit it: they end with the pool, and have nothing to say to Ctrl-C
                waiting = [
                    pool.submit(play_batch, begin, min(BATCH, first + count - begin), mode, mutant)
                    for begin in range(first, first + count, BATCH)
                ]
            for ready in waiting:
                yield ready.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back, from this thread and what it starts."""
    resource_tracker.ensure_running()  # it would be started with the first process, and let Ctrl-C in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
