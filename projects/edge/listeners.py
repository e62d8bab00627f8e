"""The names as what both regions' load balancers listen for: HTTPS, and which function answers which path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from projects.edge.answering import Answering
from projects.edge.zone import Zone
from shared.components.regions import Region
from shared.contracts import LoadBalancerOutputs
from shared.roles import ROLES, PerRole, Role

HTTPS = 443
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3, and 1.2 for Route 53's checkers, which speak nothing newer."""

NOT_FOUND = {
    "type": "/problems/not-found",
    "title": "There is no such resource",
    "status": 404,
    "detail": "The API has /payment, /payment/{paymentId} and /health.",
}


@dataclass(frozen=True)
class PathRule:
    """Requests of these paths go to one function, whatever their method: it knows which it has, and answers 405."""

    purpose: str
    priority: int
    paths: Sequence[str]


PAYMENTS = PathRule("pay", 10, ("/payment", "/payment/*"))
HEALTH = PathRule("ask", 20, ("/health",))


def listeners(
    name: str, regions: PerRole[Region], zone: Zone, balancers: PerRole[LoadBalancerOutputs], *, parent: pulumi.Resource
) -> Answering:
    """Let both load balancers answer under the region's certificate, and know nothing but the API's paths."""

    def listen(role: Role) -> None:
        balancer, options = balancers.of(role), regions.of(role).options(parent)
        listener = aws.lb.Listener(
            f"{name}-{role}",
            load_balancer_arn=balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=zone.certificate_arns.of(role),
            default_actions=[
                {
                    "type": "fixed-response",
                    "fixed_response": {
                        # A load balancer takes no other type of JSON, problem details included.
                        "content_type": "application/json",
                        "message_body": json.dumps(NOT_FOUND),
                        "status_code": "404",
                    },
                }
            ],
            opts=options,
        )
        for rule, targets in ((PAYMENTS, balancer.payment_targets_arn), (HEALTH, balancer.health_targets_arn)):
            aws.lb.ListenerRule(
                f"{name}-{rule.purpose}-{role}",
                listener_arn=listener.arn,
                priority=rule.priority,
                conditions=[{"path_pattern": {"values": list(rule.paths)}}],
                actions=[{"type": "forward", "target_group_arn": targets}],
                opts=options,
            )

    foundation = regions.primary.foundation
    for role in ROLES:
        listen(role)
    targets = balancers.map(lambda balancer: balancer.dns_name)
    return Answering(
        failover_name=pulumi.Output.from_input(foundation.failover_name),
        region_names=foundation.region_names.map(pulumi.Output.from_input),
        own_targets=targets,
        shared_targets=targets,
    )
