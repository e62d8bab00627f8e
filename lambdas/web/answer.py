"""Answers, and problem details (RFC 9457) for everything that is not a success."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body (JSON text) and the headers that belong to this answer."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


def to_json(value: Mapping[str, Any]) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"))


# One row for each problem: the `type` that machines compare, the status, the title that people read.
PROBLEMS: Final = {
    "malformed-request": (400, "The request cannot be read"),
    "idempotency-key-invalid": (400, "An Idempotency-Key is needed"),
    "unauthorized": (401, "The API key is missing or wrong"),
    "declined": (402, "The payment was declined"),
    "not-found": (404, "There is no such resource"),
    "method-not-allowed": (405, "This resource does not have that method"),
    "in-progress": (409, "The same payment is still being made"),
    "contended": (409, "The same payment is asked about too often"),
    "not-readable": (409, "What became of the payment cannot be said here"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The body must be application/json"),
    "invalid-field": (422, "A field is invalid"),
    "idempotency-key-reused": (422, "The Idempotency-Key was used for another payment"),
    "internal": (500, "This should not have happened"),
    "unavailable": (503, "A dependency is out"),
    "late": (503, "The region is starting up and cannot take the request in time"),
    "out-of-service": (503, "This region takes no payments"),
}


def problem(kind: str, detail: str, *, retry_after: int | None = None, **members: Any) -> Answer:
    """A problem. `detail` says what to do; `retry_after` in seconds; members extend the document."""
    status, title = PROBLEMS[kind]
    headers = {"Content-Type": PROBLEM}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = 'ApiKey realm="payments"'
    document = {"type": f"/problems/{kind}", "title": title, "status": status, "detail": detail, **members}
    return Answer(status, to_json(document), headers)
