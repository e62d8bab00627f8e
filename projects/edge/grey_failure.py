"""What health checks of answers follow: alarms that say that payments fail while health is green."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypedDict

import pulumi

from shared import naming
from shared.components.regions import Region
from shared.contracts import ComputeOutputs, LoadBalancerOutputs, RestApiOutputs
from shared.environment_sections import GreyFailureSettings
from shared.roles import PRIMARY

MINUTE = 60
PROBES_FAIL = 1
"""The canary's metric is 0 or 1."""


class Followed(TypedDict):
    """What such a check can follow: one metric, a plain statistic, no M out of N (Route 53 Developer Guide)."""

    namespace: str
    metric_name: str
    statistic: str
    period: int
    evaluation_periods: int
    threshold: float
    comparison_operator: str
    treat_missing_data: str


Dimensions = Mapping[str, pulumi.Input[str]]


def followed(
    primary: Region, grey: GreyFailureSettings, compute: ComputeOutputs
) -> Iterator[tuple[str, str, Followed, Dimensions]]:
    """Each check by its name in `shared.grey_failure.CHECKS`: why it is red, its alarm, and the metric's dimensions."""
    if compute.rest_api is not None:
        yield "errors", "Health is green and payments fail", *_share(grey, compute.rest_api)
    if compute.load_balancer is not None:
        yield from _counts(primary, grey, compute.load_balancer)


def _share(grey: GreyFailureSettings, api: RestApiOutputs) -> tuple[Followed, Dimensions]:
    # Of the paying route alone: the stage's share is diluted by the health checkers' own answers. An average of 0 and 1
    # for each request is the share of errors.
    alarm = _alarm("AWS/ApiGateway", "5XXError", "Average", (grey.error_percent or 0) / 100, grey.periods)
    return alarm, {"ApiName": api.name, "Stage": api.stage_name, **naming.PAYMENT_ROUTE}


def _counts(
    primary: Region, grey: GreyFailureSettings, balancer: LoadBalancerOutputs
) -> Iterator[tuple[str, str, Followed, Dimensions]]:
    """A load balancer counts the function's errors by its targets, and its own (502 of a failed function) for all."""
    errors = float(grey.errors_a_minute or 0)
    balancers: Dimensions = {"LoadBalancer": balancer.dimension}
    yield (
        "target-errors",
        f"Health is green and the function answers {errors:g} payments a minute and more with 5XX",
        _alarm("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", errors, grey.periods),
        {**balancers, "TargetGroup": balancer.payment_targets_dimension},
    )
    yield (
        "load-balancer-errors",
        f"The load balancer itself answers {errors:g} requests a minute and more with 5XX: functions fail",
        _alarm("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", errors, grey.periods),
        balancers,
    )
    # Below that number the probes tell, of which there are few: what fails for them here and not in the other region.
    foundation = primary.foundation
    yield (
        "probe-failures",
        "The primary's canary cannot pay in the primary, and can in the secondary",
        _alarm("Payments", "OnlyPrimaryUnserved", "Minimum", PROBES_FAIL, grey.periods),
        {"Environment": foundation.name, "Suffix": foundation.suffix, "Role": PRIMARY},
    )


def _alarm(namespace: str, metric: str, statistic: str, threshold: float, periods: int) -> Followed:
    return {
        "namespace": namespace,
        "metric_name": metric,
        "statistic": statistic,
        "period": MINUTE,
        "evaluation_periods": periods,
        "threshold": threshold,
        "comparison_operator": "GreaterThanOrEqualToThreshold",
        "treat_missing_data": "notBreaching",
    }
