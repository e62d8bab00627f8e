"""Functions, what they may do, and what calls them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from orchestration.aws import or_none
from orchestration.pairs import parsed
from orchestration.readiness.alike.network import security_groups
from orchestration.readiness.alike.seen import Found, only, ours, purpose_of
from orchestration.readiness.facts import Examined
from shared import naming
from shared.roles import Role

NONE: Final = "ResourceNotFoundException"
ASYNCHRONOUS: Final = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
EVENT_SOURCE: Final = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "FunctionResponseTypes",
    "FilterCriteria",
    "ScalingConfig",
    "State",
    "FunctionArn",
)


def functions(examined: Examined, role: Role) -> Found:
    """The versions that serve. The numbers of versions differ: each region counts its own."""
    groups = security_groups(examined, role)
    for purpose, each in _listed(examined, role):
        name = {"FunctionName": each["FunctionName"]}
        live = examined.called("lambda", role, "get_function_configuration", **name, Qualifier=naming.LIVE)
        kept = ("CodeSha256", "Environment", "Handler", "Layers", "MemorySize", "Runtime", "Timeout", "TracingConfig")
        vpc = live.get("VpcConfig") or {}
        yield (
            "Function",
            purpose,
            {
                **only(live, *kept, "Architectures", "EphemeralStorage"),
                "ReservedConcurrentExecutions": examined.called("lambda", role, "get_function_concurrency", **name).get(
                    "ReservedConcurrentExecutions"
                ),
                "Subnets": len(vpc.get("SubnetIds", ())),
                "SecurityGroups": [groups.get(one, one) for one in vpc.get("SecurityGroupIds", ())],
            },
        )


def roles(examined: Examined, role: Role) -> Found:
    """Who may take a function's role on, and what that may do: inline, by policies of others, within which boundary."""
    for purpose, each in _listed(examined, role):
        place = {"RoleName": each["Role"].rpartition("/")[2]}
        told = examined.called("iam", role, "get_role", **place)["Role"]
        inline = examined.listed("iam", role, "list_role_policies", "PolicyNames", **place)
        attached = examined.listed("iam", role, "list_attached_role_policies", "AttachedPolicies", **place)
        yield (
            "Role",
            purpose,
            {
                **only(told, "AssumeRolePolicyDocument", "MaxSessionDuration", "PermissionsBoundary"),
                "inline": {name: _inline(examined, role, name, place) for name in inline},
                "attached": {one["PolicyArn"]: one["PolicyName"] for one in attached},
            },
        )


def _inline(examined: Examined, role: Role, name: str, place: dict[str, str]) -> Any:
    return examined.called("iam", role, "get_role_policy", **place, PolicyName=name)["PolicyDocument"]


def callers(examined: Examined, role: Role) -> Found:
    """Who may call what serves, what becomes of an asynchronous call, and the queues that functions read."""
    names = set()
    for purpose, each in _listed(examined, role):
        name = {"FunctionName": each["FunctionName"]}
        names.add(each["FunctionName"])
        listed = examined.listed(
            "lambda", role, "list_function_event_invoke_configs", "FunctionEventInvokeConfigs", **name
        )
        asynchronous = {one["FunctionArn"].rpartition(":")[2]: only(one, *ASYNCHRONOUS) for one in listed}
        allowed = _allowed(examined, role, each["FunctionName"])
        yield "Function", purpose, {"allowed": allowed, "asynchronous": asynchronous}
    for each in examined.listed("lambda", role, "list_event_source_mappings", "EventSourceMappings"):
        if each["FunctionArn"].split(":")[6] in names:
            source = each.get("EventSourceArn", "")
            queue = purpose_of(examined, role, naming.NOTIFICATION_QUEUE, source.rpartition(":")[2])
            yield "EventSourceMapping", queue or source, only(each, *EVENT_SOURCE)


def _allowed(examined: Examined, role: Role, function: str) -> dict[str, Any]:
    """The statements of the policy of what serves, by their names: they are in the order in which they were made."""
    arguments = {"FunctionName": function, "Qualifier": naming.LIVE}
    told = or_none(lambda: examined.called("lambda", role, "get_policy", **arguments), NONE)
    statements = parsed(told["Policy"])["Statement"] if told else []
    return {each.get("Sid", ""): each for each in statements}


def schedules(examined: Examined, role: Role) -> Found:
    listed = examined.listed("events", role, "list_rules", "Rules")
    for purpose, each in ours(examined, role, naming.SWEEP_RULE, listed, "Name"):
        yield "EventRule", purpose, only(each, "ScheduleExpression", "State", "EventPattern")


def _listed(examined: Examined, role: Role) -> Iterator[tuple[str, Any]]:
    listed = examined.listed("lambda", role, "list_functions", "Functions")
    return ours(examined, role, naming.PAYMENT_FUNCTION, listed, "FunctionName")
