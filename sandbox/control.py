"""How the cloud is asked about itself, and told what breaks in it: one line of JSON to its socket, one line back."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 1 << 20
"""Bytes of a question or an answer."""


async def ask_soon(path: Path, question: str, **details: Any) -> dict[str, Any]:
    """The same in an event loop, and for as long as the caller waits."""
    reader, writer = await asyncio.open_unix_connection(path, limit=LARGEST)
    try:
        writer.write(json.dumps({"question": question, **details}).encode() + b"\n")
        answer = await reader.readline()
    finally:
        writer.close()
    if not answer.endswith(b"\n"):
        raise ConnectionError(f"{path.name} ended while it was asked")
    told: dict[str, Any] = json.loads(answer)
    return told


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
