"""One JSON line for each thing told, metrics included (CloudWatch's embedded metric format).

Only fields that are named here in the code get into a log: never a body, a header or an event as a whole, so that
neither keys nor anything card-like can.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.domain.ports import Clock
    from lambdas.settings import Settings

NAMESPACE: Final = "Payments"
DIMENSIONS: Final = ("Environment", "Suffix", "Role")
"""Of every metric: one name of an environment may be there twice in an account, with two suffixes."""

UNITS: Final = {
    "CanaryDuration": "Milliseconds",
    "Latency": "Milliseconds",
    "OldestUnfinished": "Seconds",
    "OldestUntidied": "Seconds",
}
"""Metrics that are not counts."""
FAILOVER_TRAFFIC: Final = "FailoverTraffic"
"""Requests of paying clients that came by the shared name."""
HIGH_RESOLUTION: Final = frozenset({FAILOVER_TRAFFIC})
"""Kept by the second: their alarms look at 10 s."""


@dataclass(slots=True)
class LogJournal:
    """The port `Journal` as lines on standard output. `context` is said in every line."""

    clock: Clock
    context: Mapping[str, str]
    environment: str
    suffix: str
    role: str
    correlation: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> LogJournal:
        """The journal of a running function."""
        context = {"region": settings.region, "release": settings.release}
        return cls(clock, context, settings.environment, settings.suffix, settings.role)

    @property
    def dimensions(self) -> dict[str, str]:
        """Those of every metric, with their values."""
        return dict(zip(DIMENSIONS, (self.environment, self.suffix, self.role), strict=True))

    def correlate(self, **fields: str) -> None:
        """Say these in every line until the next `correlate`, unless it says otherwise itself: request and payment."""
        self.correlation = dict(fields)

    def tell(self, event: str, **fields: str | float | bool | None) -> None:
        """Write one line."""
        self._write({"event": event, **fields})

    def measure(self, event: str, metrics: Mapping[str, float], **fields: str | float | bool | None) -> None:
        """Write one line that is also a data point of each metric (name -> value), by environment, suffix and role."""
        definitions = [
            {
                "Name": name,
                "Unit": UNITS.get(name, "Count"),
                **({"StorageResolution": 1} if name in HIGH_RESOLUTION else {}),
            }
            for name in metrics
        ]
        directive = {
            "Timestamp": self.clock.now(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [DIMENSIONS], "Metrics": definitions}],
        }
        self._write(
            {
                "event": event,
                **fields,
                **self.dimensions,
                **metrics,
                **({"_aws": directive} if metrics else {}),
            }
        )

    def _write(self, line: dict[str, Any]) -> None:
        line = {"time": self.clock.now(), **line, **self.correlation, **self.context} | line
        sys.stdout.write(json.dumps({name: value for name, value in line.items() if value is not None}) + "\n")
        sys.stdout.flush()
