"""Locks on stacks as the engine writes them into a file backend."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from shared.stack import Stack


def lock(backend: Path, stack: Stack, pid: int, host: str, taken: datetime | None = None) -> Path:
    """Lock a stack for a process; return the lock's file."""
    file = backend / ".pulumi" / "locks" / stack.reference / f"{pid}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    since = (taken or datetime.now().astimezone()).isoformat()
    file.write_text(json.dumps({"pid": pid, "hostname": host, "username": "ci", "timestamp": since}))
    return file
