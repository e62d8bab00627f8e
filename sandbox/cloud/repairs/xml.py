"""Pieces of XML, as the emulator's Query services put together their answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

Parameters = Mapping[str, Any]
"""A Query request: each value in a list."""
Answer = tuple[int, dict[str, str], bytes]
"""A status, headers and a body."""


def element(name: str, content: object, item: str = "item") -> str:
    """An element with text, or with the elements of a mapping or a list (each an `item`); booleans as XML has them."""
    if isinstance(content, Mapping):
        inside = "".join(element(key, value, item) for key, value in content.items() if value is not None)
    elif isinstance(content, bool):
        inside = str(content).lower()
    elif isinstance(content, Iterable) and not isinstance(content, str):
        inside = "".join(element(item, value, item) for value in content)
    else:
        inside = escape(str(content))
    return f"<{name}>{inside}</{name}>"


def within(item: str, *elements: str) -> str:
    """The element with further ones at its end."""
    head, end, tail = item.rpartition("</")
    return head + "".join(elements) + end + tail
