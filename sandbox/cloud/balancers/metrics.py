"""What is counted of a load balancer's requests, in AWS/ApplicationELB.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html: no zeros are
told ("Minimum, Maximum, and Average all return 1"). Dimensions without an availability zone, as there is none here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sandbox.cloud.watch.here import Here
from sandbox.cloud.watch.metrics import Name, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud.balancers.answers import BalancerAnswer
    from sandbox.cloud.balancers.table import LoadBalancer, TargetGroup

NAMESPACE = "AWS/ApplicationELB"
_OF_ONE_STATUS = frozenset({500, 502, 503, 504})
"""Codes of the load balancer's own that have a metric each."""


OF_LAMBDA = frozenset({"LambdaConnectionError", "LambdaConnectionTimeout", "LambdaServiceException"})
"""Failures that are Lambda's or the way's to it; any other is of the function, or of who calls it.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#error-reason-codes
"""


class Served(NamedTuple):
    """What became of a request."""

    answer: BalancerAnswer
    group: TargetGroup | None = None
    """Whose target was chosen."""
    failure: str = ""
    """Why the function gave no answer; empty when it gave one."""
    seconds: float | None = None
    """That the function took; None when it was not called."""
    fixed: bool = False
    """The answer is one that a rule has."""


def count(balancer: LoadBalancer, outcome: Served) -> None:
    scope = Scope(balancer.account, balancer.region)
    for name, value, unit in measured(balancer, outcome):
        Here.metrics.count(scope, name, value, unit)


def measured(balancer: LoadBalancer, outcome: Served) -> Iterator[tuple[Name, float, str]]:
    """A metric with its dimensions, its value and its unit."""
    group = outcome.group.dimension if outcome.group else ""
    for metric in _counted(outcome):
        yield from ((name, 1.0, "Count") for name in _names(metric, balancer.dimension, group))
    if outcome.seconds is not None:
        names = _names("TargetResponseTime", balancer.dimension, group)
        yield from ((name, outcome.seconds, "Seconds") for name in names)


def _counted(outcome: Served) -> Iterator[str]:
    status = outcome.answer.status
    if outcome.group is not None:
        yield "RequestCount"
    if outcome.failure:
        yield "LambdaInternalError" if outcome.failure in OF_LAMBDA else "LambdaUserError"
    if outcome.group is not None and not outcome.failure:
        yield f"HTTPCode_Target_{status // 100}XX_Count"
        return
    if outcome.fixed:
        yield "HTTP_Fixed_Response_Count"
    if status >= 300:
        yield f"HTTPCode_ELB_{status // 100}XX_Count"
    if status in _OF_ONE_STATUS:
        yield f"HTTPCode_ELB_{status}_Count"


@lru_cache(4096)
def _names(metric: str, balancer: str, group: str) -> tuple[Name, ...]:
    """A metric's sets of dimensions."""
    of_balancer, of_group = {"LoadBalancer": balancer}, {"TargetGroup": group}
    sets: list[dict[str, str]] = [of_balancer]
    if metric in {"LambdaInternalError", "LambdaUserError"}:
        sets = [of_group, of_balancer | of_group]
    elif metric.startswith(("RequestCount", "Target", "HTTPCode_Target")):
        sets = [of_balancer, of_balancer | of_group]
    return tuple(Name.of(NAMESPACE, metric, each) for each in sets)
