"""Asks a plugin host whether it is there, and which code it runs."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STATUS = b"status"
"""The request that asks who is there."""
ANSWER_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True)
class HostStatus:
    pid: int
    sources: str
    """What its starter said of the code that it runs."""


def status(address: Path) -> HostStatus | None:
    """The host at a socket, or None when none answers. Takes about a millisecond."""
    try:
        with socket.socket(socket.AF_UNIX) as host:
            host.settimeout(ANSWER_TIMEOUT)
            host.connect(str(address))
            host.sendall(b"\n%d\n%b" % (len(STATUS), STATUS))
            with host.makefile("rb") as answers:
                return HostStatus(**json.loads(answers.readline()))
    except (OSError, ValueError):
        return None
