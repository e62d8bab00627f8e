"""The processor's side of the protocol in docs/processor.md."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sandbox.processor.ledger import ChargeConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.processor.ledger import Answer, Ledger

_ONE = re.compile(r"/charges/([!-~]+)")
_CANCEL = re.compile(r"/charges/([!-~]+)/cancel")

Reply = tuple[int, dict[str, Any]]
"""Status and JSON body."""


def answer(ledger: Ledger, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
    """Answer a request by what the ledger says; None: cut the connection. Header names are in lower case."""
    endpoint = headers.get("host", "").partition(":")[0].lower()
    key = headers.get("idempotency-key", "")
    if method == "GET" and (one := _ONE.fullmatch(path)):
        return _reply(ledger.find(endpoint, one[1]))
    if method == "POST" and (cancelled := _CANCEL.fullmatch(path)):
        return _reply(ledger.cancel(endpoint, key)) if key == cancelled[1] else _refusal(400, "key")
    if method != "POST" or path != "/charges":
        return _refusal(404, "path")
    try:
        asked = json.loads(body)
        amount, customer = asked["amount"], asked["customer"]
        valid = type(amount["value"]) is int and amount["value"] > 0 and isinstance(amount["currency"], str)
        valid = valid and isinstance(customer, str) and bool(key)
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        return _refusal(400, "charge")
    try:
        return _reply(ledger.charge(endpoint, key, amount, customer))
    except ChargeConflict:
        return _refusal(422, "key")


def _reply(told: Answer | None) -> Reply | None:
    return None if told is None else (200, told)


def _refusal(status: int, what: str) -> Reply:
    return status, {"error": f"the {what} is wrong"}
