"""Questions to a cloud of which a part may be out: all are asked at once, and none is waited for beyond a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Row:
    """One thing, where it was asked for, and what was answered."""

    what: str
    asked: str
    said: str
    known: bool = True


@dataclass(frozen=True)
class Question:
    """A row before it is answered. `ask` raises Problem, or anything that the SDK raises."""

    what: str
    asked: str
    ask: Callable[[], str]


def answered(questions: Sequence[Question], deadline: float) -> list[Row]:
    """Ask them all at once, and return what is known after so many seconds, in their order."""
    found: dict[int, Row] = {}

    def ask(number: int, question: Question) -> None:
        try:
            row = Row(question.what, question.asked, question.ask())
        except Exception as error:  # noqa: BLE001 - a row that fails must not take the others with it
            said = " ".join(str(error).split()) or type(error).__name__
            row = Row(question.what, question.asked, f"{UNKNOWN}: {said}", known=False)
        found[number] = row

    # Daemons: one that hangs in a dead region keeps nobody from leaving.
    threads = [
        threading.Thread(target=ask, args=(number, question), daemon=True) for number, question in enumerate(questions)
    ]
    end = time.monotonic() + deadline
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = f"{UNKNOWN}: no answer within {deadline:g} s"
    return [
        found.get(number) or Row(question.what, question.asked, late, known=False)
        for number, question in enumerate(questions)
    ]
