"""The last minutes, read from CloudWatch in the region that the function runs in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from lambdas.domain.errors import Unavailable
from lambdas.failover_control.rule import MINUTE, Minute
from lambdas.telemetry.journal import FAILOVER_TRAFFIC, NAMESPACE
from lambdas.telemetry.sources import METRICS, estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lambdas.adapters.retry import Retry

PROBE_FAILED: Final = "ProbeFailed"
"""1 for a probe of the primary that failed, 0 for one that passed."""
UNTOLD: Final = frozenset({"InternalError", "Forbidden"})
"""A metric's status in an answer that is good as a whole: no values then does not say that there are none."""


class MetricsClient(Protocol):
    """What is used of CloudWatch: an operation of the SDK's client."""

    def get_metric_data(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """The metrics of one environment and role, by `dimensions` (name -> value)."""

    metrics: MetricsClient
    dimensions: Mapping[str, str]
    retry: Retry

    def minutes(self, back: int) -> list[Minute]:
        """The last `back` minutes, the one that runs included, without their sources. Raises Unavailable."""
        end = self.retry.clock.now() // MINUTE * MINUTE + MINUTE
        found = self._read({FAILOVER_TRAFFIC: "Sum", PROBE_FAILED: "Maximum"}, end - back * MINUTE, end)
        return [
            Minute(
                start,
                requests=found[FAILOVER_TRAFFIC].get(start, 0),
                failed=found[PROBE_FAILED][start] > 0 if start in found[PROBE_FAILED] else None,
            )
            for start in range(end - back * MINUTE, end, MINUTE)
        ]

    def counted(self, minutes: Sequence[Minute]) -> list[Minute]:
        """The same minutes with the number of their source addresses. Raises Unavailable."""
        if not minutes:
            return []
        found = self._read(dict.fromkeys(METRICS, "Maximum"), minutes[0].start, minutes[-1].start + MINUTE)
        return [
            replace(each, sources=estimate([values[each.start] for values in found.values() if each.start in values]))
            for each in minutes
        ]

    def _read(self, statistics: Mapping[str, str], begin: int, end: int) -> dict[str, dict[int, float]]:
        """Values by metric and minute."""
        queries = [self._query(number, name, statistics[name]) for number, name in enumerate(statistics)]
        arguments: dict[str, Any] = {"MetricDataQueries": queries, "StartTime": _date(begin), "EndTime": _date(end)}
        found: dict[str, dict[int, float]] = {name: {} for name in statistics}
        while True:
            answer = self.retry(self.metrics.get_metric_data, **arguments)
            for result in answer["MetricDataResults"]:
                if result.get("StatusCode") in UNTOLD:
                    raise Unavailable(f"CloudWatch does not tell {result['Label']}: {result['StatusCode']}")
                found[result["Label"]].update(_values(result["Timestamps"], result["Values"]))
            if not answer.get("NextToken"):
                return found
            arguments["NextToken"] = answer["NextToken"]

    def _query(self, number: int, name: str, statistic: str) -> dict[str, Any]:
        dimensions = [{"Name": key, "Value": value} for key, value in self.dimensions.items()]
        metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
        return {
            "Id": f"m{number}",
            "Label": name,
            "MetricStat": {"Metric": metric, "Period": MINUTE // 1000, "Stat": statistic},
        }


def _date(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _values(times: Iterable[datetime], values: Iterable[float]) -> dict[int, float]:
    return {int(at.timestamp() * 1000) // MINUTE * MINUTE: value for at, value in zip(times, values, strict=True)}
