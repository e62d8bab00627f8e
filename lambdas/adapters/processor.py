"""A card processor by HTTPS, in the protocol of docs/processor.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.https import HttpsCall, NoReply
from lambdas.domain.errors import NoAnswer
from lambdas.domain.outcome import Approved, Declined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdas.adapters.https import HttpsReply
    from lambdas.domain.money import Money
    from lambdas.domain.outcome import Outcome

TIMEOUT: Final = 3_000
"""What one call takes at most (ms): asking, then charging, and both writes, fit into what a request has."""


@dataclass(frozen=True, slots=True)
class HttpsProcessor:
    """The port `Processor`: one endpoint of a card processor, by its https name.

    Whatever is not an answer of the protocol is NoAnswer: a wrong server's 404 must not read as "never heard of it".
    """

    endpoint: str
    send: Callable[[HttpsCall, int], HttpsReply]
    """Makes a request within so many milliseconds, as `https.Https` does. Raises NoReply."""
    timeout: int = TIMEOUT

    def charge(self, key: str, amount: Money, customer: str) -> Outcome:
        """Charge once for the key. Raises NoAnswer."""
        asked = {"amount": {"value": amount.minor_units, "currency": amount.currency}, "customer": customer}
        return self._outcome(self._ask("POST", "/charges", key, asked))

    def find(self, key: str) -> Outcome | None:
        """The outcome for the key, or None when the endpoint has never heard of it. Raises NoAnswer."""
        told = self._ask("GET", f"/charges/{key}", key)
        return None if told.get("status") == "unknown" else self._outcome(told)

    def cancel(self, key: str) -> Outcome:
        """Refuse the key for ever, unless it has an outcome. Raises NoAnswer."""
        return self._outcome(self._ask("POST", f"/charges/{key}/cancel", key, {}))

    def _ask(self, method: str, path: str, key: str, asked: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        body = None
        if asked is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
            body = json.dumps(asked).encode()
        try:
            reply = self.send(HttpsCall(method, self.endpoint, path, headers, body), self.timeout)
        except NoReply as error:
            raise NoAnswer(str(error)) from error
        if reply.status != 200:
            raise NoAnswer(f"{method} {self.endpoint}: {reply.status}")
        try:
            told = json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise NoAnswer(f"{method} {self.endpoint}: not JSON") from error
        if not isinstance(told, dict) or told.get("key") != key:
            raise NoAnswer(f"{method} {self.endpoint}: not about this key")
        return told

    def _outcome(self, told: Mapping[str, Any]) -> Outcome:
        match told:
            case {"status": "approved", "reference": str(reference)} if reference:
                return Approved(reference)
            case {"status": "declined", "reason": str(reason)} if reason:
                return Declined(reason)
        raise NoAnswer(f"{self.endpoint}: no outcome yet")
