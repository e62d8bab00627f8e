"""Asks who serves before a deployment: the stop switch by the secondary's S3 and both regions' /health, all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from orchestration.api import entry, unhealthy
from orchestration.aws import Aws, account_id
from orchestration.lever import Lever
from orchestration.questions import Question, answered
from orchestration.serving import WhoServes, require_another
from orchestration.situation import DEADLINE
from shared.contracts import DEPLOYED_AS
from shared.deployed_as import moved, place
from shared.errors import Problem
from shared.roles import ROLES, SECONDARY, Role

if TYPE_CHECKING:
    from orchestration.graph import Graph
    from orchestration.target import Target
    from shared.environment import Environment
    from shared.stack import Stack

CLIENTS_COME_BY = frozenset({"compute", "edge"})
"""The layers without which no region serves."""
TRIES = 6
"""In a row, over some seconds: one may be a cold start, and a busy region misses health's 100 ms now and then."""
PAUSE = 0.5
"""Seconds between them."""
STOPPED, RUNS = "stopped", "runs"


def require_another_region(
    released: Collection[Stack],
    target: Target,
    environment: Environment,
    graph: Graph,
    tell: Callable[[str], None],
    *,
    deadline: float = DEADLINE,
) -> None:
    """Raise OnlyServingRegion when it would be changed. Nothing is asked when no client can be there yet."""
    if not released or not _complete(target, environment, graph):
        return
    switch = Question("stop switch", environment.region(SECONDARY), lambda: _switch(target, environment))
    health = [
        Question(role, environment.region(role), lambda role=role: _health(target, environment, role))  # type: ignore[misc]
        for role in ROLES
    ]
    said, *healths = answered([switch, *health], deadline)
    if not said.known:
        tell(f"whether {environment.region('primary')} (primary) is evacuated is {said.said}")
    healthy = {role for role, row in zip(ROLES, healths, strict=True) if row.known}
    require_another(WhoServes(healthy, said.said == STOPPED), released, environment.region)


def _complete(target: Target, environment: Environment, graph: Graph) -> bool:
    """Whether all that clients come by is deployed to its end, and in the regions of the environment file."""
    foundation = environment.foundation()
    for stack in graph.stacks:
        if stack.layer not in CLIENTS_COME_BY:
            continue
        found = target.backend.checkpoint(stack)
        if not found or not found.outputs or moved(found.outputs.get(DEPLOYED_AS), place(foundation, stack.role)):
            return False
    return True


def _switch(target: Target, environment: Environment) -> str:
    aws, region = Aws(target.cli.variables), environment.region(SECONDARY)
    account = target.account or account_id(aws, region)
    return STOPPED if Lever.of(environment, aws, account).stopped() else RUNS


def _health(target: Target, environment: Environment, role: Role) -> str:
    """Raise Problem when a region does not answer 200, as often as it is asked."""
    way = entry(target.gateways, environment.region(role), environment.foundation().region_names.of(role))
    if said := unhealthy(way, TRIES, PAUSE):
        raise Problem(said)
    return RUNS
