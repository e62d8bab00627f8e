"""Which requests change what only the saved state keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.cloud.requests import ACTION, CBOR

if TYPE_CHECKING:
    from sandbox.server import Receive, Scope

_READS = re.compile(
    r"(?:BatchGet|Decrypt|Describe|Encrypt|Filter|GenerateDataKey|Get|Head|List|Lookup|Query|ReEncrypt|Scan|Search"
    r"|Select|Simulate|Test|TransactGet|Validate|Verify)"
)
_JOURNALLED = frozenset({"BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"})
"""DynamoDB's writes to items: they are in the write-ahead log before they are answered."""
_INVOCATION = re.compile(r"^/(?:\d{4}-\d{2}-\d{2}/functions/[^/]+/invocations|restapis/[^/]+/[^/]+/_user_request_)")
"""What a function writes comes as requests of its own."""
_CONFIRMS = b"Action=ConfirmSubscription"
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Form:
    """Receives a request's body for the emulator and keeps its beginning, where the Query protocol names its action."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.beginning = b""

    async def __call__(self) -> dict[str, Any]:
        message = await self._receive()
        if not self.beginning and message.get("body"):
            self.beginning = message["body"][:4096]
        return message


async def read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """A request's body, and what gives it again to whoever receives it next."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    body = b"".join(message.get("body", b"") for message in messages)

    async def again() -> dict[str, Any]:
        return messages.pop(0) if messages else await receive()

    return body, again


def is_change(scope: Scope, service: str, target: str, form: bytes) -> bool:
    """Whether a request, once answered, has to be followed by saving the state.

    `service` is the one that the request was signed for, `target` its X-Amz-Target, `form` the beginning of its body.
    What is not known to be a read counts as a change.
    """
    path: str = scope["path"]
    if target:
        action = target.rpartition(".")[2]
        return not (_READS.match(action) or (service == "dynamodb" and action in _JOURNALLED))
    if scope["method"] in _READING_METHODS or _INVOCATION.match(path):
        return _CONFIRMS in scope.get("query_string", b"")  # the address that SNS gives is visited
    if service == "s3" and "/" in path.strip("/"):
        return False  # objects are on disk before they are acknowledged
    if named := CBOR.match(path):
        return not _READS.match(named[1])
    if asked := ACTION.search(form):
        return not _READS.match(asked[1].decode())
    return True
