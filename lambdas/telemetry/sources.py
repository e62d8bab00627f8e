"""How many addresses requests came from, without keeping one: a sketch that CloudWatch merges by itself.

Each request adds, under a name of its own, each of `SIZE` hashes of its address, as numbers in [0, 1). The *smallest*
number of a minute is the same however many requests an address made and however many functions saw them, and it is the
smaller the more addresses there were: of n, n + 1 times it is 1 on the average. `Minimum` is a statistic that
CloudWatch keeps. What is stored is a minimum over hashes, no address.

Source: Bar-Yossef et al., "Counting Distinct Elements in a Data Stream" (RANDOM 2002), with one value kept for each of
`SIZE` hash functions.
"""

from __future__ import annotations

import socket
from hashlib import shake_128
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE: Final = 32
"""Hash functions. The estimate's relative error is 1/√(SIZE - 2), about a sixth."""

METRICS: Final = tuple(f"FailoverSource{number:02}" for number in range(SIZE))

_BYTES: Final = 4
_NETWORK: Final = 8
"""Bytes of an IPv6 address that name a network: one machine takes addresses from all of it as it likes (RFC 8981)."""


def marks(address: str, salt: str) -> dict[str, float]:
    """What a request from an address adds to each metric. `salt` keeps two environments' hashes apart."""
    digest = shake_128(salt.encode() + b" " + _who(address)).digest(SIZE * _BYTES)
    numbers = (int.from_bytes(digest[at : at + _BYTES], "big") for at in range(0, len(digest), _BYTES))
    return dict(zip(METRICS, (number / 256**_BYTES for number in numbers), strict=True))


def estimate(minima: Sequence[float]) -> float:
    """How many addresses gave these minima, one for each metric; 0 without a whole set."""
    total = sum(minima)
    if len(minima) != SIZE or total <= 0:
        return 0.0
    return max((SIZE - 1) / total - 1, 0.0)


def _who(address: str) -> bytes:
    try:
        return socket.inet_pton(socket.AF_INET6, address)[:_NETWORK] if ":" in address else address.encode()
    except (OSError, ValueError):
        return address.encode()
