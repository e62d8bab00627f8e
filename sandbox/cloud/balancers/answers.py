"""What a load balancer answers: the function's answer, or a page of its own.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html#respond-to-load-balancer
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.cloud.balancers.client_request import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = "awselb/2.0"
UNKNOWN_TYPE = "application/octet-stream"
"""Of an answer that does not say: https://github.com/aws/serverless-java-container/issues/347."""
HOP_BY_HOP = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers of a function's answer that do not reach the client, or are computed."""
_PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00\r\n]*")


class BalancerAnswer(NamedTuple):
    """An HTTP answer; header names as they were given."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class FunctionFailedError(Exception):
    """A function gave no answer for the client.

    `reason` is what an access log would say:
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#error-reason-codes.
    """

    def __init__(self, reason: str, status: int = 502) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


def page(status: int) -> BalancerAnswer:
    """An error of the load balancer's own."""
    title = f"{status} {_PHRASES[status]}"
    text = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n"
        f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return BalancerAnswer(status, (("Content-Type", "text/html"),), text.encode())


def of_function(told: Any, *, multi_value: bool) -> BalancerAnswer:
    """What a function has answered. Raises FunctionFailedError for what is no answer.

    The status alone must be there (https://github.com/awsdocs/elb-application-load-balancers-user-guide/issues/33);
    what is there must be of its type, and null is of none. Where headers have several values, `headers` counts for
    nothing, and else `multiValueHeaders`.
    """
    if len(json.dumps(told)) > LARGEST:
        raise FunctionFailedError("LambdaResponseTooLarge")
    try:
        status, encoded, text = _typed(told)
        headers = tuple(_several(told) if multi_value else _single(told))
        body = base64.b64decode(text, validate=True) if encoded else text.encode()
    except (AttributeError, KeyError, TypeError, binascii.Error, UnicodeError):
        raise FunctionFailedError("LambdaInvalidResponse") from None
    if all(name.lower() != "content-type" for name, _ in headers):
        headers = (*headers, ("Content-Type", UNKNOWN_TYPE))
    return BalancerAnswer(status, headers, body)


def _typed(told: dict[str, Any]) -> tuple[int, bool, str]:
    """The status, whether the body is encoded, and the body. Raises KeyError or TypeError."""
    status, encoded = told["statusCode"], told.get("isBase64Encoded", False)
    description, text = told.get("statusDescription", ""), told.get("body", "")
    if type(status) is not int or type(encoded) is not bool or not 200 <= status < 600:
        raise TypeError
    if not isinstance(description, str):
        raise TypeError
    return status, encoded, text


def _single(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in told.get("headers", {}).items():
        yield from _header(name, value)


def _several(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, values in told.get("multiValueHeaders", {}).items():
        if not isinstance(values, list):
            raise TypeError
        for value in values:
            yield from _header(name, value)


def _header(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """None for one that does not reach the client. Raises TypeError for what is no header."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):  # a TypeError for a value that is no text
        raise TypeError
    value.encode("latin-1")
    if name.lower() not in HOP_BY_HOP:
        yield name, value
