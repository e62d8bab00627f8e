"""CloudWatch's alarms."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ministack.services import cloudwatch, lambda_svc

from sandbox.cloud.repairs.cloudwatch_forms import as_query, from_query
from sandbox.cloud.repairs.permissions import allows
from sandbox.cloud.watch.here import Here
from sandbox.cloud.watch.shapes import UnknownShape, shape_of

if TYPE_CHECKING:
    Request = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]

log = logging.getLogger(__name__)

_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
_FORGOTTEN = ("InsufficientDataActions", "EvaluateLowSampleCountPercentile", "Metrics", "ThresholdMetricId")
"""What PutMetricAlarm is told and does not keep, in one protocol or in all."""
_MADE_UP = ("Statistic", "Period", "MetricName", "Namespace", "TreatMissingData", "AlarmDescription")
"""What an alarm has after PutMetricAlarm although nobody said it."""
_DEFAULTS = {"TreatMissingData": "missing"}


def whole_alarms() -> None:
    """An alarm loses fields, more of them in the Query protocol than in others, and has some that nobody gave it."""
    put = cloudwatch._put_metric_alarm

    def noted(parameters: Any, request: Request, is_cbor: bool, is_json: bool = False) -> Answer:
        answer: Answer = put(parameters, request, is_cbor, is_json)
        told = request if is_cbor or is_json else from_query(parameters)
        alarm = cloudwatch._alarms.get(told.get("AlarmName"))
        if answer[0] == 200 and alarm is not None:
            for name in _FORGOTTEN:
                alarm.pop(name, None)
                if told.get(name) is not None:
                    alarm[name] = told[name]
            for name in _MADE_UP:
                if told.get(name) is None:
                    alarm.pop(name, None)
            alarm |= {name: value for name, value in _DEFAULTS.items() if name not in alarm}
        return answer

    cloudwatch._put_metric_alarm = noted


def evaluated_by_the_clock() -> None:
    """An alarm is looked at when any metric is put, over all dimensions of a name, and without gaps, M of N or math.

    `sandbox.cloud.watch.alarms` evaluates instead. What it cannot evaluate is refused when it is put.
    """
    put = cloudwatch._put_metric_alarm

    def checked(parameters: Any, request: Request, is_cbor: bool, is_json: bool = False) -> Answer:
        try:
            shape_of(request if is_cbor or is_json else from_query(parameters))
        except UnknownShape as unknown:
            refused: Answer = cloudwatch._error(
                "ValidationError", str(unknown), 400, use_json=is_json, use_cbor=is_cbor
            )
            return refused
        answer: Answer = put(parameters, request, is_cbor, is_json)
        return answer

    cloudwatch._put_metric_alarm = checked
    cloudwatch._evaluate_alarm = lambda _: None
    cloudwatch._evaluate_all_alarms = lambda: None


def virtual_time() -> None:
    """Alarms and their history have the machine's time, whatever the sandbox's clock says."""

    def now() -> float:
        return Here.clock.now()

    cloudwatch.time = SimpleNamespace(time=now)


def answers_in_the_query_protocol() -> None:
    """What the Query protocol is told of alarms and their history lacks most of it."""
    cloudwatch._describe_alarms = as_query("DescribeAlarms", cloudwatch._describe_alarms)
    cloudwatch._describe_alarms_for_metric = as_query("DescribeAlarmsForMetric", cloudwatch._describe_alarms_for_metric)
    cloudwatch._describe_alarm_history = as_query("DescribeAlarmHistory", cloudwatch._describe_alarm_history)


def functions_as_actions() -> None:
    """An alarm calls no function: AWS does at a transition, and at nothing else, if the function's policy allows it."""
    act = cloudwatch._dispatch_alarm_actions

    def acted(alarm: Request, old: str, new: str, reason: str) -> None:
        act(alarm, old, new, reason)
        if alarm.get("ActionsEnabled", True):
            for action in alarm.get(_ACTIONS[new]) or ():
                if action.startswith("arn:aws:lambda:"):
                    _call(action, alarm, old, new, reason)

    cloudwatch._dispatch_alarm_actions = acted


def _call(function: str, alarm: Request, old: str, new: str, reason: str) -> None:
    """Invoke a function with what CloudWatch tells of a transition.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    """
    arn = alarm["AlarmArn"]
    if not allows(function, "lambda.alarms.cloudwatch.amazonaws.com", source=arn):
        log.warning("%s may not invoke %s: its policy does not allow it", arn, function)
        return
    record, config, _ = lambda_svc._get_func_record_for_ref(function)
    if record is None:
        log.warning("%s: there is no function %s", arn, function)
        return
    now = cloudwatch._ts_iso(Here.clock.now())
    configuration = {key: alarm[key] for key in ("AlarmDescription", "AlarmRule", "Metrics") if alarm.get(key)}
    event = {
        "source": "aws.cloudwatch",
        "alarmArn": arn,
        "accountId": arn.split(":")[4],
        "time": now,
        "region": arn.split(":")[3],
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": {"value": new, "reason": reason, "timestamp": now},
            "previousState": {"value": old},
            "configuration": {key[:1].lower() + key[1:]: value for key, value in configuration.items()},
        },
    }
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(record, config), event)
