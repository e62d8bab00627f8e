"""Engines as processes: each in a session of its own, on record before it starts, so that none outlives a dead run.

The engine gives each plugin a process group of its own, and a plugin outlives an engine that is killed. The session
is what they keep in common: whatever is left of it can be found and ended.
"""

from __future__ import annotations

import math
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine import sessions

PROCESS = re.compile(r"(?!1$)[1-9][0-9]{0,6}")
"""An engine's process id, which is never 1."""
ENDED = "ended"
"""Name of the folder, beside that of the records, with those of engines that did not end in order."""
RECORD_AND_RUN = 'echo $$ >"$0" && exec "$@"'
"""Written by the process itself: however early its starter dies, the engine is on record."""
ENGINE_END_WITHIN = 600.0
"""Seconds that an interrupted engine may take: it waits for what it has begun, and a table takes minutes on AWS."""


def start(
    command: Sequence[str], *, record: Path, log: Path, folder: Path, variables: Mapping[str, str]
) -> EngineProcess:
    """Start an engine in its own session; its output goes to `log`."""
    record.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return EngineProcess(
            subprocess.Popen(
                ["/bin/sh", "-c", RECORD_AND_RUN, str(record), *command],
                cwd=folder,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ),
            record,
        )


@dataclass(frozen=True)
class Recorded:
    """An engine on record: one that this machine has started, whatever else has its name and its id."""

    pid: int
    began: float
    """Seconds since the epoch."""
    until: float
    """When it was known to have ended; infinite as long as nobody has looked."""

    @staticmethod
    def read(record: Path) -> Recorded | None:
        """Read what an engine has written of itself; None where it did not come to that."""
        try:
            text, status = record.read_text(errors="replace").strip(), record.stat()
        except OSError:  # it has just ended
            return None
        if not PROCESS.fullmatch(text):
            return None
        until = status.st_ctime if record.parent.name == ENDED else math.inf
        return Recorded(int(text), status.st_mtime, until)

    def took(self, pid: int, taken: float) -> bool:
        """Whether it took what a process with this id took at this time, to the second."""
        return pid == self.pid and self.began - 1 <= taken <= self.until + 1


class EngineProcess:
    """A running engine."""

    def __init__(self, popen: subprocess.Popen[bytes], record: Path) -> None:
        self._popen = popen
        self._record = record

    def wait(self) -> int:
        """Return the exit code when the engine has ended."""
        code = self._popen.wait()
        if code != 0:
            sessions.end(self._popen.pid)  # plugins end with an engine that ends in order; after a crash they may not
            _keep(self._record)
        self._record.unlink(missing_ok=True)
        return code

    def kill(self) -> None:
        """End it at once, with its plugins: it leaves nothing but its lock on the stack."""
        self._popen.kill()
        self.wait()

    def interrupt(self) -> None:
        """Ask it to finish what it has begun; asked again, it stops at once."""
        self._popen.send_signal(signal.SIGINT)


def end_leftovers(records: Path, marker: str, tell: Callable[[str], None]) -> None:
    """End the engines on record in a folder, and their plugins: the run that started them is dead.

    `marker` stands in the command line of every engine of ours: another process that got the same id has it not.
    """
    for record in sorted(records.glob("*")):
        if known := Recorded.read(record):
            leader = known.pid
            command = _command(leader)
            if marker in command:
                tell(f"the engine of a killed run (process {leader}) is still running: waiting for it to end")
                _interrupt_and_wait(leader, marker)
            if marker in command or not command:
                sessions.end(leader)
            _keep(record)
        record.unlink(missing_ok=True)


def _keep(record: Path) -> None:
    """Keep who an engine was that did not end in order: by that its lock is known, which it may have left."""
    if known := Recorded.read(record):
        kept = record.parent.with_name(ENDED)
        kept.mkdir(exist_ok=True)
        record.replace(kept / f"{record.name}.{known.pid}")


def alive(pid: int, host: str, taken: float) -> bool:
    """Whether the process that took a lock may still run: always so on another host.

    `taken` is when it took the lock, in seconds since the epoch; a process that began later only has the same id.
    """
    if host != socket.gethostname():
        return True
    began = _began(pid)
    return began is not None and began <= taken + 1


def _interrupt_and_wait(leader: int, marker: str) -> None:
    _signal(leader, signal.SIGINT)
    deadline = time.monotonic() + ENGINE_END_WITHIN
    while marker in _command(leader) and time.monotonic() < deadline:
        time.sleep(0.1)


def _command(pid: int) -> str:
    """Return a running process's command line; empty for one that has ended."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, command = listed.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else command


def _began(pid: int) -> float | None:
    """Return when a running process began, in seconds since the epoch."""
    listed = subprocess.run(["ps", "-o", "stat=,etime=", "-p", str(pid)], capture_output=True, text=True, check=False)
    fields = listed.stdout.split()
    if len(fields) != 2 or fields[0].startswith("Z"):
        return None
    days, _, clock = fields[1].rpartition("-")
    seconds = 0
    for unit in clock.split(":"):
        seconds = seconds * 60 + int(unit)
    return time.time() - (int(days or 0) * 86400 + seconds) - 1


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
