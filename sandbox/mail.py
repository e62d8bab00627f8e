"""The mail that topics send: one line for each notification that a subscriber got, in a file of the sandbox."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 4_000_000
"""Bytes of the file; then the older half of its lines goes."""


@dataclass(frozen=True)
class Mail:
    """What one subscriber got. `time` in virtual seconds since the epoch; `message` as the topic was told it."""

    time: float
    to: str
    topic: str
    subject: str
    message: str

    @property
    def region(self) -> str:
        return self.topic.split(":")[3]

    @property
    def alarm(self) -> dict[str, Any]:
        """The alarm's notification; empty when something else was published."""
        try:
            told = json.loads(self.message)
        except (ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) and "AlarmName" in told else {}


class Mailbox:
    """Everybody's mail in the file at `path`, the oldest first. The cloud alone writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, mail: Mail) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(mail)) + "\n")
        if self._path.stat().st_size > LARGEST:
            lines = self._path.read_bytes().splitlines(keepends=True)
            files.replace(self._path, b"".join(lines[len(lines) // 2 :]))

    def read(self) -> Iterator[Mail]:
        """All of it. A line that was cut off by the cloud's end, or is damaged, is left out."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                mail = Mail(**json.loads(line))
                datetime.fromtimestamp(mail.time, UTC)
                whole = all(isinstance(each, str) for each in (mail.to, mail.topic, mail.subject, mail.message))
            except (ValueError, TypeError, OverflowError, OSError, RecursionError):
                continue
            if whole and mail.topic.count(":") > 3:
                yield mail
