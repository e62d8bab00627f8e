"""`./invoke mutate`: whether the tests of the payment code notice when it is changed.

mutmut changes one thing at a time in the domain and the store (its configuration is in pyproject.toml) and runs the
tests that reach it; a change that no test notices is a hole in the tests, or changes nothing. The latter are listed,
each with the reason, in `equivalent_mutants.toml`: they still count as survivors in the percentage.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

EQUIVALENT: Final = Path(__file__).with_name("equivalent_mutants.toml")
MINIMUM: Final = 90
"""Per cent of all mutants that must be noticed."""

_NOTICED: Final = frozenset({"killed", "timeout", "segfault"})
"""A mutant that makes the tests run for ever, or brings the interpreter down, has been noticed."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `was` became `now` in `function` (dotted). `reason` says why it changes nothing, if it does not."""

    function: str
    status: str
    was: str = ""
    now: str = ""
    reason: str | None = None


def mutate(*, as_json: bool = False) -> int:
    """Run the mutation test from the start. Exit code 1: too many mutants survive, or an excuse is outdated."""
    _run()
    mutants = list(_results())
    survivors = [mutant for mutant in mutants if mutant.status not in _NOTICED]
    excuses, outdated = _excused(survivors)
    noticed = 100 * (len(mutants) - len(survivors)) / len(mutants)
    report = {
        "mutants": len(mutants),
        "noticed": len(mutants) - len(survivors),
        "percent": round(noticed, 1),
        "equivalent": [_as_json(mutant) for mutant in excuses if mutant.reason is not None],
        "survived": [_as_json(mutant) for mutant in excuses if mutant.reason is None],
        "outdated": outdated,
    }
    if as_json:
        print(json.dumps(report))
    else:
        _print(report)
    return 0 if noticed >= MINIMUM and not outdated else 1


def _run() -> None:
    """Let mutmut do its work. What it remembers of an earlier run is not trusted: tests may have changed."""
    shutil.rmtree(ROOT / "mutants", ignore_errors=True)
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 1)]
    shown = sys.stderr if sys.stderr.isatty() else subprocess.PIPE
    done = subprocess.run(command, cwd=ROOT, stdout=shown, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        last = (done.stdout or "see above").strip().splitlines()[-1]
        raise Problem(f"mutmut could not run the tests: {last}; run them first: ./invoke test --only payment")


def _results() -> Iterator[Mutant]:
    from mutmut.mutation.diff_apply import get_diff_for_mutant  # noqa: PLC0415 - reads its configuration when imported
    from mutmut.stats import status_by_exit_code  # noqa: PLC0415

    with chdir(ROOT):
        for meta in sorted(Path("mutants").rglob("*.py.meta")):
            source = meta.relative_to("mutants").with_suffix("")
            for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
                status = status_by_exit_code[code]
                if status in _NOTICED:
                    yield Mutant(_function(name), status)
                else:
                    yield Mutant(_function(name), status, *_change(get_diff_for_mutant(name, path=source)))


def _function(name: str) -> str:
    """`lambdas.domain.money.Money.of` of mutmut's `lambdas.domain.money.xǁMoneyǁof__mutmut_3`."""
    module, _, mangled = name.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.replace('xǁ', '').replace('ǁ', '.').removeprefix('x_')}"


def _change(diff: str) -> tuple[str, str]:
    """The lines removed and the lines added, each joined."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return was, now


def _excused(survivors: list[Mutant]) -> tuple[list[Mutant], list[str]]:
    """The survivors, with the reason where one is listed; and what is listed but no longer survives.

    An entry excuses one mutant only: the same change elsewhere in the function needs its own.
    """
    listed = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    found = []
    for mutant in survivors:
        change = (mutant.function, mutant.was, mutant.now)
        entry = next((entry for entry in listed if (entry["function"], entry["was"], entry["now"]) == change), None)
        if entry is None:
            found.append(mutant)
        else:
            listed.remove(entry)
            found.append(replace(mutant, reason=entry["reason"]))
    return found, [f"{entry['function']}: {entry['now']}" for entry in listed]


def _as_json(mutant: Mutant) -> dict[str, Any]:
    reason = {} if mutant.reason is None else {"reason": mutant.reason}
    return {"function": mutant.function, "status": mutant.status, "was": mutant.was, "now": mutant.now, **reason}


def _print(report: dict[str, Any]) -> None:
    for mutant in report["survived"]:
        print(f"{mutant['status']}: {mutant['function']}\n  - {mutant['was']}\n  + {mutant['now']}")
    for mutant in report["equivalent"]:
        print(f"equivalent: {mutant['function']}: {mutant['reason']}\n  - {mutant['was']}\n  + {mutant['now']}")
    for outdated in report["outdated"]:
        print(f"outdated, take it out of simulation/{EQUIVALENT.name}: {outdated}")
    print(
        f"{report['noticed']} of {report['mutants']} mutants noticed ({report['percent']} %, {MINIMUM} wanted), "
        f"{len(report['equivalent'])} change nothing, {len(report['survived'])} survived "
        "(of functions; mutmut leaves properties and constants alone)"
    )
