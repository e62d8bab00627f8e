"""How the cloud is asked about itself, and told what breaks in it: one line of JSON to its socket, one line back."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 1 << 20
"""Bytes of a question or an answer."""


def ask(path: Path, within: float, question: str, **details: Any) -> dict[str, Any]:
    """The cloud's answer; an OSError when no cloud listens there, or none answers within so many seconds."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(within)
        connection.connect(str(path))
        connection.sendall(json.dumps({"question": question, **details}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            answer = answers.readline(LARGEST)
    if not answer.endswith(b"\n"):
        raise ConnectionError(f"the cloud at {path} ended while it was asked")
    told: dict[str, Any] = json.loads(answer)
    return told
