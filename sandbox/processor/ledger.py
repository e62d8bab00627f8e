"""What each endpoint of the card processor was asked for and decided, kept line by line in a file that only grows.

An endpoint is a processor of its own, as large ones have it: it knows the keys that it was given, and no other's. A key
has one outcome at its endpoint for ever. How a charge goes is decided by its customer's name:

| customer begins with | the endpoint                                                           |
|----------------------|------------------------------------------------------------------------|
| `decline-`           | refuses                                                                |
| `timeout-`           | loses the first request: no charge, no answer                          |
| `late-`              | takes the charge, answers nothing for 20 s, then tells it when asked   |
| `twice-`             | gets the request twice and answers twice, with one charge              |
| anything else        | approves                                                               |

Each line is one JSON object: `at` (ms), `endpoint`, `key`, and `what` became of it. `charge` and `cancel` are requests,
each time that one comes; `approved`, `declined` and `lost` are decisions. Money has moved where there is `approved`.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMED: Final = frozenset({"endpoint", "key", "what"})
"""What every line says."""
LATE = 20_000
"""How long `late-` stays silent (ms)."""

Answer = dict[str, Any]
"""What a client is told of a key: `status` is approved (with `reference`), declined (with `reason`) or unknown."""


class ChargeConflict(Exception):
    """The key was used for another charge."""


@dataclass
class _Charge:
    what: Literal["approved", "declined", "lost"]
    told: Answer
    asked: Answer | None = None
    answers_at: int = 0


class Ledger:
    """Every endpoint's memory. `path` keeps it over the process's end, a kill too; without one it is only in memory."""

    def __init__(self, path: Path | None = None, now: Callable[[], int] | None = None) -> None:
        self._now = now or (lambda: time.time_ns() // 1_000_000)
        self._charges: dict[tuple[str, str], _Charge] = {}
        self._lock = threading.Lock()
        self._file = -1
        self.lines: list[dict[str, Any]] = []
        """All of them; for tests, where there is no file."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            for line in read(path):
                self._remember(line)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            _cut_unfinished(self._file)

    def charge(self, endpoint: str, key: str, amount: dict[str, Any], customer: str) -> Answer | None:
        """Charge once for the key. None: no answer. Raises ChargeConflict."""
        scenario, asked = customer.split("-", 1)[0], {"amount": amount, "customer": customer}
        with self._lock:
            now = self._now()
            known = self._charges.get((endpoint, key))
            for _ in range(2 if known is None and scenario == "twice" else 1):
                self._write(at=now, endpoint=endpoint, key=key, what="charge", **asked)
            if known is None and scenario == "timeout":
                self._write(at=now, endpoint=endpoint, key=key, what="lost", **asked)
                return None
            if known is not None and known.asked not in (None, asked):
                raise ChargeConflict(key)
            if known is None or known.what == "lost":
                late = LATE if known is None and scenario == "late" else 0
                told = (
                    {"what": "declined", "reason": "card_declined"}
                    if scenario == "decline"
                    else {"what": "approved", "reference": _reference(endpoint, key)}
                )
                self._write(at=now, endpoint=endpoint, key=key, **told, **asked, answers_at=now + late)
            return self._told(endpoint, key, now)

    def find(self, endpoint: str, key: str) -> Answer | None:
        """What became of the key. None: no answer."""
        with self._lock:
            known = self._charges.get((endpoint, key))
            if known is None or known.what == "lost":
                return {"key": key, "status": "unknown"}
            return self._told(endpoint, key, self._now())

    def cancel(self, endpoint: str, key: str) -> Answer | None:
        """Refuse the key for ever, unless it has an outcome, which is answered. None: no answer."""
        with self._lock:
            now = self._now()
            known = self._charges.get((endpoint, key))
            self._write(at=now, endpoint=endpoint, key=key, what="cancel")
            if known is None or known.what == "lost":
                self._write(at=now, endpoint=endpoint, key=key, what="declined", reason="abandoned")
            return self._told(endpoint, key, now)

    def _told(self, endpoint: str, key: str, now: int) -> Answer | None:
        charge = self._charges[endpoint, key]
        return charge.told if now >= charge.answers_at else None

    def _write(self, **line: Any) -> None:
        """Append a line, then act by it: what was answered is in the file."""
        if self._file >= 0:
            os.write(self._file, json.dumps(line).encode() + b"\n")
        else:
            self.lines.append(line)
        self._remember(line)

    def _remember(self, line: dict[str, Any]) -> None:
        what, key = line["what"], line["key"]
        if what in {"charge", "cancel"}:
            return
        told: Answer = {"key": key, "status": what}
        told |= {name: line[name] for name in ("reference", "reason") if name in line}
        asked = {name: line[name] for name in ("amount", "customer")} if "amount" in line else None
        self._charges[line["endpoint"], key] = _Charge(what, told, asked, line.get("answers_at", 0))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The ledger's finished lines; none where there is no file."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or not told.keys() >= NAMED:
            raise Problem(f"{path}:{number}: is no line of the processor's ledger: put it right, or move the file away")
        yield told


def _cut_unfinished(file: int) -> None:
    """Take away a last line that its writer did not finish: it was answered to nobody."""
    text = os.pread(file, os.fstat(file).st_size, 0)
    os.ftruncate(file, text.rfind(b"\n") + 1)


def _reference(endpoint: str, key: str) -> str:
    """The endpoint's name for a charge: another one at each, as two charges are two."""
    return "ch_" + hashlib.sha256(f"{endpoint} {key}".encode()).hexdigest()[:24]
