"""What a function gets of a request.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html#receive-event-from-load-balancer
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from sandbox.cloud.balancers.answers import FunctionFailedError

if TYPE_CHECKING:
    from sandbox.cloud.balancers.client_request import ClientRequest
    from sandbox.cloud.balancers.table import LoadBalancer, TargetGroup

TEXTS = frozenset({"application/json", "application/javascript", "application/xml"})
"""Content types whose body is handed on as it is, and those that begin with text/."""


def event(request: ClientRequest, balancer: LoadBalancer, group: TargetGroup, now: float) -> dict[str, Any]:
    """The event of a request that comes now, in seconds since 1970.

    Raises FunctionFailedError when what should be text is not UTF-8.
    """
    try:
        headers = _headers(request, balancer, now)
        body, encoded = _body(request)
    except UnicodeDecodeError:
        raise FunctionFailedError("LambdaBadRequest") from None
    parameters = _by_name(request.parameters())
    if group.multi_value:
        told: dict[str, Any] = {"multiValueQueryStringParameters": parameters, "multiValueHeaders": headers}
    else:
        told = {"queryStringParameters": _last(parameters), "headers": _last(headers)}
    return {
        "requestContext": {"elb": {"targetGroupArn": group.arn}},
        "httpMethod": request.method,
        "path": request.path,
        **told,
        "body": body,
        "isBase64Encoded": encoded,
    }


def _headers(request: ClientRequest, balancer: LoadBalancer, now: float) -> dict[str, list[str]]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html."""
    headers = _by_name((name, value.decode()) for name, value in request.headers)
    forwarded = headers.get("x-forwarded-for", [])
    if balancer.forwarded_for == "append":
        address = f"[{request.client}]" if forwarded and ":" in request.client else request.client
        headers["x-forwarded-for"] = [", ".join((*forwarded, address))]
    elif balancer.forwarded_for == "remove":
        headers.pop("x-forwarded-for", None)
    headers["x-forwarded-port"] = [str(balancer.port)]
    headers["x-forwarded-proto"] = [balancer.protocol.lower()]
    headers["x-amzn-trace-id"] = [_traced(headers.get("x-amzn-trace-id", [""])[-1], now)]
    return headers


def _traced(sent: str, now: float) -> str:
    """The trace of a request; one that has a root gets this load balancer's part, in the place of another's.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
    """
    own = f"1-{int(now):08x}-{secrets.token_hex(12)}"
    fields = [field.strip() for field in sent.split(";") if field.strip()]
    others = [field for field in fields if not field.startswith("Self=")]
    if any(field.startswith("Root=") for field in others):
        return ";".join([f"Self={own}", *others])
    return ";".join([f"Root={own}", *others])


def _body(request: ClientRequest) -> tuple[str, bool]:
    """The body, and whether it is encoded: by its content type, not by what is in it."""
    kind = request.header("content-type").partition(";")[0].strip().lower()
    is_text = not request.header("content-encoding") and (kind.startswith("text/") or kind in TEXTS)
    if is_text or not request.body:
        return request.body.decode(), False
    return base64.b64encode(request.body).decode(), True


def _by_name(pairs: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _last(values: dict[str, list[str]]) -> dict[str, str]:
    return {name: each[-1] for name, each in values.items()}
