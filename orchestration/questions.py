"""Questions to a cloud of which a part may be out: all are asked at once, and none is waited for beyond a deadline."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

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


@dataclass(frozen=True)
class Unanswered:
    """Why there is none, in one line."""

    why: str


class Once:
    """A value that several questions need and the first of them gets: the others wait for it."""

    def __init__(self, get: Callable[[], Any]) -> None:
        self._get = get
        self._guard = threading.Lock()
        self._got: list[Any] = []

    def __call__(self) -> Any:
        with self._guard:  # its own: until Python 3.12 functools.cached_property has one lock for all objects
            if not self._got:
                self._got.append(self._get())
            return self._got[0]


def at_once(asks: Sequence[Callable[[], T]], deadline: float) -> list[T | Unanswered]:
    """Ask them all at once, and return what is known after so many seconds, in their order."""
    found: dict[int, T | Unanswered] = {}

    def ask(number: int) -> None:
        found[number] = _answer(asks[number])

    # Daemons: one that hangs in a dead region keeps nobody from leaving.
    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(len(asks))]
    end = time.monotonic() + deadline
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [found.get(number, _late(deadline)) for number in range(len(asks))]


def first_answer(asks: Sequence[Callable[[], T]], patience: float, deadline: float) -> T | Unanswered:
    """The first answer of several ways to one thing, the better ones first; why there is none after so many seconds.

    A way is tried when those before it have failed, or have not answered for `patience` seconds.
    """
    told: queue.SimpleQueue[T | Unanswered] = queue.SimpleQueue()
    failures: list[Unanswered] = []
    end = time.monotonic() + deadline
    for tried, ask in enumerate(asks, 1):
        threading.Thread(target=lambda ask=ask: told.put(_answer(ask)), daemon=True).start()
        until = end if tried == len(asks) else min(end, time.monotonic() + patience)
        while len(failures) < tried:
            try:
                found = told.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if not isinstance(found, Unanswered):
                return found
            failures.append(found)
    return failures[0] if failures else _late(deadline)


def _answer(ask: Callable[[], T]) -> T | Unanswered:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - one that fails must not take the others with it
        return Unanswered(" ".join(str(error).split()) or type(error).__name__)


def _late(deadline: float) -> Unanswered:
    return Unanswered(f"no answer within {deadline:.3g} s")


def answered(questions: Sequence[Question], deadline: float) -> list[Row]:
    """Ask them all at once, and return their rows, in their order."""
    told = at_once([each.ask for each in questions], deadline)
    return [
        Row(question.what, question.asked, f"{UNKNOWN}: {said.why}", known=False)
        if isinstance(said, Unanswered)
        else Row(question.what, question.asked, said)
        for question, said in zip(questions, told, strict=True)
    ]
