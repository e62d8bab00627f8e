"""The alarms of a region, made from rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import pulumi
import pulumi_aws as aws

from projects.observability.alarm_rule import AlarmRule, BothRule, Metric, MetricMath
from shared import naming
from shared.components.regions import Region
from shared.naming import Kind
from shared.runbooks import described


class Alarms(pulumi.ComponentResource):
    """One alarm for each rule, all telling `topic_arn`, and a composite of those that clients notice.

    Of a rule with two parts only the composite of both tells it. Attributes: arns (by the rule's name; also of parts),
    composite_arn, to_look_at (ARNs of those that tell somebody).
    """

    arns: pulumi.Output[Mapping[str, str]]
    composite_arn: pulumi.Output[str]
    to_look_at: Sequence[pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        region: Region,
        rules: Sequence[AlarmRule],
        both: Sequence[BothRule],
        topic_arn: pulumi.Input[str],
    ) -> None:
        super().__init__("payments:observability:Alarms", name)
        self._region = region
        self._topic_arn = topic_arn
        self._name = name

        alarms = {rule.name: self._alarm(rule) for rule in (*rules, *(part for each in both for part in each.parts))}
        composites = {
            each.name: self._composite(
                f"{name}-{each.name}",
                naming.alarm(each.name),
                each.description,
                [alarms[part.name] for part in each.parts],
                " AND ",
            )
            for each in both
        }
        noticed = self._composite(
            name,
            naming.COMPOSITE_ALARM,
            f"Clients of the {region.role} notice something",
            [alarms[rule.name] for rule in rules if rule.degrades],
            " OR ",
        )
        by_name = {
            **{rule: alarm.arn for rule, alarm in alarms.items()},
            **{rule: alarm.arn for rule, alarm in composites.items()},
        }
        self.arns = pulumi.Output.all(**by_name)
        self.to_look_at = [by_name[rule] for rule in (*(each.name for each in rules), *(each.name for each in both))]
        self.composite_arn = noticed.arn
        self.register_outputs({})

    def _composite(
        self,
        name: str,
        kind: Kind,
        description: str,
        parts: Sequence[aws.cloudwatch.MetricAlarm],
        joined_by: str,
    ) -> aws.cloudwatch.CompositeAlarm:
        return aws.cloudwatch.CompositeAlarm(
            name,
            alarm_name=self._region.named(kind),
            alarm_description=described(description, kind.purpose, self._region.foundation.runbooks),
            alarm_rule=pulumi.Output.all(*(part.name for part in parts)).apply(
                lambda names: joined_by.join(f'ALARM("{each}")' for each in names)
            ),
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
            opts=self._region.options(self),
        )

    def _alarm(self, rule: AlarmRule) -> aws.cloudwatch.MetricAlarm:
        looks_at = (
            _single(rule.metric, rule.period) if isinstance(rule.metric, Metric) else _math(rule.metric, rule.period)
        )
        return aws.cloudwatch.MetricAlarm(
            f"{self._name}-{rule.name}",
            name=self._region.named(naming.alarm(rule.name)),
            alarm_description=described(rule.description, rule.name, self._region.foundation.runbooks),
            **looks_at,
            evaluation_periods=rule.evaluations,
            datapoints_to_alarm=rule.datapoints,
            threshold=rule.threshold,
            comparison_operator=rule.comparison,
            treat_missing_data=rule.missing,
            alarm_actions=[self._topic_arn] if rule.told else [],
            ok_actions=[self._topic_arn] if rule.told else [],
            opts=self._region.options(self),
        )


class _LooksAt(TypedDict, total=False):
    """What an alarm watches: one metric, or an expression over several."""

    namespace: str
    metric_name: str
    dimensions: Mapping[str, pulumi.Input[str]] | None
    statistic: str
    period: int
    metric_queries: Sequence[aws.cloudwatch.MetricAlarmMetricQueryArgsDict]


def _single(metric: Metric, period: int) -> _LooksAt:
    return {
        "namespace": metric.namespace,
        "metric_name": metric.name,
        "dimensions": dict(metric.dimensions) or None,
        "statistic": metric.statistic,
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
