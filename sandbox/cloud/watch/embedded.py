"""Metrics in log lines, by the specification of the embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.cloud.watch.metrics import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_SET = 30
MOST_METRICS = 100
MOST_VALUES = 100


@dataclass(frozen=True)
class Measured:
    """What a line measures: values of one metric at a moment (seconds since the epoch)."""

    name: Name
    values: tuple[float, ...]
    unit: str
    at: float
    fine: bool
    """Kept by the second."""


def measured(log: str) -> Iterator[Measured]:
    """What the lines of a log measure. A line that the specification does not allow measures nothing."""
    for line in log.splitlines():
        if '"_aws"' in line:
            try:
                yield from list(_of_document(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue


def _of_document(document: dict[str, Any]) -> Iterator[Measured]:
    metadata = document["_aws"]
    at = _number(metadata["Timestamp"]) / 1000
    for directive in metadata["CloudWatchMetrics"]:
        metrics = directive["Metrics"]
        if len(metrics) > MOST_METRICS or not directive["Namespace"]:
            raise ValueError("more metrics than a directive may have, or no namespace")
        for dimensions in directive["Dimensions"]:
            if len(dimensions) > LARGEST_SET:
                raise ValueError("more dimensions than a set may have")
            values = {each: _text(document[each]) for each in dimensions}
            for metric in metrics:
                yield Measured(
                    Name.of(directive["Namespace"], metric["Name"], values),
                    _numbers(document[metric["Name"]]),
                    metric.get("Unit", "None"),
                    at,
                    fine=_resolution(metric) == 1,
                )


def _resolution(metric: dict[str, Any]) -> int:
    resolution: int = metric.get("StorageResolution", 60)
    if resolution not in {1, 60}:
        raise ValueError(f"no such resolution: {resolution}")
    return resolution


def _numbers(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= MOST_VALUES:
        raise ValueError("no value, or more than a metric may have")
    return tuple(_number(each) for each in values)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
