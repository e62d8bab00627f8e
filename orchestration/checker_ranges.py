"""Route 53's health checkers: the addresses that AWS publishes for them, and whether a list lets all of them in.

`lambdas/failover_control/ranges.py` watches the same by itself, and may import nothing of this: a test compares them.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, collapse_addresses
from typing import Any

from shared.errors import Problem

URL = "https://ip-ranges.amazonaws.com/ip-ranges.json"
SERVICE = "ROUTE53_HEALTHCHECKS"
TIMEOUT = 10.0
"""Seconds."""


def fetch() -> tuple[str, ...]:
    """Return the checkers' IPv4 ranges as AWS publishes them. Raises Problem."""
    try:
        with urllib.request.urlopen(URL, timeout=TIMEOUT) as answer:
            return of_checkers(json.load(answer))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Problem(f"cannot read {URL}: {error or type(error).__name__}") from error


def of_checkers(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the IPv4 ranges of the checkers in AWS's document. Raises ValueError when it has none."""
    found = tuple(sorted(each["ip_prefix"] for each in document["prefixes"] if each["service"] == SERVICE))
    if not found:
        raise ValueError(f"no ranges of {SERVICE} in it")
    return found


def missing(allowed: Iterable[str], published: Iterable[str]) -> tuple[str, ...]:
    """Return the published ranges that the allowed ones do not cover."""
    known = list(collapse_addresses(IPv4Network(each) for each in allowed if ":" not in each))
    return tuple(each for each in published if not any(IPv4Network(each).subnet_of(wide) for wide in known))
