"""Sessions: what a process and everything that it started have in common, whatever groups its children are in."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

GRACE = 3.0
"""Seconds between asking a left-over process to end and ending it."""


def end(session: int, *numbers: signal.Signals) -> None:
    """End every process of a session by these signals, one after another; return when none is left.

    What does not heed a signal within its grace gets the next; without any, it is asked to end, and then ended.
    """
    for number in numbers or (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        while (members := _members(session)) and time.monotonic() < deadline:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.02)


def _members(session: int) -> list[int]:
    listed = subprocess.run(["ps", "-axo", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    found = []
    for line in listed.splitlines():
        pid, state = line.split()[:2]
        if not state.startswith("Z") and _session(int(pid)) == session:
            found.append(int(pid))
    return found


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
