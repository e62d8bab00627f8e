"""`./invoke simulate`."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, get_args

from shared.errors import Problem
from simulation.cells import CELLS, RULES, neither, possible, why_impossible
from simulation.mutants import MUTANTS
from simulation.run import MAY_LOSE, Batch, Verdict, play, play_all
from simulation.world import Mode

if TYPE_CHECKING:
    from simulation.watch import Finding

ALL_CELLS_FROM: Final = 10_000
"""Seeds that must visit all cells."""
MODES: Final[tuple[Mode, ...]] = get_args(Mode)


def simulate(
    seeds: int = 1_000, seed: int | None = None, mode: str = "mrsc", mutant: str | None = None, *, as_json: bool = False
) -> int:
    """Play `seeds` seeds from 0 on, or exactly one, `seed`, and then print its history.

    The exit code is 0 when nothing happened that the mode does not allow, 1 otherwise; the output then names the seed
    and the command that replays it. It is 1 as well when so many seeds as should visit every cell (see `cells`) leave
    one out. `mutant` puts a known mistake into the code first. Raises Problem for a wrong mode
    or mutant.
    """
    chosen = next((known for known in MODES if known == mode), None)
    if chosen is None:
        raise Problem(f"--mode {mode} is not a consistency mode: give one of {', '.join(MODES)}")
    if mutant is not None and mutant not in MUTANTS:
        raise Problem(f"--mutant {mutant} is not known: give one of {', '.join(MUTANTS)}")
    if seeds < 1:
        raise Problem(f"--seeds {seeds} leaves nothing to play: give 1 or more")
    if seed is not None:
        return _replay(seed, chosen, mutant, as_json=as_json)
    return _play(seeds, chosen, mutant, as_json=as_json)


def _replay(seed: int, mode: Mode, mutant: str | None, *, as_json: bool) -> int:
    world, verdict = play(seed, mode, mutant)
    if as_json:
        print(json.dumps({**_as_json(verdict, mode, mutant), "history": list(world.history.lines())}))
    else:
        for line in world.history.lines():
            print(line)
        print(f"\nseed {seed}, {mode}, {world.faults}\nhistory {verdict.digest}")
        if world.director is not None:
            print(f"aimed at {world.director.aim.cell}")
        for cell in world.census.cells if world.census is not None else ():
            print(f"a worker died: {cell}")
        for finding in verdict.findings:
            print(_describe(finding))
    return 1 if verdict.failures(mode) else 0


def _play(seeds: int, mode: Mode, mutant: str | None, *, as_json: bool) -> int:
    started = time.monotonic()
    total = Batch()
    with closing(play_all(0, seeds, mode, mutant)) as batches:
        for batch in batches:
            total.add(batch)
            _progress(total, seeds)
            if any(verdict.failures(mode) for verdict in batch.verdicts):
                break
    print(file=sys.stderr)
    took = time.monotonic() - started
    total.verdicts.sort(key=lambda verdict: verdict.seed)
    failing = next((verdict for verdict in total.verdicts if verdict.failures(mode)), None)
    if as_json:
        print(json.dumps(_summary(total, failing, mode, mutant, took)))
    else:
        _print(total, failing, mode, mutant, took)
    holes = mode == "mrsc" and seeds >= ALL_CELLS_FROM and bool(neither(total.cells))
    return 0 if failing is None and not holes else 1


def _progress(total: Batch, seeds: int) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    if end == "\r" or total.seeds == seeds or total.seeds % 1_000 == 0:
        print(f"{total.seeds} of {seeds} seeds", end=end, file=sys.stderr, flush=True)


def _print(total: Batch, failing: Verdict | None, mode: Mode, mutant: str | None, took: float) -> None:
    print(
        f"{total.seeds} seeds, {mode}: {total.payments} payments, {total.requests} requests in {took:.1f} s "
        f"({took / total.seeds * 1000:.1f} ms a seed)"
    )
    if failing is not None:
        for finding in failing.failures(mode):
            print(_describe(finding))
        print(f"replay with: {_command(failing.seed, mode, mutant)}")
        return
    if mode == "mrsc":
        print("no payment lost, made twice or contradicted; each payment's history is linearizable")
        _print_cells(total)
        return
    print("no payment made twice, none left unfinished. What eventual consistency lost:")
    for kind, (count, verdict, finding) in _losses(total, mode).items():
        print(f"  {kind:<13} in {count} seeds, such as {verdict.seed}: {finding.text}")


def _print_cells(total: Batch) -> None:
    """Where workers died. Cells that nobody has visited are listed where there were seeds enough for all."""
    left = neither(total.cells)
    count = len(possible())
    print(
        f"where workers died (status × last effect × fault × who came next): {count - len(left)} of {count} cells, "
        f"{len(CELLS) - count} impossible by {len(RULES)} rules"
    )
    if total.seeds >= ALL_CELLS_FROM:
        for cell in left:
            print(f"  not visited, and no rule says why: {cell}")


def _cells(total: Batch) -> dict[str, Any]:
    impossible: dict[str, int] = {rule.reason: 0 for rule in RULES}
    for cell in CELLS:
        reason = why_impossible(cell)
        if reason is not None:
            impossible[reason] += 1
    return {
        "visited": {str(cell): total.cells[cell] for cell in possible() if total.cells[cell]},
        "not_visited": [str(cell) for cell in neither(total.cells)],
        "impossible": impossible,
    }


def _losses(total: Batch, mode: Mode) -> dict[str, tuple[int, Verdict, Finding]]:
    """Kind that the mode allows -> in how many seeds, the first one, and its first finding of that kind."""
    seeds = Counter(kind for verdict in total.verdicts for kind in {finding.kind for finding in verdict.findings})
    first: dict[str, tuple[Verdict, Finding]] = {}
    for verdict in total.verdicts:
        for finding in verdict.findings:
            first.setdefault(finding.kind, (verdict, finding))
    return {kind: (seeds[kind], *first[kind]) for kind in MAY_LOSE[mode] if kind in first}


def _summary(total: Batch, failing: Verdict | None, mode: Mode, mutant: str | None, took: float) -> dict[str, Any]:
    return {
        "mode": mode,
        "seeds": total.seeds,
        "payments": total.payments,
        "requests": total.requests,
        "seconds": round(took, 2),
        "failure": None if failing is None else _as_json(failing, mode, mutant),
        "losses": {
            kind: {"seeds": count, "example": {"seed": verdict.seed, "text": finding.text}}
            for kind, (count, verdict, finding) in _losses(total, mode).items()
        },
        **({"cells": _cells(total)} if mode == "mrsc" else {}),
    }


def _as_json(verdict: Verdict, mode: Mode, mutant: str | None) -> dict[str, Any]:
    return {
        "seed": verdict.seed,
        "mode": mode,
        "history_digest": verdict.digest,
        "replay": _command(verdict.seed, mode, mutant),
        "findings": [
            {"kind": finding.kind, "payment": finding.payment, "text": finding.text} for finding in verdict.findings
        ],
    }


def _describe(finding: Finding) -> str:
    return f"{finding.kind.upper()} {finding.payment}: {finding.text}"


def _command(seed: int, mode: Mode, mutant: str | None) -> str:
    options = ("" if mode == "mrsc" else f" --mode {mode}") + (f" --mutant {mutant}" if mutant else "")
    return f"./invoke simulate --seed {seed}{options}"
