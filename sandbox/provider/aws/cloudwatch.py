"""CloudWatch: alarms and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting, tag_map
from sandbox.provider.schema import Block, Boolean, Integer, Json, Map, Number, Set, Text, arguments, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ACTIONS = {
    "actionsEnabled": Boolean(default=True),
    "alarmActions": Set(default=[]),
    "alarmDescription": Text(default=""),
    "insufficientDataActions": Set(default=[]),
    "okActions": Set(default=[]),
}
QUERY = {
    "accountId": Text(),
    "expression": Text(),
    "id": Text(required=True),
    "label": Text(),
    "metric": Block(
        fields={
            "dimensions": Map(),
            "metricName": Text(required=True),
            "namespace": Text(),
            "period": Integer(required=True),
            "stat": Text(required=True),
            "unit": Text(),
        }
    ),
    "period": Integer(),
    "returnData": Boolean(default=False),
}
METRIC = {
    "comparisonOperator": Text(required=True),
    "datapointsToAlarm": Integer(),
    "dimensions": Map(default={}),
    "evaluateLowSampleCountPercentiles": Text(api="EvaluateLowSampleCountPercentile", choices=("evaluate", "ignore")),
    "evaluationPeriods": Integer(required=True),
    "extendedStatistic": Text(),
    "metricName": Text(),
    "metricQueries": Set(of=Block(fields=QUERY), default=[]),
    "namespace": Text(),
    "period": Integer(),
    "statistic": Text(choices=("Average", "Maximum", "Minimum", "SampleCount", "Sum")),
    "threshold": Number(required=True),
    "treatMissingData": Text(default="missing", choices=("breaching", "ignore", "missing", "notBreaching")),
    "unit": Text(),
}


class Alarm(Resource):
    """What both kinds of alarm share. An alarm is always put as a whole."""

    service = "cloudwatch"
    taggable = True
    kind = ""

    def told(self) -> Mapping[str, Any]:
        return {"arn": self.arn(f"alarm:{self.id}")}

    def described(self) -> dict[str, Any] | None:
        found = self.call("describe_alarms", AlarmNames=[self.id], AlarmTypes=[self.kind])[f"{self.kind}s"]
        return dict(found[0]) if found else None

    def found_tags(self, alarm: Mapping[str, Any]) -> dict[str, str]:
        return tag_map(self.call("list_tags_for_resource", ResourceARN=alarm["AlarmArn"])["Tags"])

    def delete(self) -> None:
        self.call("delete_alarms", AlarmNames=[self.id])

    def own_arn(self) -> str:
        return self.arn(f"alarm:{self.id}")


class MetricAlarm(Alarm):
    """An alarm on one metric, or on an expression over several."""

    resource_type = "aws:cloudwatch/metricAlarm:MetricAlarm"
    kind = "MetricAlarm"
    auto_name = "name"
    identity = ("name",)
    properties = {"name": Text(replaces=True, api="AlarmName"), **ACTIONS, **METRIC}
    outputs = ("arn",)

    def create(self) -> str:
        self._put(Tags=self.tag_list)
        return str(self["name"])

    @setting(*ACTIONS, *METRIC)
    def _change(self) -> None:
        self._put()

    def _put(self, **more: Any) -> None:
        names = [name for name in ("name", *ACTIONS, *METRIC) if name not in ("dimensions", "metricQueries")]
        told = self.arguments("put_metric_alarm", *names)
        if self["metricQueries"]:
            told["Metrics"] = [_query(each, self.shape("put_metric_alarm")) for each in self["metricQueries"]]
        else:
            told["Dimensions"] = _listed(self["dimensions"])
        self.call("put_metric_alarm", **told, **more)

    def read(self) -> Mapping[str, Any] | None:
        alarm = self.described()
        if alarm is None:
            return None
        dimensions = _mapped(alarm.pop("Dimensions", []))
        queries = [_found(each) for each in alarm.pop("Metrics", [])]
        told = {"dimensions": dimensions, "metricQueries": queries, "tagsAll": self.found_tags(alarm)}
        return self.observed(alarm, arn=alarm["AlarmArn"], **told)


def _query(query: Mapping[str, Any], shape: Any) -> dict[str, Any]:
    """A query as the API has it. What returns data is always said: absent means yes to the API, and no to Pulumi."""
    plain = {name: value for name, value in query.items() if name != "metric"}
    told = arguments(QUERY, {"returnData": False} | plain, shape.members["Metrics"].member)
    if metric := query.get("metric"):
        names = {"Namespace": metric.get("namespace"), "MetricName": metric["metricName"]}
        told["MetricStat"] = {
            "Metric": {name: value for name, value in names.items() if value}
            | {"Dimensions": _listed(metric.get("dimensions") or {})},
            "Period": metric["period"],
            "Stat": metric["stat"],
        } | ({"Unit": metric["unit"]} if metric.get("unit") else {})
    return told


def _found(query: Mapping[str, Any]) -> dict[str, Any]:
    """The same back again."""
    told = translate(QUERY, query)
    if stat := query.get("MetricStat"):
        metric = {**stat, **stat["Metric"], "Dimensions": _mapped(stat["Metric"].get("Dimensions", []))}
        told["metric"] = QUERY["metric"].from_api(metric)
    return told


def _listed(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _mapped(dimensions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in dimensions}


class CompositeAlarm(Alarm):
    """An alarm on the states of other alarms."""

    resource_type = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
    kind = "CompositeAlarm"
    identity = ("alarmName",)
    properties = {"alarmName": Text(required=True, replaces=True), "alarmRule": Text(required=True), **ACTIONS}
    outputs = ("arn",)

    def create(self) -> str:
        self._put(Tags=self.tag_list)
        return str(self["alarmName"])

    @setting(*ACTIONS, "alarmRule")
    def _change(self) -> None:
        self._put()

    def _put(self, **more: Any) -> None:
        told = self.arguments("put_composite_alarm", "alarmName", "alarmRule", *ACTIONS)
        self.call("put_composite_alarm", **told, **more)

    def read(self) -> Mapping[str, Any] | None:
        alarm = self.described()
        if alarm is None:
            return None
        return self.observed(alarm, arn=alarm["AlarmArn"], tagsAll=self.found_tags(alarm))


class Dashboard(Resource):
    """A dashboard."""

    resource_type = "aws:cloudwatch/dashboard:Dashboard"
    service = "cloudwatch"
    identity = ("dashboardName",)
    gone = ("DashboardNotFoundError", "ResourceNotFound")
    properties = {"dashboardName": Text(required=True, replaces=True), "dashboardBody": Json(required=True)}
    outputs = ("dashboardArn",)

    def create(self) -> str:
        self._put()
        return str(self["dashboardName"])

    @setting("dashboardBody")
    def _put(self) -> None:
        self.call("put_dashboard", **self.arguments("put_dashboard", "dashboardName", "dashboardBody"))

    def read(self) -> Mapping[str, Any]:
        return self.observed(self.call("get_dashboard", DashboardName=self.id))

    def delete(self) -> None:
        self.call("delete_dashboards", DashboardNames=[self.id])
