"""What CloudWatch keeps of a metric."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

MINUTE: Final = 60


def metric_values(
    cloudwatch: Any,
    metric: Mapping[str, str],
    dimensions: Mapping[str, str],
    statistic: str,
    window: tuple[datetime, datetime],
    *,
    period: int = MINUTE,
) -> dict[datetime, float]:
    """A metric's values in a window, by the moment at which each period begins. `cloudwatch`: the SDK's client."""
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    stat = {"Metric": {**metric, "Dimensions": named}, "Period": period, "Stat": statistic}
    begin, end = window
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[{"Id": "m", "MetricStat": stat}], StartTime=begin, EndTime=end
    )
    return {
        at.astimezone(UTC): value
        for page in pages
        for result in page["MetricDataResults"]
        for at, value in zip(result["Timestamps"], result["Values"], strict=True)
    }
