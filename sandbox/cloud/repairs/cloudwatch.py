"""CloudWatch's alarms."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from ministack.services import cloudwatch, lambda_svc

from sandbox.cloud.repairs.permissions import allows
from sandbox.cloud.repairs.xml import element

if TYPE_CHECKING:
    from collections.abc import Callable

    Request = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]
    Action = Callable[..., Answer]

log = logging.getLogger(__name__)

_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
_FORGOTTEN = ("InsufficientDataActions", "EvaluateLowSampleCountPercentile", "Metrics", "ThresholdMetricId")
"""What PutMetricAlarm is told and does not keep, in one protocol or in all."""
_MADE_UP = ("Statistic", "Period", "MetricName", "Namespace", "TreatMissingData", "AlarmDescription")
"""What an alarm has after PutMetricAlarm although nobody said it."""
_DEFAULTS = {"TreatMissingData": "missing"}
_NUMBERS = frozenset({"Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold"})
_BOOLEANS = frozenset({"ActionsEnabled", "ReturnData"})
_TIMES = re.compile("Timestamp(s|)$")


def whole_alarms() -> None:
    """An alarm loses fields, more of them in the Query protocol than in others, and has some that nobody gave it."""
    put = cloudwatch._put_metric_alarm

    def noted(parameters: Any, request: Request, is_cbor: bool, is_json: bool = False) -> Answer:
        answer: Answer = put(parameters, request, is_cbor, is_json)
        told = request if is_cbor or is_json else _from_query(parameters)
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


def answers_in_the_query_protocol() -> None:
    """What the Query protocol is told of alarms and their history lacks most of it."""
    cloudwatch._describe_alarms = _as_query("DescribeAlarms", cloudwatch._describe_alarms)
    cloudwatch._describe_alarms_for_metric = _as_query(
        "DescribeAlarmsForMetric", cloudwatch._describe_alarms_for_metric
    )
    cloudwatch._describe_alarm_history = _as_query("DescribeAlarmHistory", cloudwatch._describe_alarm_history)


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
    now = cloudwatch._ts_iso(time.time())
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


def _as_query(operation: str, describe: Action) -> Action:
    """The operation, which answers the Query protocol with what it tells in JSON."""

    def described(parameters: Any, request: Request, is_cbor: bool, is_json: bool = False) -> Answer:
        if is_cbor or is_json:
            return describe(parameters, request, is_cbor, is_json)
        status, _, body = describe({}, _from_query(parameters), False, True)
        if status != 200:
            return describe(parameters, request, is_cbor, is_json)
        inside = "".join(element(name, value, "member") for name, value in _with_times(json.loads(body)).items())
        result = f"<{operation}Result>{inside}</{operation}Result>"
        answer: Answer = cloudwatch._xml(200, f"{operation}Response", result)
        return answer

    return described


def _with_times(value: Any, name: str = "") -> Any:
    """The same with times as texts, as XML has them."""
    if isinstance(value, dict):
        return {key: _with_times(each, key) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_with_times(each, name) for each in value]
    return cloudwatch._ts_iso(value) if isinstance(value, int | float) and _TIMES.search(name) else value


def _from_query(parameters: Any) -> Request:
    """A Query request as JSON has it: `A.member.1.B=x` is `{"A": [{"B": "x"}]}`."""
    found: Request = {}
    for name in parameters:
        place: Any = found
        *folders, last = name.replace(".member.", ".#").split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = _typed(last, cloudwatch._p(parameters, name))
    listed: Request = _with_lists(found)
    return listed


def _typed(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return float(text) if name == "Threshold" else int(text)
    return text == "true" if name in _BOOLEANS else text


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.startswith("#") for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=lambda key: int(key[1:]))]
    return {key: _with_lists(each) for key, each in value.items()}
