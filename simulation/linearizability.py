"""Linearizability: whether one payment, asked by one client after the other, could have given these answers.

Wing and Gong's search with Lowe's memory of what was tried. The sequential model of a payment:

    absent ──POST──> open(payload) ──whenever──> final(payload, paid or declined)

A POST does two things: it may open the payment at any time after it was sent, which others then see, and later it
answers. One that got no answer, or "try again", may have opened it too, and means nothing once the payment is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INFINITY: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Told:
    """One request and what its answer says.

    `payload` is what a POST asked for, or what a GET showed; `answer` one of paid, declined, pending, busy (409),
    reused (the key, for another payload), absent, silence (nothing, or try again). `invoked` and `returned` are places
    in the history's one order.
    """

    method: str
    payload: str
    answer: str
    invoked: int
    returned: int


State = tuple[str, str]
"""(payload, "open" or "paid" or "declined"); ("", "absent") in the beginning."""

ABSENT: Final[State] = ("", "absent")
_OPENING: Final = frozenset({"silence", "paid", "declined"})


def is_linearizable(requests: list[Told]) -> bool:
    """Some order of the requests, which respects who was answered before who asked, explains all answers."""
    openers = [request for request in requests if request.method == "POST" and request.answer in _OPENING]
    definite = sorted((request for request in requests if request.answer != "silence"), key=lambda told: told.invoked)
    everything = (1 << len(definite)) - 1
    seen: set[tuple[int, State]] = set()
    stack: list[tuple[int, State]] = [(0, ABSENT)]
    while stack:
        place = stack.pop()
        done, state = place
        if done == everything:
            return True
        if place in seen:
            continue
        seen.add(place)
        left = [index for index in range(len(definite)) if not done >> index & 1]
        # Whoever asked after somebody was answered cannot come before him.
        deadline = min(definite[index].returned for index in left)
        possible = [index for index in left if definite[index].invoked <= deadline]
        if state == ABSENT:
            stack += [(done, (opener.payload, "open")) for opener in openers if opener.invoked <= deadline]
        for index in reversed(possible):
            following = _after(state, definite[index])
            if following is not None:
                stack.append((done | 1 << index, following))
    return False


def _after(state: State, request: Told) -> State | None:
    """The payment after this request, or None when it could not have been answered so."""
    payload, status = state
    same = payload == request.payload
    match request.answer:
        case "absent":
            return state if state == ABSENT else None
        case "reused":
            return state if state != ABSENT and not same else None
        case "pending" | "busy":
            if status == "open" and same:
                return state
            return (request.payload, "open") if state == ABSENT and request.method == "POST" else None
        case "paid" | "declined":
            if same and status in {"open", request.answer}:
                return (payload, request.answer)
            return (request.payload, request.answer) if state == ABSENT and request.method == "POST" else None
    raise ValueError(request.answer)
