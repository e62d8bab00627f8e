"""Daemons of the sandbox: started in sessions of their own, recorded so that no other process is taken for one."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import sessions
from shared import files
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.layout import Layout

READY_WITHIN = 30.0
"""Seconds: a daemon needs about one, on a machine that is busy with other things a few."""
LARGEST_PID = 2**22
"""No system gives a process a larger id."""
GRACE = 10.0
"""Seconds between asking a daemon to end and ending it."""
LONGEST_LOG = 10_000_000
"""Bytes: a longer log is put aside at the next start."""


PORT_TAKEN = 98
"""The exit code of a daemon whose port was taken between its choice and its use."""


class PortTaken(Problem):
    """Another process has just taken the port: choose another one."""


@dataclass(frozen=True)
class Daemon:
    """One of the sandbox's processes, by the name of its module in this package.

    It is started as `python -m sandbox.<name> <root>`, prints one line `ready` when it serves, logs to standard error,
    and ends on SIGTERM. Its children stay in its process group, so that they are asked to end with it.
    """

    name: str
    layout: Layout

    @property
    def log(self) -> Path:
        return self.layout.run / f"{self.name}.log"

    @property
    def record(self) -> Path:
        return self.layout.run / f"{self.name}.json"

    def pid(self) -> int | None:
        """The process id while the daemon runs: no other process, even if it has the recorded id, counts."""
        pid, started = self._leader(), self._recorded("started")
        return pid if pid is not None and isinstance(started, str) and _started(pid) == started else None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Starting:
        """Start the daemon. The caller holds the sandbox's lock and waits for it with `Starting.wait`."""
        if self.log.exists() and self.log.stat().st_size > LONGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        reading, writing = os.pipe()
        with self.log.open("ab") as log:
            offset = log.tell()
            process = subprocess.Popen(
                command,
                cwd=self.layout.root,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=log,
                start_new_session=True,
            )
        os.close(writing)
        files.replace(self.record, json.dumps({"pid": process.pid, "started": _started(process.pid)}) + "\n")
        return Starting(self, process, reading, offset)

    def stop(self) -> bool:
        """End the daemon with its children, and what one that was killed left behind; false if it was not running.

        No process of it is left then, as far as any can be ended.
        """
        pid, leader = self.pid(), self._leader()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            deadline = time.monotonic() + GRACE
            while self.pid() is not None and time.monotonic() < deadline:
                _reap(pid)
                time.sleep(0.01)
        if leader is not None and (pid is not None or _started(leader) is None):  # else the id is another's by now
            sessions.end(leader, signal.SIGKILL)
            _reap(leader)
        self.record.unlink(missing_ok=True)
        return pid is not None

    def _leader(self) -> int | None:
        """The recorded process id. Never one that means others too: a signal to group 1, say, goes to everybody."""
        pid = self._recorded("pid")
        return pid if type(pid) is int and 1 < pid < LARGEST_PID else None  # a bool is an int too

    def _recorded(self, name: str) -> Any:
        """What the record says; None where there is none, or it is damaged."""
        try:
            return json.loads(self.record.read_text(encoding="utf-8"))[name]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


@dataclass(frozen=True)
class Starting:
    """A daemon that was started and is not ready yet."""

    daemon: Daemon
    process: subprocess.Popen[bytes]
    reading: int
    offset: int

    def wait(self) -> None:
        """Return when the daemon is ready; a Problem with the last line it logged when it ended or hangs."""
        deadline = time.monotonic() + READY_WITHIN
        said = b""
        try:
            while b"ready\n" not in said:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.reading], [], [], left)[0]:
                    self.daemon.stop()
                    raise Problem(
                        f"the sandbox's {self.daemon.name} was not ready within {READY_WITHIN:.0f} s; see {self._log}"
                    )
                chunk = os.read(self.reading, 1024)
                if not chunk:
                    raise self._failure()
                said += chunk
        finally:
            os.close(self.reading)

    @property
    def _log(self) -> str:
        return os.path.relpath(self.daemon.log)

    def _failure(self) -> Problem:
        code = self.process.wait()
        with self.daemon.log.open("rb") as log:
            log.seek(self.offset)
            lines = log.read().decode(errors="replace").strip().splitlines()
        self.daemon.record.unlink(missing_ok=True)
        reason = lines[-1] if lines else f"it ended with code {code}; see {self._log}"
        kind = PortTaken if code == PORT_TAKEN else Problem
        return kind(f"the sandbox's {self.daemon.name} did not start: {reason}")


def _started(pid: int) -> str | None:
    """What tells a process from another one that has the same id at another time; None when it is not running."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        listed = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        state, _, started = listed.stdout.strip().partition(" ")
        return None if not started or state.startswith("Z") else started.strip()
    return None if fields[0] in {"Z", "X"} else fields[19]


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: only zombies are left (macOS)
        os.killpg(group, number)


def _reap(pid: int) -> None:
    """Collect the daemon if this very process started it: else it would stay a zombie and look alive."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
