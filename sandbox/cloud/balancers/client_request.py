"""A request as a load balancer gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.server import Receive, Scope

LARGEST = 1024 * 1024
"""Bytes of a body that a function may get, and of the JSON that it may answer with ("1 MB", taken as the larger one):
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html."""


class ClientRequest(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    """As sent: nothing is decoded."""
    query: str
    headers: tuple[tuple[str, bytes], ...]
    """In order, names in lower case."""
    client: str
    """The sender's address."""
    body: bytes
    """No more than one byte beyond `LARGEST`."""

    def header(self, name: str) -> str:
        """The last value; empty when there is none."""
        return next((value.decode("latin-1") for key, value in reversed(self.headers) if key == name), "")

    @property
    def host(self) -> str:
        """Without a port, in lower case."""
        return self.header("host").partition(":")[0].lower()

    def parameters(self) -> Iterator[tuple[str, str]]:
        """The query's pairs, in order and not decoded."""
        for pair in filter(None, self.query.split("&")):
            key, _, value = pair.partition("=")
            yield key, value


async def received(scope: Scope, receive: Receive) -> ClientRequest:
    """The whole request. What is too large is taken in and thrown away, so that its sender hears the answer."""
    body, more = b"", True
    while more:
        message = await receive()
        if len(body) <= LARGEST:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return ClientRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1").lower(), value) for name, value in scope["headers"]),
        client=scope["client"][0] if scope.get("client") else "",
        body=body[: LARGEST + 1],
    )
