"""Answers that the cloud itself gives: JSON, and AWS's errors in the form of each service."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sandbox.server import Scope, Send

_XML = frozenset({"s3"})
_QUERY = frozenset({"sns", "sts", "iam", "ec2", "cloudformation", "elasticloadbalancing"})
"""Services that tell errors in XML, when they are not asked by JSON or CBOR."""


class Failure(NamedTuple):
    """An AWS error."""

    status: int
    code: str
    message: str


async def answer(send: Send, status: int, body: dict[str, Any]) -> None:
    """Answer with JSON."""
    await _send(send, status, json.dumps(body).encode(), [(b"content-type", b"application/json")])


async def fail(scope: Scope, send: Send, service: str, error: Failure) -> None:
    """Answer with an AWS error as the service tells one."""
    status, code, message = error
    request = str(uuid.uuid4())
    headers = [(b"x-amzn-requestid", request.encode()), (b"x-amzn-errortype", code.encode())]
    if service in _XML or (service in _QUERY and not header(scope, b"x-amz-target")):
        inner = f"<Code>{code}</Code><Message>{message}</Message>"
        if service in _XML:
            text = f"<Error>{inner}<RequestId>{request}</RequestId></Error>"
        else:
            text = f"<ErrorResponse><Error>{inner}</Error><RequestId>{request}</RequestId></ErrorResponse>"
        content, kind = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), b"application/xml"
    else:
        content = json.dumps({"__type": code, "message": message}).encode()
        kind = b"application/x-amz-json-1.0"
    await _send(send, status, b"" if scope["method"] == "HEAD" else content, [(b"content-type", kind), *headers])


def header(scope: Scope, name: bytes) -> str:
    """The first header of a name; empty when there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")


async def _send(send: Send, status: int, content: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [*headers, (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
