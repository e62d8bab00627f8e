"""What an alarm that a program declares makes of measurements, by the evaluation of the sandbox's CloudWatch."""

from __future__ import annotations

from sandbox.cloud.watch.alarms import verdict_of
from sandbox.cloud.watch.metrics import Metrics, Name, Scope
from sandbox.cloud.watch.points import Point
from sandbox.cloud.watch.shapes import shape_of

HERE = Scope("123456789012", "us-east-1")
NOW = 1_000_000 * 60


def told(made):
    """A metric alarm as PutMetricAlarm has it."""
    return {
        **_watched(made),
        "EvaluationPeriods": made["evaluationPeriods"],
        "DatapointsToAlarm": made.get("datapointsToAlarm"),
        "Threshold": made["threshold"],
        "ComparisonOperator": made["comparisonOperator"],
        "TreatMissingData": made["treatMissingData"],
    }


def _watched(made):
    if "metricName" in made.inputs:
        return {
            **_named(made),
            "Period": made["period"],
            "Statistic": made.get("statistic"),
            "ExtendedStatistic": made.get("extendedStatistic"),
            "EvaluateLowSampleCountPercentile": made.get("evaluateLowSampleCountPercentiles"),
        }
    queries = []
    for query in made["metricQueries"]:
        told = {"Id": query["id"], "ReturnData": query.get("returnData", False)}
        if "expression" in query:
            told["Expression"] = query["expression"]
        else:
            metric = query["metric"]
            told["MetricStat"] = {"Metric": _named(metric), "Period": metric["period"], "Stat": metric["stat"]}
        queries.append(told)
    return {"Metrics": queries}


def _named(metric):
    dimensions = [{"Name": name, "Value": value} for name, value in (metric.get("dimensions") or {}).items()]
    return {"Namespace": metric["namespace"], "MetricName": metric["metricName"], "Dimensions": dimensions}


def state(made, measured):
    """The state that an alarm takes over (metric, minutes ago, value, how often)."""
    metrics = Metrics({}, lambda: NOW)
    shape = shape_of(told(made))
    names: dict[str, Name] = {each.name.metric: each.name for each in shape.queries.measured.values()}
    for metric, minutes, value, times in measured:
        if metric in names:
            point = Point()
            point.add(value, times)
            metrics.keep(HERE, names[metric], point, "", NOW - minutes * 60)
    return verdict_of(metrics, HERE, shape, NOW).state
