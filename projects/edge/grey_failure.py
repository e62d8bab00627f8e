"""What health checks of answers follow: alarms that say that payments fail while health is green."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypedDict

import pulumi

from shared import naming
from shared.components.function import live_dimensions
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
        yield from _shares(primary, grey, compute.rest_api, compute.payment_function_name)
    if compute.load_balancer is not None:
        yield from _counts(primary, grey, compute.load_balancer, compute.payment_function_name)


def _shares(
    primary: Region, grey: GreyFailureSettings, api: RestApiOutputs, function: pulumi.Input[str]
) -> Iterator[tuple[str, str, Followed, Dimensions]]:
    """Averages of 0 and 1 are shares. Each is of what another cannot hide.

    - errors: of all answers of the paying route (the stage's share is diluted by the health checkers' own). It sees all
      kinds of failure, and 4XX hide them: 429 in a storm of retries, 401 of whoever has no key.
    - unserved-payments: of what known clients were answered. It sees no function that ends without an answer.
    - crashes: of those, among all that the function was called for, which what the API refuses is not.

    Source: API Gateway Developer Guide, "Amazon API Gateway dimensions and metrics": an average's "denominator
    corresponds to the Count metric", which is of all requests.
    """
    share = (grey.error_percent or 0) / 100
    yield (
        "errors",
        "Health is green and payments fail",
        _alarm("AWS/ApiGateway", "5XXError", "Average", share, grey.periods),
        {"ApiName": api.name, "Stage": api.stage_name, **naming.PAYMENT_ROUTE},
    )
    yield (
        "unserved-payments",
        "Health is green and known clients' payments are answered 5XX, whatever others are answered",
        _alarm("Payments", "PaymentsUnserved", "Average", share, grey.periods),
        _of_primary(primary),
    )
    yield (
        "crashes",
        "Health is green and the function ends payments without an answer, whatever the API refuses",
        _alarm("AWS/Lambda", "Errors", "Average", share, grey.periods),
        live_dimensions(function),
    )


def _of_primary(primary: Region) -> Dimensions:
    """Those of the metrics that the primary's functions report."""
    foundation = primary.foundation
    return {"Environment": foundation.name, "Suffix": foundation.suffix, "Role": PRIMARY}


def _counts(
    primary: Region, grey: GreyFailureSettings, balancer: LoadBalancerOutputs, function: pulumi.Input[str]
) -> Iterator[tuple[str, str, Followed, Dimensions]]:
    """What a load balancer counts of the function's answers, and Lambda of its failures.

    Not the load balancer's own 5XX, nor its errors of targets: a request's form alone makes some of them (501, 505, and
    LambdaUserError of a body over 1 MB), and a flood that Lambda refuses the others, for which nobody needs a key.
    Sources: Application Load Balancer User Guide, "CloudWatch metrics", "Troubleshoot your Application Load Balancers".
    """
    errors = float(grey.errors_a_minute or 0)
    yield (
        "target-errors",
        f"Health is green and the function answers {errors:g} payments a minute and more with 5XX",
        _alarm("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", errors, grey.periods),
        {"LoadBalancer": balancer.dimension, "TargetGroup": balancer.payment_targets_dimension},
    )
    yield (
        "crashes",
        f"Health is green and the function ends {errors:g} payments a minute and more without an answer",
        _alarm("AWS/Lambda", "Errors", "Sum", errors, grey.periods),
        live_dimensions(function),
    )
    # Below that number the probes tell, of which there are few: what fails for them here and not in the other region.
    yield (
        "probe-failures",
        "The primary's canary cannot pay in the primary, and can in the secondary",
        _alarm("Payments", "OnlyPrimaryUnserved", "Minimum", PROBES_FAIL, grey.periods),
        _of_primary(primary),
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
