"""A request as AWS WAF sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class WebRequest(NamedTuple):
    """What is inspected: `source` is the address that asks, `path` and `query` are as they were sent."""

    source: str
    method: str
    path: str
    query: str
    headers: Sequence[tuple[bytes, bytes]]
    """By lower-case names, a pair for each line, as ASGI has them."""
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first line of a header; None when there is none."""
        wanted = name.lower().encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)
