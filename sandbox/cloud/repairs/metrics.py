"""What is measured: by whom, when it can be read, and how it is told."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

from sandbox.cloud.functions import TOOK
from sandbox.cloud.repairs.cloudwatch_forms import as_told, from_query
from sandbox.cloud.watch.embedded import measured
from sandbox.cloud.watch.expressions import UnknownExpression
from sandbox.cloud.watch.here import Here
from sandbox.cloud.watch.metrics import Name, Scope
from sandbox.cloud.watch.points import MINUTE, Point, known
from sandbox.cloud.watch.queries import Queries, dimensions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.cloud.watch.expressions import Values
    from sandbox.cloud.watch.queries import MetricStat

    Request = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]

log = logging.getLogger(__name__)

PAGE = 500
"""Metrics in an answer to ListMetrics."""
FINE_PERIODS = frozenset({1, 5, 10, 20, 30})


class _Refused(ValueError):
    """A request that is refused; `code` is AWS's."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def by_dimensions() -> None:
    """Metrics are kept as single values and read across dimensions, at once, and in an order that AWS has not."""
    cloudwatch._evict_old_metrics = lambda: None
    cloudwatch.record_metric = _recorded
    cloudwatch._put_metric_data = _answered(PutMetricData)
    cloudwatch._get_metric_statistics = _answered(GetMetricStatistics)
    cloudwatch._get_metric_data = _answered(GetMetricData)
    cloudwatch._list_metrics = _answered(ListMetrics)


def of_invocations() -> None:
    """Only invocations by the API are counted, asynchronous ones without their outcome, and none by API or queue."""
    dispatch, acquire = lambda_svc._execute_function_dispatch, lambda_svc._acquire_execution_slot

    def dispatched(function: Any, config: Request, *arguments: Any) -> Any:
        at_once = lambda_svc._inflight.get(lambda_svc._inflight_key(config), 1)
        result = dispatch(function, config, *arguments)
        values = {
            "Invocations": ("Count", 1.0),
            "Errors": ("Count", float(bool(result.get("error")))),
            "Duration": ("Milliseconds", round(TOOK.get(), 2)),
            "ConcurrentExecutions": ("Count", float(at_once)),
        }
        _of_function(config, values)
        return result

    def acquired(function: Any, config: Request) -> Any:
        slot, limit = acquire(function, config)
        _of_function(config, {"Throttles": ("Count", float(slot is None))})
        return slot, limit

    lambda_svc._execute_function_dispatch, lambda_svc._acquire_execution_slot = dispatched, acquired
    lambda_svc._emit_lambda_metrics = lambda *_, **__: None


def in_logs() -> None:
    """Metrics in functions' logs (the embedded metric format) are lines like others."""
    emit = lambda_svc._emit_lambda_logs

    def emitted(function: Any, request_id: str, text: str, *arguments: Any, **options: Any) -> None:
        if _has_no_log(function.get("config") or function):
            return
        emit(function, request_id, text, *arguments, **options)
        scope = Scope(get_account_id(), get_region())
        for each in measured(text or ""):
            point = Point()
            for value in each.values:
                point.add(value)
            Here.metrics.tell(scope, each.name, point, each.unit, each.at, fine=each.fine)

    lambda_svc._emit_lambda_logs = emitted


def _has_no_log(config: Request) -> bool:
    """Whether a function's group is not there, and its role may not make it: then nothing of it is logged.

    So it is for what still runs when its role has gone, too: it leaves no group behind.
    """
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    if group in cloudwatch_logs._log_groups or ":role/" not in str(config.get("Role")):
        return False
    _, _, _, region, account, *_ = config["FunctionArn"].split(":")
    context = EvalContext(
        principal_arn=config["Role"],
        principal_type="AssumedRole",
        principal_account=account,
        action="logs:CreateLogGroup",
        resource_arn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
        region=region,
        service_context={},
    )
    policies = iam_evaluator._gather_role_policies(config["Role"].rpartition("/")[2], account)
    return bool(iam_evaluator.evaluate(context, policies).decision != "Allow")


def _of_function(config: Request, values: dict[str, tuple[str, float]]) -> None:
    """Count for all functions of the region, for this one, and for the version or alias that was called."""
    name, (_, _, _, region, account, _, _, *qualifier) = config["FunctionName"], config["FunctionArn"].split(":")
    sets = [{}, {"FunctionName": name}]
    if qualifier and qualifier != ["$LATEST"]:
        sets.append({"FunctionName": name, "Resource": f"{name}:{qualifier[0]}"})
    for metric, (unit, value) in values.items():
        for each in sets:
            Here.metrics.count(Scope(account, region), Name.of("AWS/Lambda", metric, each), value, unit)


def _recorded(
    namespace: str, metric: str, value: float, unit: str = "None", dimensions: dict[str, str] | None = None
) -> None:
    """What another of the emulator's services measures."""
    scope = Scope(get_account_id(), get_region())
    Here.metrics.count(scope, Name.of(namespace, metric, dimensions or {}), value, unit)


def _answered(answer: Callable[[Scope, Request], Request]) -> Callable[..., Answer]:
    """An operation in each of the service's protocols."""

    def answered(parameters: Any, request: Request, is_cbor: bool, is_json: bool = False) -> Answer:
        told = request if is_cbor or is_json else from_query(parameters)
        try:
            found = answer(Scope(get_account_id(), get_region()), told)
        except _Refused as refused:
            error: Answer = cloudwatch._error(refused.code, str(refused), 400, use_json=is_json, use_cbor=is_cbor)
            return error
        return as_told(answer.__name__, found, is_cbor=is_cbor, is_json=is_json)

    return answered


def PutMetricData(scope: Scope, request: Request) -> Request:  # noqa: N802 - the operation's name
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html."""
    namespace = str(request.get("Namespace") or "")
    if not namespace or namespace.startswith("AWS/"):
        raise _Refused("InvalidParameterValue", f"The value {namespace} for parameter Namespace is invalid.")
    for datum in request.get("MetricData") or ():
        name = Name.of(namespace, datum["MetricName"], dimensions(datum.get("Dimensions")))
        at = cloudwatch._parse_ts(datum.get("Timestamp")) or Here.clock.now()
        fine = int(datum.get("StorageResolution") or 60) == 1
        Here.metrics.keep(scope, name, _point(datum), datum.get("Unit") or "None", at, fine=fine)
    return {}


def _point(datum: Request) -> Point:
    point = Point()
    if datum.get("StatisticValues"):
        told = {name: float(value) for name, value in datum["StatisticValues"].items()}
        point.add_set(told["SampleCount"], told["Sum"], told["Minimum"], told["Maximum"])
        return point
    values = datum.get("Values") or [datum.get("Value") or 0.0]
    counts = datum.get("Counts") or [1.0] * len(values)
    if len(values) != len(counts):
        raise _Refused("InvalidParameterValue", "The parameters Values and Counts must be of the same size.")
    for value, count in zip(values, counts, strict=True):
        if not math.isfinite(float(value)):
            raise _Refused("InvalidParameterValue", f"The value {value} for parameter MetricData is invalid.")
        point.add(float(value), float(count))
    return point


def GetMetricStatistics(scope: Scope, request: Request) -> Request:  # noqa: N802 - the operation's name
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html."""
    name = Name.of(request["Namespace"], request["MetricName"], dimensions(request.get("Dimensions")))
    plain, extended = request.get("Statistics") or (), request.get("ExtendedStatistics") or ()
    if not plain and not extended:
        raise _Refused("InvalidParameterCombination", "At least one of Statistics and ExtendedStatistics is needed.")
    series = Here.metrics.find(scope, name)
    points = _read(scope, name, request, int(request["Period"]))
    if series is None or request.get("Unit") not in {None, series.unit}:
        points = {}
    found = []
    for start, point in points.items():
        datapoint: Request = {"Timestamp": float(start), "Unit": series.unit if series else "None"}
        datapoint |= {each: point.statistic(each) for each in plain}
        ranks = {each: value for each in extended if (value := point.statistic(each)) is not None}
        found.append(datapoint | ({"ExtendedStatistics": ranks} if ranks else {}))
    return {"Label": name.metric, "Datapoints": found}


def GetMetricData(scope: Scope, request: Request) -> Request:  # noqa: N802 - the operation's name
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html."""
    ascending = request.get("ScanBy") == "TimestampAscending"
    told = request.get("MetricDataQueries") or ()
    try:
        queries = Queries.of(told)
        periods = {each["Id"]: queries.period(each["Id"]) for each in told}
    except UnknownExpression as unknown:
        raise _Refused("ValidationError", f"The parameter MetricDataQueries: {unknown}") from None

    def values(measured: MetricStat) -> Values:
        points = _read(scope, measured.name, request, measured.period)
        statistics = ((start, point.statistic(measured.statistic)) for start, point in points.items())
        return {start: value for start, value in statistics if value is not None}

    results = []
    for query in told:
        name = query["Id"]
        if query.get("ReturnData") in {False, "false"}:
            continue
        start, end = _span(request, periods[name])
        found = queries.values(name, values, range(start, math.ceil(end), periods[name]))
        ordered = {float(start): found[start] for start in sorted(found, reverse=not ascending)}
        label = query.get("Label") or (queries.measured[name].name.metric if name in queries.measured else name)
        results.append({"Id": name, "Label": label, "StatusCode": "Complete", **_series(ordered)})
    return {"MetricDataResults": results}


def _series(values: dict[float, float]) -> Request:
    return {"Timestamps": list(values), "Values": list(values.values())}


def ListMetrics(scope: Scope, request: Request) -> Request:  # noqa: N802 - the operation's name
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html."""
    start = int(json.loads(request.get("NextToken") or "0"))
    found = list(_listed(scope, request))
    answer: Request = {"Metrics": found[start : start + PAGE]}
    return answer | ({"NextToken": str(start + PAGE)} if start + PAGE < len(found) else {})


def _listed(scope: Scope, request: Request) -> Iterator[Request]:
    wanted = {each["Name"]: each.get("Value") for each in request.get("Dimensions") or ()}
    for name, _ in Here.metrics.all_of(scope):
        has = dict(name.dimensions)
        if (
            request.get("Namespace") in {None, "", name.namespace}
            and request.get("MetricName") in {None, "", name.metric}
            and all(key in has and value in {None, "", has[key]} for key, value in wanted.items())
        ):
            listed = [{"Name": key, "Value": value} for key, value in has.items()]
            yield {"Namespace": name.namespace, "MetricName": name.metric, "Dimensions": listed}


def _read(scope: Scope, name: Name, request: Request, period: int) -> dict[int, Point]:
    statistics = [*(request.get("Statistics") or ()), *(request.get("ExtendedStatistics") or ())]
    for each in statistics:
        if not known(each):
            raise _Refused("InvalidParameterValue", f"The value {each} for parameter Statistics is invalid.")
    start, end = _span(request, period)
    return Here.metrics.read(scope, name, start, end, period)


def _span(request: Request, period: int) -> tuple[int, float]:
    """The moments of a request, the first of them at the beginning of a period of so many seconds."""
    if period not in FINE_PERIODS and (period < MINUTE or period % MINUTE):
        raise _Refused(
            "InvalidParameterValue", f"The parameter Period is no multiple of {MINUTE} and not 1, 5, 10, 30."
        )
    start, end = (cloudwatch._parse_ts(request.get(each)) for each in ("StartTime", "EndTime"))
    if start is None or end is None or start >= end:
        raise _Refused("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    return int(start // period * period), end
