"""What the API answers by itself, without a function: problem details (RFC 9457) for every gateway response.

The types are those of Amazon API Gateway's Developer Guide, "Gateway response types for API Gateway". A function that
is throttled makes the API answer 500, one that crashes or is cut off by its own time-out 502 (Lambda Developer Guide,
"Handling Lambda errors with an API Gateway API"). No page says of which types these are. Published answers of AWS show
INTEGRATION_FAILURE for a failed function (502, DataBiosphere/azul 7470), and INTEGRATION_TIMEOUT for one that outlasts
the integration's time-out (504, azul 6284). Each 5XX type has the same document, so that nothing depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

RETRY_SECONDS = 1

SCHEME = 'ApiKey realm="payments"'
UNAUTHORIZED = 401
TOO_MANY = 429
SERVER_ERRORS = range(500, 600)


@dataclass(frozen=True)
class GatewayProblem:
    """One answer of the API's own. `status` is AWS's; None where it can be any of its class."""

    kind: str
    title: str
    detail: str
    status: int | None = None
    changed_to: int | None = None
    """The status that clients get instead."""
    server: bool = False
    """One of the 5XX class, of no certain status."""

    @property
    def set_status(self) -> str | None:
        """The status that is set at all: never that of a 5XX, nor of a fallback.

        API Gateway counts a modified status as a 4XXError (Developer Guide, "Amazon API Gateway dimensions and
        metrics"), and the alarms that take a region out of DNS watch 5XXError. A fallback's status would become that of
        each response that has none of its own ("Gateway response types").
        """
        status = self.changed_to or self.status
        return str(status) if status and status < SERVER_ERRORS.start else None

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.server or self.status == TOO_MANY or self.status in SERVER_ERRORS

    @property
    def body(self) -> str:
        """The document; without a status where the template cannot know it."""
        status = self.changed_to or self.status
        document = {"type": f"/problems/{self.kind}", "title": self.title, "status": status, "detail": self.detail}
        return json.dumps({name: value for name, value in document.items() if value is not None})

    @property
    def headers(self) -> dict[str, str]:
        """As API Gateway maps them: a literal stands in single quotes."""
        retry = {"gatewayresponse.header.Retry-After": f"'{RETRY_SECONDS}'"} if self.retryable else {}
        # A 401 must say how to authenticate (RFC 9110). Of a function's answer REST APIs rename this header to
        # `x-amzn-Remapped-WWW-Authenticate`; only the API itself can give it.
        ask = {"gatewayresponse.header.WWW-Authenticate": f"'{SCHEME}'"} if self.status == UNAUTHORIZED else {}
        return {"gatewayresponse.header.Content-Type": "'application/problem+json'", **retry, **ask}


WORDS = {
    "malformed-request": (
        "The request cannot be read",
        "The body must be one JSON object in UTF-8, without a byte order mark.",
    ),
    "idempotency-key-invalid": ("An Idempotency-Key is needed", "Send one Idempotency-Key, new for each payment."),
    "unauthorized": ("The API key is missing or wrong", "Send a valid x-api-key."),
    "forbidden": ("The request is not allowed", "Do not repeat it as it is."),
    "refused": ("The request was refused", "Do not repeat it as it is."),
    "not-found": ("There is no such resource", "The API has /payment, /payment/{paymentId} and /health."),
    "too-large": ("The request is too large", "Send less."),
    "unsupported-media-type": ("The body must be application/json", "Send Content-Type: application/json."),
    "throttled": ("Too many requests", "Try again later, with the same Idempotency-Key."),
    "unavailable": ("A dependency is out", "Try again later, with the same Idempotency-Key."),
}
"""Each kind of problem: its title, and what to do about it."""


def _problem(
    kind: str, status: int | None = None, *, changed_to: int | None = None, server: bool = False
) -> GatewayProblem:
    title, detail = WORDS[kind]
    return GatewayProblem(kind, title, detail, status, changed_to, server)


PROBLEMS: Mapping[str, GatewayProblem] = {
    "DEFAULT_4XX": _problem("refused"),
    "ACCESS_DENIED": _problem("forbidden", 403),
    "BAD_REQUEST_BODY": _problem("malformed-request", 400),
    "BAD_REQUEST_PARAMETERS": _problem("idempotency-key-invalid", 400),
    "EXPIRED_TOKEN": _problem("forbidden", 403),
    "INVALID_API_KEY": _problem("forbidden", 403),
    "INVALID_SIGNATURE": _problem("forbidden", 403),
    # Asked for a path that it does not have, a REST API misses a token.
    "MISSING_AUTHENTICATION_TOKEN": _problem("not-found", 403, changed_to=404),
    "QUOTA_EXCEEDED": _problem("throttled", TOO_MANY),
    "REQUEST_TOO_LARGE": _problem("too-large", 413),
    "RESOURCE_NOT_FOUND": _problem("not-found", 404),
    "THROTTLED": _problem("throttled", TOO_MANY),
    "UNAUTHORIZED": _problem("unauthorized", 401),
    "UNSUPPORTED_MEDIA_TYPE": _problem("unsupported-media-type", 415),
    "WAF_FILTERED": _problem("forbidden", 403),
    "DEFAULT_5XX": _problem("unavailable", server=True),
    "API_CONFIGURATION_ERROR": _problem("unavailable", 500),
    "AUTHORIZER_CONFIGURATION_ERROR": _problem("unavailable", 500),
    "AUTHORIZER_FAILURE": _problem("unavailable", 500),
    # API Gateway's list says 504, and clients were seen to get 500 (localstack 11183).
    "INTEGRATION_FAILURE": _problem("unavailable", server=True),
    "INTEGRATION_TIMEOUT": _problem("unavailable", 504),
}
"""By response type: all that API Gateway has."""
