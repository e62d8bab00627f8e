"""CloudWatch's alarms."""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch


def percentile_alarms() -> None:
    """An alarm on a percentile reads back with a statistic that it never had, and without its rule for few samples."""
    put = cloudwatch._put_metric_alarm

    def noted(parameters: Any, request: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        answer = put(parameters, request, is_cbor, is_json)
        if is_cbor or is_json:
            alarm = cloudwatch._alarms.get(request.get("AlarmName"))
            if alarm is not None and request.get("ExtendedStatistic"):
                alarm.pop("Statistic", None)
            if alarm is not None and "EvaluateLowSampleCountPercentile" in request:
                alarm["EvaluateLowSampleCountPercentile"] = request["EvaluateLowSampleCountPercentile"]
        return answer

    cloudwatch._put_metric_alarm = noted
