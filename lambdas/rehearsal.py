"""What a new version is asked before clients reach it: a deployment calls it by its number, and then moves the alias.

The event is `{"rehearsal": [{"event": …, "status": 201}, …]}`: what the function's own callers would send, one after
the other, and the status that each answer must have, where it has one; after a while `otherwise` will do. The handler
answers each as it would its caller. The answers go back as they are: whoever deploys judges (`shared/rehearsals.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.clock import SystemClock, token
from lambdas.domain.errors import Unavailable
from lambdas.settings import RemainingTime, time_for_work

if TYPE_CHECKING:
    from lambdas.domain.ports import Clock

Handler = Callable[[Mapping[str, Any], RemainingTime], dict[str, Any]]

EVENT: Final = "rehearsal"
API_KEY: Final = "{api-key}"
TOKEN: Final = "{token}"  # noqa: S105 - a placeholder
LOCATION: Final = "{location}"
TIME: Final = "{time}"
TRACE: Final = "{trace}"
"""Texts in an event that the function puts something in the place of, as no deployment may know it, or none does: the
canary's API key, a new idempotency key, the Location of the answer before, the time (ms), a trace id of this second."""

PATIENCE: Final = 2_000
"""Milliseconds for which an answer that is not the expected one is asked for again: rights may be seconds old."""
PAUSE: Final = 200
"""Milliseconds before each."""


class NotServing(Exception):
    """The version does not answer as its callers need it. Lambda reports it, and the deployment ends."""


def rehearsable(
    api_key: Callable[[RemainingTime], str] | None = None, clock: Clock | None = None
) -> Callable[[Handler], Handler]:
    """A handler that can be rehearsed. `api_key` gives the canary's, raising Unavailable, where callers send one."""

    def of(handler: Handler) -> Handler:
        @wraps(handler)
        def either(event: Mapping[str, Any], context: RemainingTime) -> dict[str, Any]:
            if EVENT not in event:
                return handler(event, context)
            return {"answers": _Rehearsal(handler, context, api_key, clock or SystemClock()).play(event[EVENT])}

        return either

    return of


@dataclass(frozen=True, slots=True)
class _Rehearsal:
    handler: Handler
    context: RemainingTime
    api_key: Callable[[RemainingTime], str] | None
    clock: Clock

    def play(self, turns: list[Mapping[str, Any]]) -> list[Any]:
        """The answers. Raises NotServing when one has not come, for as long as there is patience."""
        until = self.clock.now() + min(PATIENCE, time_for_work(self.context))
        known: dict[str, Any] = {TOKEN: token()}
        answers: list[Any] = []
        for turn in turns:
            answers.append(self._expected(turn, known, until))
            known[LOCATION] = _location(answers[-1])
        return answers

    def _expected(self, turn: Mapping[str, Any], known: Mapping[str, Any], until: int) -> Any:
        first = ""
        while True:
            answer, failure = self._answer(turn, known)
            if not failure:
                return answer
            first = first or failure  # the later ones may only say that it is late
            if self.clock.now() + PAUSE >= until:
                if answer is not None and answer["statusCode"] == turn.get("otherwise"):
                    return answer
                raise NotServing(first)
            self.clock.sleep(PAUSE)

    def _answer(self, turn: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Any, str]:
        """The answer, and what is wrong with its status. What the handler raises is raised."""
        event, wanted = turn["event"], turn.get("status")
        try:
            answer = self.handler(_filled(event, {**known, **self._now()}), self.context)
        except Unavailable as error:
            return None, str(error)
        if wanted is None or answer["statusCode"] == wanted:
            return answer, ""
        what = f"{event['httpMethod']} {event['path']}"
        return answer, f"{what} answered {answer['statusCode']}, not {wanted}: {str(answer.get('body'))[:200]}"

    def _now(self) -> dict[str, Any]:
        now = self.clock.now()
        trace = f"Root=1-{now // 1000:08x}-{token()[:24]}"
        return {TIME: now, TRACE: trace, **({API_KEY: self.api_key(self.context)} if self.api_key else {})}


def _location(answer: Any) -> str | None:
    """Where an answer leads, by either way in which a function may give its headers."""
    if not isinstance(answer, Mapping):
        return None
    many: Mapping[str, list[str]] = answer.get("multiValueHeaders") or {}
    one: Mapping[str, str] = answer.get("headers") or {}
    found = {name.lower(): value for name, value in one.items()}
    return ({name.lower(): values[-1] for name, values in many.items()} | found).get("location")


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    """An event with what is known in the place of what stands for it."""
    if isinstance(value, Mapping):
        return {name: _filled(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, known) for each in value]
    return known.get(value, value) if isinstance(value, str) else value
