"""`./invoke bench.tricks`: what each of the sandbox's tricks gains.

Deploys with all of them, without any, and without each, one after another in each round, each into an empty sandbox
that has started: what one side meets on a busy machine, the others meet too. What counts is the median of the
differences within a round. Wall time says what a user waits for; processor time depends less on what else runs.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from sandbox.tricks import OFF, VARIABLE, Trick
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT
from tools import checkout
from tools.bench import processor
from tools.bench.deploy import SETTLE
from tools.bench.run import invoke

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WITH_ALL = ""
MEASURED: Mapping[str, Sequence[str]] = {
    "start of the sandbox": ("sandbox.up",),
    "first deployment": ("deploy-all",),
    "nothing changed, all run": ("deploy-all", "--force"),
}


@dataclass(frozen=True)
class Used:
    """Seconds of a command."""

    wall: float
    processor: float


@dataclass(frozen=True)
class Gain:
    """Seconds that a command takes longer with what is turned off."""

    off: str
    """As the switch takes it; empty for the time with all tricks."""
    what: str
    wall: float
    processor: float
    rounds: int


def tricks(environment: str, rounds: int, only: Sequence[str] = (), *, as_json: bool = False) -> int:
    """Measure, and print it. Raises Problem for what is no trick."""
    if wrong := set(only) - {trick.value for trick in Trick}:
        raise Problem(
            f"bench: no such trick: {', '.join(sorted(wrong))}; there are {', '.join(t.value for t in Trick)}"
        )
    if rounds < 1:
        raise Problem(f"bench: --rounds {rounds}: one at least")
    Environment.load(environment)  # or a Problem, before anything is copied
    found = measure(environment, rounds, only)
    if as_json:
        print(json.dumps([asdict(gain) for gain in found], indent=2))
    else:
        _show(found)
    return 0


def measure(environment: str, rounds: int, only: Sequence[str] = ()) -> list[Gain]:
    """Deploy an environment in a copy of this checkout that is thrown away, so many times with each setting."""
    settings = [WITH_ALL, *(f"-{name}" for name in only)]
    if not only:
        settings += [OFF, *(f"-{trick.value}" for trick in Trick)]
    processor.adopt()
    found: dict[str, list[list[Used]]] = {setting: [] for setting in settings}
    with tempfile.TemporaryDirectory() as folder:
        copy = checkout.copy(ROOT, Path(folder, "checkout"))
        for number in range(rounds):
            turn = number % len(settings)
            for setting in settings[turn:] + settings[:turn]:
                found[setting].append(_deployed(copy, environment, setting))
                said = ", ".join(f"{used.wall:.1f} s ({used.processor:.1f} s)" for used in found[setting][-1])
                print(f"{VARIABLE}={setting}: {said}", file=sys.stderr, flush=True)
    return [
        gain
        for setting in settings
        for gain in gains(setting, found[setting], found[WITH_ALL] if setting != WITH_ALL else [])
    ]


def _deployed(copy: checkout.Checkout, environment: str, setting: str) -> list[Used]:
    for name in (".sandbox", ".build"):
        shutil.rmtree(copy.root / name, ignore_errors=True)
    switch = {VARIABLE: setting}
    try:
        return [_used(copy, words, environment, switch) for words in MEASURED.values()]
    finally:
        invoke(copy, "sandbox.down", **switch)


def _used(copy: checkout.Checkout, words: Sequence[str], environment: str, switch: Mapping[str, str]) -> Used:
    """With what a command leaves the sandbox to do behind it."""
    deploys = words[0] == "deploy-all"
    before, began = processor.seconds(), time.monotonic()
    invoke(copy, *words, *(["--environment", environment] if deploys else []), **switch)
    took = time.monotonic() - began
    time.sleep(1 if deploys else SETTLE)
    return Used(took, processor.seconds() - before)


def gains(setting: str, found: Sequence[Sequence[Used]], beside: Sequence[Sequence[Used]] = ()) -> list[Gain]:
    """Return the medians of the differences within a round, or, beside nothing, of the times themselves."""
    nothing = [[Used(0, 0)] * len(MEASURED)] * len(found)
    pairs = list(zip(found, beside or nothing, strict=True))
    return [
        Gain(
            setting,
            what,
            statistics.median(used[place].wall - other[place].wall for used, other in pairs),
            statistics.median(used[place].processor - other[place].processor for used, other in pairs),
            len(pairs),
        )
        for place, what in enumerate(MEASURED)
    ]


def _show(found: Sequence[Gain]) -> None:
    kinds = [kind for _ in MEASURED for kind in ("wall", "processor")]
    shown = Table("off", *kinds, box=None, pad_edge=False, header_style="bold", title="; then ".join(MEASURED))
    for column in shown.columns[1:]:
        column.justify = "right"
    for setting in dict.fromkeys(gain.off for gain in found):
        sign = "+" if setting else ""
        row = [gain for gain in found if gain.off == setting]
        shown.add_row(
            setting or "(nothing)",
            *(f"{value:{sign}.2f} s" for gain in row for value in (gain.wall, gain.processor)),
        )
    Console(highlight=False).print(shown)
