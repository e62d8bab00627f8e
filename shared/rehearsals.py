"""What a new version of a function is asked before its alias moves to it, and what its answers must say.

A deployment calls the version by its number (`shared/components/function.py`), and `lambdas/rehearsal.py` answers. The
canary's API key is in neither: the function puts it in the place of what stands for it here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.clients import API_KEY, CANARY, IDEMPOTENCY_KEY
from shared.proxy_events import ProxiedRequest, load_balancer_event, rest_api_event

if TYPE_CHECKING:
    from shared.naming import EntryPoint

EVENT: Final = "rehearsal"
KEY: Final = "{api-key}"
TOKEN: Final = "{token}"  # noqa: S105 - a placeholder
LOCATION: Final = "{location}"
TIME: Final = "{time}"
TRACE: Final = "{trace}"
"""What the function fills in: the canary's key, a new idempotency key, where the answer before leads, time, trace."""

PAYMENT: Final[Mapping[str, Any]] = {"amount": 12.34, "currency": "USD", "customerId": CANARY}
PROXY_ANSWER: Final = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
"""What a proxy integration takes: for anything else a REST API answers 502 (API Gateway Developer Guide, "Output format
of a Lambda function for proxy integration")."""


@dataclass(frozen=True)
class RehearsedTurn:
    """One event, and its answer: `status` and the members `says` of its body, or of the answer where it has no status.

    `otherwise`: a status that will do, of a problem with the same members. `repeats`: the body is the one before.
    """

    event: Mapping[str, Any]
    status: int | None = None
    says: Mapping[str, Any] = field(default_factory=dict)
    otherwise: int | None = None
    repeats: bool = False

    def asked(self) -> dict[str, Any]:
        """What the function is told of it."""
        told = {"event": self.event, "status": self.status, "otherwise": self.otherwise}
        return {name: value for name, value in told.items() if value is not None}

    def body(self, answer: Any) -> Any:
        """What the answer says. Raises ValueError, KeyError, TypeError for what the caller could not read."""
        if self.status is None:
            return answer
        if answer["statusCode"] not in {self.status, self.otherwise} or set(answer) - PROXY_ANSWER:
            raise ValueError
        return json.loads(answer["body"])

    def wanted(self, answer: Any) -> Mapping[str, Any]:
        """The members that the answer's body must have. A problem's own status is a number."""
        if self.otherwise is None or answer["statusCode"] != self.otherwise:
            return self.says
        return {**self.says, "status": self.otherwise}

    def __str__(self) -> str:
        return f"{self.event['httpMethod']} {self.event['path']}" if self.status else "the event"


@dataclass(frozen=True)
class Rehearsal:
    """Events that a version answers one after the other. Without any it is to start."""

    turns: tuple[RehearsedTurn, ...] = ()

    @property
    def event(self) -> str:
        """What the function is called with, as JSON."""
        return json.dumps({EVENT: [each.asked() for each in self.turns]}, sort_keys=True)

    def fault(self, result: str) -> str:
        """What is wrong with the answers, in a few words; "" for nothing. `result`: JSON that the function returned."""
        try:
            answers = json.loads(result)["answers"]
            before: Any = None
            for turn, answer in zip(self.turns, answers, strict=True):
                body = turn.body(answer)
                for name, wanted in turn.wanted(answer).items():
                    if body[name] != wanted:
                        return f"{turn}: {name} is {json.dumps(body[name])}, not {json.dumps(wanted)}"
                if turn.repeats and body != before:
                    return f"{turn} says otherwise than the answer before"
                before = body
        except (ValueError, KeyError, TypeError):
            return f"it answered {result[:200]}, which no caller of its own could read"
        return ""


@dataclass(frozen=True)
class Caller:
    """The entry point of a region, as its functions know it."""

    entry_point: EntryPoint
    region: str
    host: str

    def health(self, **says: Any) -> Rehearsal:
        """The region is healthy, and says so much of itself.

        A read that is late makes it say that it is not, and its second is over soon: that will do here. Whether
        the table answers is seen by the payment that is rehearsed beside it.
        """
        return Rehearsal((RehearsedTurn(self._asks("GET", "/health"), 200, {"status": "pass", **says}, otherwise=503),))

    def payment(self) -> Rehearsal:
        """The canary pays, with play money, and reads its payment."""
        key = {API_KEY: KEY}
        paying = self._asks("POST", "/payment", {**key, IDEMPOTENCY_KEY: TOKEN}, json.dumps(PAYMENT))
        return Rehearsal(
            (
                RehearsedTurn(paying, 201, {**PAYMENT, "status": "paid"}),
                RehearsedTurn(self._asks("GET", LOCATION, key), 200, repeats=True),
            )
        )

    def _asks(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> dict[str, Any]:
        request = ProxiedRequest(method, path, self.host, headers or {}, body, TRACE)
        if self.entry_point == "rest-api":
            return rest_api_event(request, TIME)
        return load_balancer_event(request, self.region)
