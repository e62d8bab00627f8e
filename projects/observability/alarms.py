"""The alarms of a region, made from rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import pulumi
import pulumi_aws as aws

from projects.observability.alarm_rule import AlarmRule, Metric, MetricMath
from shared import naming
from shared.components.regions import Region


class Alarms(pulumi.ComponentResource):
    """One alarm for each rule, all telling `topic_arn`, and a composite of those that clients notice.

    Attributes: arns (by the rule's name), composite_arn, by_name.
    """

    arns: pulumi.Output[Mapping[str, str]]
    composite_arn: pulumi.Output[str]
    by_name: Mapping[str, aws.cloudwatch.MetricAlarm]

    def __init__(self, name: str, region: Region, rules: Sequence[AlarmRule], topic_arn: pulumi.Input[str]) -> None:
        super().__init__("payments:observability:Alarms", name)
        self._region = region
        self._topic_arn = topic_arn

        self.by_name = {rule.name: self._alarm(name, rule) for rule in rules}
        self.arns = pulumi.Output.all(**{rule: alarm.arn for rule, alarm in self.by_name.items()})
        noticed = [self.by_name[rule.name].name for rule in rules if rule.degrades]
        composite = aws.cloudwatch.CompositeAlarm(
            name,
            alarm_name=region.named(naming.COMPOSITE_ALARM),
            alarm_description=f"Clients of the {region.role} notice something",
            alarm_rule=pulumi.Output.all(*noticed).apply(
                lambda names: " OR ".join(f'ALARM("{each}")' for each in names)
            ),
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            opts=region.options(self),
        )
        self.composite_arn = composite.arn
        self.register_outputs({})

    def _alarm(self, name: str, rule: AlarmRule) -> aws.cloudwatch.MetricAlarm:
        looks_at = (
            _single(rule.metric, rule.period) if isinstance(rule.metric, Metric) else _math(rule.metric, rule.period)
        )
        return aws.cloudwatch.MetricAlarm(
            f"{name}-{rule.name}",
            name=self._region.named(naming.alarm(rule.name)),
            alarm_description=rule.description,
            **looks_at,
            evaluation_periods=rule.evaluations,
            datapoints_to_alarm=rule.datapoints,
            threshold=rule.threshold,
            comparison_operator=rule.comparison,
            treat_missing_data=rule.missing,
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
            opts=self._region.options(self),
        )


class _LooksAt(TypedDict, total=False):
    """What an alarm watches: one metric, or an expression over several."""

    namespace: str
    metric_name: str
    dimensions: Mapping[str, pulumi.Input[str]] | None
    statistic: str | None
    extended_statistic: str | None
    evaluate_low_sample_count_percentiles: str | None
    period: int
    metric_queries: Sequence[aws.cloudwatch.MetricAlarmMetricQueryArgsDict]


def _single(metric: Metric, period: int) -> _LooksAt:
    percentile = metric.statistic.startswith("p")
    return {
        "namespace": metric.namespace,
        "metric_name": metric.name,
        "dimensions": dict(metric.dimensions) or None,
        "statistic": None if percentile else metric.statistic,
        "extended_statistic": metric.statistic if percentile else None,
        # A percentile of a handful of samples says nothing: the alarm keeps its state until there are enough.
        "evaluate_low_sample_count_percentiles": "ignore" if percentile else None,
        "period": period,
    }


def _math(expression: MetricMath, period: int) -> _LooksAt:
    metrics: list[aws.cloudwatch.MetricAlarmMetricQueryArgsDict] = [
        {
            "id": name,
            "metric": {
                "namespace": metric.namespace,
                "metric_name": metric.name,
                "dimensions": dict(metric.dimensions),
                "stat": metric.statistic,
                "period": period,
            },
        }
        for name, metric in expression.metrics.items()
    ]
    return {"metric_queries": [*metrics, {"id": "watched", "expression": expression.text, "return_data": True}]}
