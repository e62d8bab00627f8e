"""Asks both regions, before a deployment changes anything, whether there is room in the account for what it will make.

A quota that is met half way leaves half an environment, and a missing role of the account a stage without access logs.
Only what would be made anew is asked for, all at once, and only in the regions of the run's own stacks: where code
alone changes, nothing is asked. What cannot be known stops nobody: AWS would refuse it later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.aws import Aws
from orchestration.questions import Question, answered
from orchestration.quotas import (
    ACCOUNT,
    CONCURRENCY,
    FUNCTION,
    GLOBAL_REGION,
    MADE_BY_BOOTSTRAP,
    QUOTAS,
    STAGE,
    THROTTLE,
    ZONE,
    AccountQuota,
    OfRoute53,
    zones_named,
)
from shared import grey_failure
from shared.contracts import DEPLOYED_AS
from shared.deployed_as import moved, place
from shared.environment_sections import UNRESERVED_CONCURRENCY
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY, Role

if TYPE_CHECKING:
    from engine.backend import Checkpoint
    from orchestration.plan import Plan
    from orchestration.target import Target
    from shared.environment import Environment
    from shared.stack import Stack

DEADLINE = 30.0
"""Seconds for all questions together."""


class NoRoom(Problem):
    """A deployment that has changed nothing, because AWS would refuse a part of it."""


def wanted(environment: Environment, stack: Stack) -> Counter[tuple[str, Role]]:
    """What a stack has of each type, by the role of the region that it is in."""
    by_api = environment.entry_point == "rest-api"
    alone = {
        "network": {"aws:ec2/vpc:Vpc": 1, "aws:ec2/internetGateway:InternetGateway": 0 if by_api else 1},
        "compute": {STAGE: 1} if by_api else {"aws:lb/loadBalancer:LoadBalancer": 1},
        "observability": {"aws:synthetics/canary:Canary": 2 if stack.role == SECONDARY else 1},
    }
    if stack.role is not None:
        found = alone.get(stack.layer, {})
        return Counter({(kind, stack.role): number for kind, number in found.items() if number})
    if stack.layer != "edge":
        return Counter()
    names = {("aws:apigateway/domainName:DomainName", role): 2 for role in ROLES} if by_api else {}
    checks = 5 + len(grey_failure.CHECKS[environment.entry_point])  # health three times, the stop switch, the gate
    zones = {} if environment.edge.zone_id else {(ZONE, PRIMARY): 1}
    return Counter({**names, **zones, ("aws:route53/healthCheck:HealthCheck", PRIMARY): checks})


def reservations(environment: Environment, stack: Stack) -> Counter[Role]:
    """The concurrent executions that a stack's functions reserve, by the role of their region."""
    compute = environment.compute
    of_layer = {
        "compute": (compute.payment, compute.health, compute.audit),
        "observability": (environment.observability.canary,),
    }
    if stack.layer == "edge":
        return Counter({SECONDARY: environment.edge.failover_control.reserved_concurrency or 0})
    if stack.role is None:
        return Counter()
    return Counter({stack.role: sum(each.reserved_concurrency or 0 for each in of_layer.get(stack.layer, ()))})


@dataclass(frozen=True)
class Missing:
    """What a run would make in one region beyond what is there, and for which of its stacks."""

    numbers: Mapping[tuple[str, Role], int]
    """By type and role; of a function its reserved executions."""
    stacks: Mapping[tuple[str, Role], str]


def missing(
    environment: Environment, stacks: Iterable[Stack], checkpoint: Callable[[Stack], Checkpoint | None]
) -> Missing:
    """Compare what the stacks are to have with what their states say that they have.

    What moves is made anew while the old is still there.
    """
    foundation = environment.foundation()
    numbers: Counter[tuple[str, Role]] = Counter()
    found: dict[tuple[str, Role], str] = {}
    for stack in stacks:
        to_have = wanted(environment, stack)
        to_have.update({(FUNCTION, role): number for role, number in reservations(environment, stack).items()})
        state = checkpoint(stack)
        moves = state and moved(state.outputs.get(DEPLOYED_AS), place(foundation, stack.role))
        there = _there(stack, None if moves else state)
        for key, number in to_have.items():
            numbers[key] += number - there[key]
            if number > there[key]:
                found.setdefault(key, str(stack))
    return Missing({key: number for key, number in numbers.items() if number > 0}, found)


def _role(stack: Stack, kind: str, provider: str) -> Role:
    """Where a resource is: that of its stack, or in a stack of both regions that of its provider."""
    if stack.role is not None:
        return stack.role
    return SECONDARY if f"::aws-{SECONDARY}::" in provider and not kind.startswith("aws:route53/") else PRIMARY


def _there(stack: Stack, state: Checkpoint | None) -> Counter[tuple[str, Role]]:
    found: Counter[tuple[str, Role]] = Counter()
    for each in state.resources if state else ():
        kind, provider = str(each["type"]), str(each.get("provider"))
        role = _role(stack, kind, provider)
        reserved = int((each.get("inputs") or {}).get("reservedConcurrentExecutions", -1)) if kind == FUNCTION else 1
        found[kind, role] += max(reserved, 0)
    return found


def refusals(
    plan: Plan,
    target: Target,
    environment: Environment,
    tell: Callable[[str], None],
    *,
    deadline: float = DEADLINE,
) -> list[str]:
    """Why AWS would refuse a part of the run, and what to do about it: a line for each reason."""
    stacks = [step.stack for step in plan.steps if not step.fresh]
    lacks = missing(environment, stacks, target.backend.checkpoint)
    questions = list(_questions(lacks, Aws(target.cli.variables), environment))
    rows = answered(questions, deadline) if questions else []
    for row in rows:
        if not row.known:
            tell(f"whether there is room for {row.what} in {row.asked} is {row.said}")
    return [row.said for row in rows if row.known and row.said]


@dataclass(frozen=True)
class Shortage:
    """A quota that does not suffice for what would be made."""

    said: str
    """In a line, with what to do."""
    quota: AccountQuota
    region: str
    """Where Service Quotas is to be asked for more."""
    needed: int
    """The quota that would suffice."""


@dataclass(frozen=True)
class RoomQuestion:
    """Whether a quota suffices. `ask` raises what the SDK raises."""

    what: str
    where: str
    ask: Callable[[], Shortage | None]


def room(lacks: Missing, aws: Aws, environment: Environment) -> Iterator[RoomQuestion]:
    """What to ask of the quotas."""
    quotas = {quota.resource: quota for quota in QUOTAS}
    for (kind, role), number in lacks.numbers.items():
        region, stack = environment.region(role), lacks.stacks[kind, role]
        if kind == FUNCTION:
            yield RoomQuestion("reserved executions", region, _executions(aws, region, stack, number))
        elif kind == STAGE:
            yield RoomQuestion("requests a second", region, _requests(aws, region, environment))
        else:
            where = ACCOUNT if isinstance(quotas[kind], OfRoute53) else region
            yield RoomQuestion(quotas[kind].what, where, _room(quotas[kind], aws, region, stack, number))


def _questions(lacks: Missing, aws: Aws, environment: Environment) -> Iterator[Question]:
    for each in room(lacks, aws, environment):
        yield Question(each.what, each.where, _said(each.ask))
    for kind, role in lacks.numbers:
        region = environment.region(role)
        if kind == STAGE:
            yield Question("access logs", region, _log_role(aws, region, lacks.stacks[kind, role]))
        elif kind == ZONE:
            yield Question("another zone", ACCOUNT, _another_zone(aws, environment))


def _said(ask: Callable[[], Shortage | None]) -> Callable[[], str]:
    return lambda: found.said if (found := ask()) else ""


def _room(quota: AccountQuota, aws: Aws, region: str, stack: str, number: int) -> Callable[[], Shortage | None]:
    def ask() -> Shortage | None:
        if isinstance(quota, OfRoute53):
            (limit, used), where, place = quota.both(aws), ACCOUNT, GLOBAL_REGION
        else:
            used, where, place = quota.used(aws, region), region, region
            limit = quota.default if used + number <= quota.default else quota.limit(aws, region)
        if used + number <= limit:
            return None
        said = (
            f"{quota.what} in {where}: {used} of {limit} are in use, and {stack} makes {number}: delete some, or ask "
            f"for more: {quota.more(place, used + number)}"
        )
        return Shortage(said, quota, place, used + number)

    return ask


def _executions(aws: Aws, region: str, stack: str, number: int) -> Callable[[], Shortage | None]:
    """Lambda tells what is unreserved itself (GetAccountSettings)."""

    def ask() -> Shortage | None:
        limits = aws.client("lambda", region).get_account_settings()["AccountLimit"]
        limit, free = int(limits["ConcurrentExecutions"]), int(limits["UnreservedConcurrentExecutions"])
        if free - number >= UNRESERVED_CONCURRENCY:
            return None
        needed = limit - free + number + UNRESERVED_CONCURRENCY
        said = (
            f"concurrent executions in {region}: {free} of {limit} are unreserved, of which {UNRESERVED_CONCURRENCY} "
            f"must stay so, and {stack} reserves {number}: reserve less in environments/, or ask for more: "
            f"{CONCURRENCY.more(region, needed)}"
        )
        return Shortage(said, CONCURRENCY, region, needed)

    return ask


def _requests(aws: Aws, region: str, environment: Environment) -> Callable[[], Shortage | None]:
    """API Gateway tells its own throttle for the account in a region (GetAccount)."""

    def ask() -> Shortage | None:
        found = aws.client("apigateway", region).get_account()
        throttle, most = environment.compute.throttle, (found.get("throttleSettings") or {}).get("rateLimit")
        if not throttle or most is None or throttle.total.requests_per_second <= most:
            return None
        needed = throttle.total.requests_per_second
        said = (
            f"API Gateway in {region} lets {most:g} requests a second through for the whole account, and "
            f"compute.throttle is {needed} in all: lower it, or ask for more: {THROTTLE.more(region, needed)}"
        )
        return Shortage(said, THROTTLE, region, needed)

    return ask


def _log_role(aws: Aws, region: str, stack: str) -> Callable[[], str]:
    """API Gateway writes access logs by one role of the account, which each region is told."""

    def ask() -> str:
        if aws.client("apigateway", region).get_account().get("cloudwatchRoleArn"):
            return ""
        return (
            f"API Gateway in {region} has no role to write access logs with, and {stack} asks for them: ./invoke "
            f"bootstrap gives it one; by hand: aws apigateway update-account --region {region} --patch-operations "
            "op=replace,path=/cloudwatchRoleArn,value=<role>, a role that trusts apigateway.amazonaws.com with the "
            "policy AmazonAPIGatewayPushToCloudWatchLogs"
        )

    return ask


def _another_zone(aws: Aws, environment: Environment) -> Callable[[], str]:
    """Two zones of one name look alike, and the parent leads to one of them."""

    def ask() -> str:
        name = environment.foundation().zone_name
        for each in zones_named(aws, name) if not environment.edge.parent_zone_id else ():
            if MADE_BY_BOOTSTRAP in str(each["Config"].get("Comment")):
                identifier = str(each["Id"]).rpartition("/")[2]
                return (
                    f"./invoke bootstrap has made the zone {name}, and edge would make another of that name: set "
                    f"edge.zone_id: {identifier} in environments/{environment.name}.yaml, or delete it: aws route53 "
                    f"delete-hosted-zone --id {identifier}"
                )
        return ""

    return ask
