"""Which metrics count the answers to payments in a region, found without any stack's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import naming

if TYPE_CHECKING:
    from shared.environment import Environment
    from shared.roles import Role

Metric = Mapping[str, str]


@dataclass(frozen=True)
class Answers:
    """Metrics as CloudWatch takes them, each by the sum: all answers to payments, and those that failed."""

    dimensions: Mapping[str, str]
    all: Sequence[Metric]
    failed: Sequence[Metric]


def answers_of(environment: Environment, role: Role, client: Callable[[str], Any]) -> Answers:
    """Those of the region of `role`. `client`: the SDK's client of a service there, whose errors are its caller's.

    A REST API's metrics have its name; a load balancer's have an id of AWS's, so it is looked up by its name.
    """
    names = environment.foundation().names
    if environment.entry_point == "rest-api":
        dimensions = {"ApiName": names.of(naming.PAYMENT_API, role), "Stage": naming.STAGE, **naming.PAYMENT_ROUTE}
        return Answers(dimensions, _named("AWS/ApiGateway", "Count"), _named("AWS/ApiGateway", "5XXError"))
    elb = client("elbv2")
    (balancer,) = elb.describe_load_balancers(Names=[names.of(naming.LOAD_BALANCER, role)])["LoadBalancers"]
    (targets,) = elb.describe_target_groups(Names=[names.of(naming.PAYMENT_TARGETS, role)])["TargetGroups"]
    dimensions = {
        "LoadBalancer": balancer["LoadBalancerArn"].partition("loadbalancer/")[2],
        "TargetGroup": targets["TargetGroupArn"].rpartition(":")[2],
    }
    return Answers(
        dimensions,
        _named("AWS/ApplicationELB", "RequestCount"),
        _named("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LambdaUserError", "LambdaInternalError"),
    )


def _named(namespace: str, *metrics: str) -> Sequence[Metric]:
    return [{"Namespace": namespace, "MetricName": metric} for metric in metrics]
