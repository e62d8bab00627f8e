"""What of the service levels a dashboard shows of a region: how much of each budget is left, and how fast it burns.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

from collections.abc import Sequence

from projects.observability.alarm_rule import Metric
from projects.observability.indicators import Indicator
from shared.service_levels import BUDGET_DAYS, BURNS, spelled


def budget_left(title: str, region: str, indicators: Sequence[Indicator]) -> dict[str, object]:
    """The properties of a widget with a number for each level, over the budget's days whatever the page looks at."""
    return {
        "title": f"{title}: % left of the budget of {BUDGET_DAYS} days",
        "region": region,
        "view": "singleValue",
        "start": f"-P{BUDGET_DAYS}D",
        "end": "P0D",
        "setPeriodToTimeRange": True,
        "metrics": [
            *(
                _expression(
                    each.level.name, each.left(), f"{each.level.name}: left of {each.level.percent:g} %", region
                )
                for each in indicators
            ),
            *_measured(indicators),
        ],
    }


def burn_rates(title: str, region: str, indicators: Sequence[Indicator]) -> dict[str, object]:
    """The properties of a graph of each level's burn rate over the fast alarm's long window, with both limits."""
    fast = BURNS[0]
    return {
        "title": f"{title}: burn rate in {spelled(fast.long)} (1 = used up in {BUDGET_DAYS} days)",
        "region": region,
        "view": "timeSeries",
        "period": fast.long,
        "metrics": [
            *(_expression(each.level.name, each.burn_rate(), each.level.name, region) for each in indicators),
            *_measured(indicators),
        ],
        "annotations": {"horizontal": [{"label": burn.name, "value": float(burn.rate)} for burn in BURNS]},
    }


def _expression(name: str, text: str, label: str, region: str) -> list[dict[str, object]]:
    return [{"id": name, "expression": text, "label": label, "region": region}]


def _measured(indicators: Sequence[Indicator]) -> list[list[object]]:
    """Each metric once, by the name that expressions call it, and not drawn itself."""
    metrics = {name: metric for each in indicators for name, metric in each.metrics.items()}
    return [_hidden(name, metric) for name, metric in metrics.items()]


def _hidden(name: str, metric: Metric) -> list[object]:
    dimensions = [part for pair in metric.dimensions.items() for part in pair]
    return [metric.namespace, metric.name, *dimensions, {"id": name, "stat": metric.statistic, "visible": False}]
