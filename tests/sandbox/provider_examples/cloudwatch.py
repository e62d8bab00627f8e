from __future__ import annotations

import json

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
