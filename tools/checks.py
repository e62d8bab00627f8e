"""What `./invoke test` and `./invoke prove` run: lint, format, arrows, types, then the tests, whose line comes last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from shared import files, signals
from shared.root import ROOT
from tools import foreign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STATIC = {
    "lint": ("ruff", "check", "--quiet", "."),
    "format": ("ruff", "format", "--quiet", "--check", "."),
    "arrows": ("tools.arrows",),
    "types": ("mypy", "--no-error-summary", "."),
    "SDK types": ("pyrefly", "check", "--summary=none", f"--python-interpreter-path={sys.executable}"),
}
WORKERS = "2"  # the end-to-end tests keep one core busy, the rest share the other
FIRST_ESTIMATE = {"test": 960.0, "prove": 7200.0}
"""Seconds, on two cores, until a run on this machine has told better."""
TAKEN = ROOT / ".build" / "tests-took.json"
"""Seconds that the last complete run took here, by its name."""
ROUNDS = 20
"""Looks for processes that are left: one that is ended may just have started another."""
END_WITHIN = 10.0
"""Seconds that tests may take to put things in order when they are stopped, before all of theirs is ended."""


def static() -> list[str]:
    """Run the checks that read the sources; return the names of those that failed, after printing what they say."""
    began = time.monotonic()
    print(f"{', '.join(STATIC)} ...", flush=True)
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=foreign.without(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, words in STATIC.items()
    }
    try:
        failed = _failed(running)
    except BaseException:
        for process in running.values():
            process.kill()
        raise
    verdict = f"failed: {', '.join(failed)}" if failed else "clean"
    print(f"{', '.join(running)}: {verdict} ({time.monotonic() - began:.0f} s)")
    return failed


def _failed(running: Mapping[str, subprocess.Popen[str]]) -> list[str]:
    """Wait for checks; return the names of those that failed, after printing what they say."""
    failed = []
    for name, process in running.items():
        said, _ = process.communicate()
        if process.returncode:
            failed.append(name)
            print(said.rstrip())
    return failed


def run(*, prove: bool = False, only: str = "") -> int:
    """Check the sources and run the tests (all at full length with `prove`). Returns the exit code.

    Each test is named as it ends. Stopped by a signal, it leaves no process of a test behind.
    """
    with _stopped_by(signal.SIGTERM, signal.SIGHUP):
        failed = static()
        name = "prove" if prove else "test"
        selection = ["-m", name if prove else "not prove"]
        if only:
            selection += ["-k", only]
        print(
            f"{name}: about {_text(_estimate(name))}" if not only else f"{name}: those that match {only!r}", flush=True
        )
        began = time.monotonic()
        spread = [] if prove else ["-n", WORKERS, "--dist", "loadgroup"]
        code = _tests([*spread, *selection])
        if not only and code in {0, 1}:
            files.replace(TAKEN, json.dumps({**_taken(), name: round(time.monotonic() - began)}))
    return code or bool(failed)


def _tests(options: Sequence[str]) -> int:
    """Run pytest in a folder of its own, by which whatever it starts can be found. Returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "pytest", "-vv", f"--basetemp={folder}/pytest", *options]
        try:
            variables = {**foreign.without(os.environ), "TMPDIR": folder}
            tests = subprocess.Popen(command, cwd=ROOT, env=variables, start_new_session=True)
            try:
                return tests.wait()
            except BaseException:
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(tests.pid, signal.SIGINT)
                    tests.wait(END_WITHIN)
                raise
        finally:
            end_all(folder)


def end_all(folder: str) -> None:
    """End every process that works in a folder, whatever session it is in: killed ones leave theirs behind."""
    for _ in range(ROUNDS):
        found = [process for process in psutil.process_iter() if _works_in(process, folder)]
        if not found:
            return
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=1)


def _works_in(process: psutil.Process, folder: str) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(folder in word for word in (*process.cmdline(), process.cwd(), *process.environ().values()))
    except (psutil.Error, OSError):
        return False


class _Stopped(SystemExit):
    """A signal has come."""


@contextmanager
def _stopped_by(*numbers: signal.Signals) -> Iterator[None]:
    """Within, these signals end the run in order, as Ctrl-C does."""

    def stop(number: int, _: object) -> None:
        print("stopped", file=sys.stderr, flush=True)
        raise _Stopped(128 + number)

    with signals.handled(stop, *numbers):
        yield


def _taken() -> dict[str, float]:
    try:
        return dict(json.loads(TAKEN.read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _estimate(name: str) -> float:
    taken = _taken().get(name)
    return taken if isinstance(taken, int | float) else FIRST_ESTIMATE[name]


def _text(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
