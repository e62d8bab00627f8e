from __future__ import annotations

import json
from typing import Any

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example

TOPIC = "arn:aws:sns:us-east-1:000000000000:example-alarms"
METRIC = {
    "namespace": "AWS/ApiGateway",
    "metricName": "Latency",
    "dimensions": {"ApiName": "example", "Stage": "live"},
    "period": 60,
    "evaluationPeriods": 3,
    "threshold": 500,
    "comparisonOperator": "GreaterThanThreshold",
}


@example("aws:cloudwatch/metricAlarm:MetricAlarm")
def alarm_on_a_percentile(engine: Engine) -> Example:
    return Example(
        {
            **METRIC,
            "name": "example-latency",
            "alarmDescription": "Slow",
            "extendedStatistic": "p99",
            "evaluateLowSampleCountPercentiles": "ignore",
            "datapointsToAlarm": 2,
            "treatMissingData": "notBreaching",
            "alarmActions": [TOPIC],
            "okActions": [TOPIC],
        },
        update={"threshold": 600.5, "dimensions": {"ApiName": "other"}, "alarmActions": None, "tags": {"a": "b"}},
        replace={"name": "example-other"},
    )


@example("aws:cloudwatch/metricAlarm:MetricAlarm")
def alarm_on_a_statistic(engine: Engine) -> Example:
    return Example(
        {**METRIC, "statistic": "Sum"},
        update={"statistic": "Maximum", "datapointsToAlarm": 1, "unit": "Count", "insufficientDataActions": [TOPIC]},
    )


def counted(namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    return {"namespace": namespace, "metricName": name, "dimensions": dimensions, "period": 60, "stat": "Sum"}


@example("aws:cloudwatch/metricAlarm:MetricAlarm")
def alarm_on_metric_math(engine: Engine) -> Example:
    balancer = {"LoadBalancer": "app/example/0123456789abcdef"}
    queries = [
        {"id": "rate", "expression": "(FILL(errors, 0) + failed) / requests", "label": "Share", "returnData": True},
        {"id": "errors", "metric": counted("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", **balancer)},
        {"id": "failed", "metric": counted("AWS/ApplicationELB", "LambdaUserError", **balancer) | {"unit": "Count"}},
        {"id": "requests", "metric": counted("AWS/ApplicationELB", "RequestCount", **balancer), "returnData": False},
    ]
    rate = {"id": "rate", "expression": "FILL(errors, 0) / requests", "returnData": True}
    rule = {name: METRIC[name] for name in ("evaluationPeriods", "comparisonOperator")}
    return Example(
        {**rule, "name": "example-rate", "threshold": 0.05, "datapointsToAlarm": 2, "metricQueries": queries},
        update={"metricQueries": [queries[1], queries[3], rate], "threshold": 0.1, "okActions": [TOPIC]},
        replace={"name": "example-other"},
    )


@example("aws:cloudwatch/compositeAlarm:CompositeAlarm")
def composite_alarm(engine: Engine) -> Example:
    alarm = engine.make("aws:cloudwatch/metricAlarm:MetricAlarm", name="example-part", **METRIC, statistic="Sum")
    return Example(
        {"alarmName": "example-whole", "alarmRule": f'ALARM("{alarm.name}")', "alarmActions": [TOPIC]},
        update={"alarmRule": f'OK("{alarm.name}")', "alarmDescription": "All of it", "tags": {"a": "b"}},
        replace={"alarmName": "example-other-whole"},
    )


@example("aws:cloudwatch/dashboard:Dashboard")
def dashboard(engine: Engine) -> Example:
    return Example(
        {"dashboardName": "example", "dashboardBody": json.dumps({"widgets": []})},
        update={"dashboardBody": json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "# Hello"}}]})},
        replace={"dashboardName": "example-other"},
    )
