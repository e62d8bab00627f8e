"""Asks the plugin host whether it is there, and whether it is still the code that is in the checkout."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import sources
from sandbox.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

SOCKET = "plugins.sock"
STATUS = b"status"
"""The request that asks who is there."""
ANSWER_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True)
class HostStatus:
    pid: int
    sources: str
    """`source_digest()` when the host started."""


def status(root: Path) -> HostStatus | None:
    """The host of the checkout at `root`, or None when none answers. Takes about a millisecond."""
    try:
        with socket.socket(socket.AF_UNIX) as host:
            host.settimeout(ANSWER_TIMEOUT)
            host.connect(str(Layout(root).socket(SOCKET)))
            host.sendall(b"\n%d\n%b" % (len(STATUS), STATUS))
            with host.makefile("rb") as answers:
                return HostStatus(**json.loads(answers.readline()))
    except (OSError, ValueError):
        return None


def is_current(status: HostStatus) -> bool:
    """False when the host runs other code than the checkout and its virtualenv have now: start it again."""
    return status.sources == source_digest()


def source_digest() -> str:
    """Of what a host has imported: plugins and provider."""
    return sources.digest("plugins", "provider")
