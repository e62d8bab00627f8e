"""The processor time of everything that this process has started, and of whatever that has started in turn."""

from __future__ import annotations

import ctypes
import os
import resource
import sys

import psutil

from shared.errors import Problem

SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


def adopt() -> None:
    """Become the parent of daemons, and of others whose own parent has ended. Raises Problem where none can."""
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0):
        raise Problem("bench: the processor time of daemons can be counted on Linux only")


def seconds() -> float:
    """Return what has been used so far, by processes that run and by those that have ended.

    Call it between commands: whatever has ended by itself is taken for a child that nobody waits for.
    """
    running = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() == psutil.STATUS_ZOMBIE and process.ppid() == os.getpid():
                os.waitpid(process.pid, 0)
            else:
                used = process.cpu_times()
                running += used.user + used.system + used.children_user + used.children_system
        except psutil.NoSuchProcess:
            continue
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return running + ended.ru_utime + ended.ru_stime
