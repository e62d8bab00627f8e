"""The namespace that a request to PutMetricData names: policies may ask for it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sandbox.cloud.answers import header
from sandbox.cloud.changes import read_ahead

if TYPE_CHECKING:
    from sandbox.server import Receive, Scope

SERVICE = "monitoring"
OPERATION = "PutMetricData"
CONDITION_KEY = "cloudwatch:namespace"
NAMESPACE: ContextVar[str | None] = ContextVar("namespace", default=None)
"""Of the request that is being answered; None when it names none."""


async def noted(scope: Scope, receive: Receive) -> Receive:
    """Note the namespace of a request to CloudWatch, and return how its body is received from now on."""
    body, again = await read_ahead(receive)
    NAMESPACE.set(_named(scope, body))
    return again


def _named(scope: Scope, body: bytes) -> str | None:
    try:
        if OPERATION in f"{scope['path']} {header(scope, b'x-amz-target')}":
            return _text(_document(scope, body).get("Namespace"))
        form = parse_qs(body.decode())
        return form["Namespace"][0] if form.get("Action") == [OPERATION] else None
    except (ValueError, KeyError):
        return None


def _document(scope: Scope, body: bytes) -> dict[str, Any]:
    if "cbor" not in header(scope, b"content-type"):
        in_json: dict[str, Any] = json.loads(body)
        return in_json
    import cbor2  # noqa: PLC0415 - few requests need it

    in_cbor: dict[str, Any] = cbor2.loads(body)
    return in_cbor


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
