"""How far AWS's regions are from each other: the time from a question to its answer.

Medians of a year up to 2025-05-29, by https://www.cloudping.co/api/latencies?percentile=p_50&timeframe=1Y, the mean of
both directions in whole milliseconds. These are all regions that may hold a strongly consistent global table, and some
neighbours. Of others nothing is known: no time passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MILLISECONDS: Final = """
us-east-1
us-east-2       15
us-west-1       64  53
us-west-2       64  51  22
ca-central-1    16  27  80  61
eu-west-1       70  80 130 118  69
eu-west-2       78  88 148 129  79  14
eu-west-3       84  95 144 135  86  20  11
eu-central-1    93 104 153 142  93  27  18  12
ap-northeast-1 149 135 108  98 145 201 212 218 227
ap-northeast-2 179 165 133 123 175 232 242 249 231  36
ap-northeast-3 153 141 110 100 151 207 217 224 234  10  25
"""
"""The regions of the lines are those of the columns, in the same order."""


def _table() -> Mapping[tuple[str, str], float]:
    lines = [line.split() for line in _MILLISECONDS.strip().splitlines()]
    regions = [line[0] for line in lines]
    found: dict[tuple[str, str], float] = {}
    for one, *milliseconds in lines:
        for other, each in zip(regions, milliseconds, strict=False):
            found[one, other] = found[other, one] = int(each) / 1000
    return found


ROUND_TRIPS: Final = _table()
"""Seconds, by both regions."""


def round_trip(one: str, other: str) -> float:
    """Seconds until an answer of another region is there; 0 within a region, and where nothing is known."""
    return ROUND_TRIPS.get((one, other), 0.0)


def nearest(region: str, others: Iterable[str]) -> float:
    """Seconds until the first of the others has answered."""
    return min((round_trip(region, other) for other in others), default=0.0)
