"""Elastic Load Balancing's API: what load balancers, target groups and listeners say of themselves, and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ministack.services import alb, ec2

from sandbox.cloud.repairs.permissions import allows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Parameters = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]
    Handler = Callable[[Parameters], Answer]

SERVICE = "elasticloadbalancing.amazonaws.com"

LAMBDA_GROUP = {"HealthCheckEnabled": False, "HealthCheckIntervalSeconds": 35, "HealthCheckTimeoutSeconds": 30}
"""A function is not asked for its health unless that is turned on (Elastic Load Balancing User Guide, "Use Lambda
functions as targets", "Enable health checks")."""


def network_of_load_balancers() -> None:
    """A load balancer is in one made-up VPC and one zone, whatever its subnets are."""
    create, shown = alb._ACTION_MAP["CreateLoadBalancer"], alb._lb_xml

    def created(parameters: Parameters) -> Answer:
        subnets = alb._parse_member_list(parameters, "Subnets")
        homes = {found["VpcId"] for subnet in subnets if (found := ec2._subnets.get(subnet))}
        answer: Answer = create(parameters if len(homes) != 1 else {**parameters, "VpcId": [homes.pop()]})
        return answer

    def told(balancer: dict[str, Any]) -> str:
        text = str(shown(balancer))
        for subnet in balancer.get("Subnets", ()):
            if found := ec2._subnets.get(subnet):
                zone = found["AvailabilityZone"]
                text = text.replace(
                    f"<ZoneName>{alb.get_region()}a</ZoneName><SubnetId>{subnet}</SubnetId>",
                    f"<ZoneName>{zone}</ZoneName><SubnetId>{subnet}</SubnetId>",
                )
        return text

    alb._ACTION_MAP["CreateLoadBalancer"], alb._lb_xml = created, told


def target_groups_of_functions() -> None:
    """A target group of a function is told with a port, a protocol and a health check, which it does not have."""
    create, shown = alb._ACTION_MAP["CreateTargetGroup"], alb._tg_xml

    def created(parameters: Parameters) -> Answer:
        answer: Answer = create(parameters)
        if alb._p(parameters, "TargetType") != "lambda" or answer[0] != 200:
            return answer
        group = next(each for each in alb._tgs.values() if each["TargetGroupName"] == alb._p(parameters, "Name"))
        if not alb._p(parameters, "HealthCheckEnabled"):
            group |= LAMBDA_GROUP
        alb._tg_attrs[group["TargetGroupArn"]] = [{"Key": "lambda.multi_value_headers.enabled", "Value": "false"}]
        again: Answer = alb._xml(200, "CreateTargetGroup", f"<TargetGroups>{told(group)}</TargetGroups>")
        return again

    def told(group: dict[str, Any]) -> str:
        text = str(shown(group))
        if group.get("TargetType") == "lambda":
            for name in ("Protocol", "Port", "VpcId", "HealthCheckProtocol", "HealthCheckPort"):
                begin, end = text.find(f"<{name}>"), text.find(f"</{name}>")
                text = text[:begin] + text[end + len(name) + 3 :] if begin >= 0 else text
        return text

    alb._ACTION_MAP["CreateTargetGroup"], alb._tg_xml = created, told


def functions_as_targets() -> None:
    """Any function can be a target: AWS refuses one whose policy does not let the group call it."""
    register = alb._ACTION_MAP["RegisterTargets"]

    def registered(parameters: Parameters) -> Answer:
        group = alb._tgs.get(alb._p(parameters, "TargetGroupArn"))
        if group and group.get("TargetType") == "lambda":
            for target in alb._parse_targets_param(parameters, "Targets"):
                if not allows(target["Id"], SERVICE, source=group["TargetGroupArn"]):
                    message = (
                        f"elasticloadbalancing principal does not have permission to invoke {target['Id']} from target "
                        f"group {group['TargetGroupArn']}"
                    )
                    refused: Answer = alb._error("AccessDenied", message, 403)
                    return refused
        answer: Answer = register(parameters)
        return answer

    alb._ACTION_MAP["RegisterTargets"] = registered


def what_is_in_use() -> None:
    """A group that a listener sends requests to can be deleted, and a deleted load balancer leaves its listeners."""
    delete_group, delete_balancer = alb._ACTION_MAP["DeleteTargetGroup"], alb._ACTION_MAP["DeleteLoadBalancer"]

    def group_deleted(parameters: Parameters) -> Answer:
        arn = alb._p(parameters, "TargetGroupArn")
        if arn in set(_sent_to()):
            message = f"Target group '{arn}' is currently in use by a listener or a rule"
            refused: Answer = alb._error("ResourceInUse", message)
            return refused
        answer: Answer = delete_group(parameters)
        return answer

    def balancer_deleted(parameters: Parameters) -> Answer:
        arn = alb._p(parameters, "LoadBalancerArn")
        protected = {"Key": "deletion_protection.enabled", "Value": "true"}
        if protected in alb._lb_attrs.get(arn, ()):
            message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            refused: Answer = alb._error("OperationNotPermitted", message)
            return refused
        for listener in [each["ListenerArn"] for each in alb._listeners.values() if each["LoadBalancerArn"] == arn]:
            alb._ACTION_MAP["DeleteListener"]({"ListenerArn": [listener]})
        answer: Answer = delete_balancer(parameters)
        return answer

    alb._ACTION_MAP |= {"DeleteTargetGroup": group_deleted, "DeleteLoadBalancer": balancer_deleted}


def _sent_to() -> Iterator[str]:
    for each in (*alb._rules.values(), *alb._listeners.values()):
        for action in each.get("Actions") or each.get("DefaultActions") or ():
            if "TargetGroupArn" in action:
                yield action["TargetGroupArn"]


def fixed_responses() -> None:
    """A fixed response whose body has an ampersand or a bracket makes an answer that is no XML."""
    shown = alb._action_xml

    def told(action: dict[str, Any]) -> str:
        config = action.get("FixedResponseConfig")
        if config:
            action = {**action, "FixedResponseConfig": {**config, "MessageBody": escape(config["MessageBody"])}}
        return str(shown(action))

    alb._action_xml = told
