"""How many addresses requests came from, without telling one: a HyperLogLog sketch that CloudWatch merges by itself.

A hash of the address chooses one of `SIZE` metrics, and gives its value: rank 1 for one half of all addresses, 2 for a
quarter, and so on. The *largest* rank of a minute is the same however many requests an address made and however many
functions saw them, and it is the larger the more addresses there were. `Maximum` is a statistic that CloudWatch keeps.

Which metric and which rank is all that is told of an address. There are so few of both, and ranks end at `RANKS`, that
of all IPv4 addresses some 32,768 or more have the same: whoever hashes them all learns no more than that. A longer hash
would name its address, with a salt or without, as trying four thousand million takes minutes.

Source: Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm" (AofA 2007),
with its correction for small numbers, linear counting of the metrics that nobody chose.
"""

from __future__ import annotations

import math
import socket
from hashlib import shake_128
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE: Final = 64
"""Metrics. The estimate's relative error is 1.04/√SIZE, about an eighth."""
RANKS: Final = 12
"""The last rank takes in all above it, so estimates end at about 180,000."""

METRICS: Final = tuple(f"FailoverSource{number:02}" for number in range(SIZE))

_ALPHA: Final = 0.709
"""The paper's constant for 64."""
_SMALL: Final = 2.5
"""Up to so many times `SIZE`, empty metrics are the better measure."""
_NETWORK: Final = 8
"""Bytes of an IPv6 address that name a network: one machine takes addresses from all of it as it likes (RFC 8981)."""


def mark(address: str, salt: str) -> dict[str, float]:
    """What a request from an address measures: one metric. `salt` keeps two environments' hashes apart."""
    digest = int.from_bytes(shake_128(salt.encode() + b" " + _who(address)).digest(8), "big")
    number, coins = digest % SIZE, digest // SIZE % 2**RANKS
    return {METRICS[number]: min(RANKS - coins.bit_length() + 1, RANKS)}


def estimate(ranks: Sequence[float]) -> float:
    """How many addresses gave these largest ranks, one for each metric that anybody chose."""
    empty = SIZE - len(ranks)
    raw = _ALPHA * SIZE**2 / (empty + math.fsum(math.exp2(-rank) for rank in ranks))
    if raw <= _SMALL * SIZE and empty:
        return SIZE * math.log(SIZE / empty)
    return raw


def _who(address: str) -> bytes:
    try:
        if ":" in address:
            return socket.inet_pton(socket.AF_INET6, address)[:_NETWORK]
    except (OSError, ValueError):
        pass
    return address.encode("utf-8", "surrogatepass")
