"""What is watched of the answers that clients get, by what they come by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from projects.observability.alarm_rule import (
    FIVE_MINUTES,
    MILLISECONDS,
    SLOWEST,
    AlarmRule,
    Metric,
    MetricMath,
    Text,
    Watched,
    slow_share,
)
from shared import naming
from shared.contracts import LoadBalancerOutputs, RestApiOutputs
from shared.environment_sections import ObservabilitySettings


def entry_point_rules(settings: ObservabilitySettings, watched: Watched) -> Iterator[AlarmRule]:
    """Latency and errors, of the REST API or the load balancer.

    Rates are of the paying route: among all answers, the health checkers' 128 quick and good ones a minute hide what
    fewer payments suffer. A count is not diluted, and takes in every route.
    """
    compute = watched.compute
    if compute.rest_api is not None:
        latency, rate, errors = _of_rest_api(compute.rest_api, settings.latency_ms)
    elif compute.load_balancer is not None:
        latency, rate, errors = _of_load_balancer(compute.load_balancer, settings.latency_ms / MILLISECONDS)
    else:
        return
    yield AlarmRule(
        "latency",
        f"Over 1 % of payments, and four a minute at least, take over {settings.latency_ms} ms",
        latency,
        SLOWEST,
        evaluations=3,
        degrades=True,
    )
    yield AlarmRule(
        "error-rate",
        f"Over {settings.error_percent:g} % of answers to payments are 5XX",
        rate,
        settings.error_percent / 100,
        evaluations=3,
        degrades=True,
    )
    yield AlarmRule(
        "errors",
        f"More than {settings.errors} answers in five minutes are 5XX",
        errors,
        settings.errors,
        FIVE_MINUTES,
        degrades=True,
    )


Watch = tuple[MetricMath, Metric | MetricMath, Metric | MetricMath]
"""The share of payments that are slow, that of their errors, the number of all errors."""


def _of_rest_api(api: RestApiOutputs, longest: float) -> Watch:
    stage = {"ApiName": api.name, "Stage": api.stage_name}
    payments: Mapping[str, Text] = {**stage, **naming.PAYMENT_ROUTE}
    return (
        slow_share(Metric("AWS/ApiGateway", "Latency", payments, ""), longest),
        Metric("AWS/ApiGateway", "5XXError", payments, "Average"),  # of 0 and 1 for each request
        Metric("AWS/ApiGateway", "5XXError", stage, "Sum"),
    )


def _of_load_balancer(balancer: LoadBalancerOutputs, longest: float) -> Watch:
    """Elastic Load Balancing tells an error's number only where there is one, and a failed function's by its targets.

    A function that fails is LambdaUserError, also one that is throttled; Lambda itself that fails, or is not reached,
    is LambdaInternalError.
    Source: Elastic Load Balancing User Guide, "CloudWatch metrics for your Application Load Balancer".
    """
    of_all: Mapping[str, Text] = {"LoadBalancer": balancer.dimension}
    of_payments: Mapping[str, Text] = {**of_all, "TargetGroup": balancer.payment_targets_dimension}

    def number(name: str, dimensions: Mapping[str, Text]) -> Metric:
        return Metric("AWS/ApplicationELB", name, dimensions, "Sum")

    return (
        slow_share(Metric("AWS/ApplicationELB", "TargetResponseTime", of_payments, ""), longest),
        MetricMath(
            "(FILL(answered, 0) + FILL(crashed, 0) + FILL(broken, 0)) / requests",
            {
                "answered": number("HTTPCode_Target_5XX_Count", of_payments),
                "crashed": number("LambdaUserError", of_payments),
                "broken": number("LambdaInternalError", of_payments),
                "requests": number("RequestCount", of_payments),
            },
        ),
        MetricMath(
            "FILL(answered, 0) + FILL(own, 0)",
            {
                "answered": number("HTTPCode_Target_5XX_Count", of_all),
                "own": number("HTTPCode_ELB_5XX_Count", of_all),
            },
        ),
    )
