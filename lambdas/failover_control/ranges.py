"""Whether all of Route 53's health checkers may still read the stop switch: AWS adds addresses without asking.

A checker that is refused reads no `primary: stop`, so the switch would lose its effect without a word.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import IPv4Network, collapse_addresses
from typing import TYPE_CHECKING, Any, Final, Protocol

from lambdas.domain.errors import MALFORMED, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lambdas.adapters.retry import Retry
    from lambdas.telemetry.journal import LogJournal

URL: Final = "https://ip-ranges.amazonaws.com/ip-ranges.json"
SERVICE: Final = "ROUTE53_HEALTHCHECKS"
READERS: Final = "CheckersRead"
"""The statement of the bucket's policy that says from where the switch may be read."""
TIMEOUT: Final = 5.0
"""Seconds."""
TOLD: Final = 5
"""So many ranges are named in the journal."""


class PolicyClient(Protocol):
    """What is used of S3: an operation of the SDK's client."""

    def get_bucket_policy(self, **arguments: Any) -> dict[str, Any]: ...


def of_checkers(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The IPv4 ranges of the checkers in AWS's document. Raises ValueError when it has none."""
    found = tuple(sorted(each["ip_prefix"] for each in document["prefixes"] if each["service"] == SERVICE))
    if not found:
        raise ValueError(f"no ranges of {SERVICE} in it")
    return found


def allowed(policy: Mapping[str, Any]) -> tuple[str, ...]:
    """The ranges that may read the switch, by its bucket's policy."""
    found = [each for each in policy["Statement"] if each.get("Sid") == READERS and each["Effect"] == "Allow"]
    values = [each.get("Condition", {}).get("IpAddress", {}).get("aws:SourceIp", []) for each in found]
    return tuple(cidr for value in values for cidr in (value if isinstance(value, list) else [value]))


def missing(known: Iterable[str], published: Iterable[str]) -> tuple[str, ...]:
    """The published ranges that the known ones do not cover."""
    wide = list(collapse_addresses(IPv4Network(each) for each in known if ":" not in each))
    return tuple(each for each in published if not any(IPv4Network(each).subnet_of(other) for other in wide))


def download() -> bytes:
    """AWS's document. Raises OSError, HTTPException."""
    with urllib.request.urlopen(URL, timeout=TIMEOUT) as answer:
        body: bytes = answer.read()
    return body


@dataclass(frozen=True, slots=True)
class RangeWatch:
    """Compares what is published with the policy of `bucket`. `fetch` gets AWS's document; raises OSError."""

    policies: PolicyClient
    bucket: str
    retry: Retry
    fetch: Callable[[], bytes]
    journal: LogJournal

    def look(self) -> str:
        """Measure `SwitchRangesStale`: 1 when a checker is left out, else 0. Says `stale` or `current`.

        `unknown` when either side cannot be read: nothing is measured, and hours of that raise the alarm too.
        """
        try:
            published = of_checkers(json.loads(self.fetch()))
            policy = json.loads(self.retry(self.policies.get_bucket_policy, Bucket=self.bucket)["Policy"])
            left_out = missing(allowed(policy), published)
        except (Unavailable, OSError, HTTPException, *MALFORMED) as error:
            return self._unknown(f"{type(error).__name__}: {error}")
        result = "stale" if left_out else "current"
        self.journal.measure(
            "ranges",
            {"SwitchRangesStale": float(bool(left_out))},
            result=result,
            reason=", ".join(left_out[:TOLD]) or None,
        )
        return result

    def _unknown(self, reason: str) -> str:
        self.journal.tell("ranges", result="unknown", reason=reason)
        return "unknown"
