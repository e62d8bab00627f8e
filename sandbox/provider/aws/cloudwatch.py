"""CloudWatch: alarms and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting, tag_map
from sandbox.provider.schema import Boolean, Integer, Json, Map, Number, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS = {
    "actionsEnabled": Boolean(default=True),
    "alarmActions": Set(default=[]),
    "alarmDescription": Text(default=""),
    "insufficientDataActions": Set(default=[]),
    "okActions": Set(default=[]),
}
METRIC = {
    "comparisonOperator": Text(required=True),
    "datapointsToAlarm": Integer(),
    "dimensions": Map(default={}),
    "evaluateLowSampleCountPercentiles": Text(api="EvaluateLowSampleCountPercentile", choices=("evaluate", "ignore")),
    "evaluationPeriods": Integer(required=True),
    "extendedStatistic": Text(),
    "metricName": Text(required=True),
    "namespace": Text(required=True),
    "period": Integer(required=True),
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
    """An alarm on one metric."""

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
        names = [name for name in ("name", *ACTIONS, *METRIC) if name != "dimensions"]
        dimensions = [{"Name": name, "Value": value} for name, value in self["dimensions"].items()]
        self.call("put_metric_alarm", **self.arguments("put_metric_alarm", *names), Dimensions=dimensions, **more)

    def read(self) -> Mapping[str, Any] | None:
        alarm = self.described()
        if alarm is None:
            return None
        dimensions = {each["Name"]: each["Value"] for each in alarm.pop("Dimensions", [])}
        return self.observed(alarm, arn=alarm["AlarmArn"], dimensions=dimensions, tagsAll=self.found_tags(alarm))


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
