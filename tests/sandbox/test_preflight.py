"""What a deployment asks of the account before it changes anything, asked of the sandbox's cloud by the SDK itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from orchestration import preflight
from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, make
from sandbox.variables import CREDENTIALS
from shared.environment import Environment

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

ROLE = "/cloudwatchRoleArn"


def refused(cloud: RunningCloud, environment: str) -> list[str]:
    """What a first deployment of an environment is refused for; nothing may be unknown."""
    graph = Graph.of(environment)
    plan = make(Operation.DEPLOY, graph, graph.stacks, lambda _: Judgement(Freshness.STALE, "new"))
    target: Any = SimpleNamespace(
        backend=SimpleNamespace(checkpoint=lambda _: None),
        cli=SimpleNamespace(variables={"AWS_ENDPOINT_URL": cloud.endpoint, **CREDENTIALS}),
    )
    unknown: list[str] = []
    found = preflight.refusals(plan, target, Environment.load(environment), unknown.append)
    assert unknown == []
    return found


def test_both_regions_are_asked_for_what_each_profile_needs(cloud: RunningCloud) -> None:
    gateway, ec2 = cloud.client("apigateway", "us-east-2"), cloud.client("ec2", "us-west-2")
    role = gateway.get_account()["cloudwatchRoleArn"]
    gateway.update_account(patchOperations=[{"op": "replace", "path": ROLE, "value": ""}])
    try:
        said = refused(cloud, "payments")
        assert any("API Gateway in us-east-2 has no role" in each for each in said)
        assert not any("API Gateway in us-east-1" in each for each in said)
    finally:
        gateway.update_account(patchOperations=[{"op": "replace", "path": ROLE, "value": role}])
    assert not any("has no role" in each for each in refused(cloud, "payments"))
    made = [ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"] for number in range(60, 65)]
    try:
        said = refused(cloud, "trading")
        assert any(each.startswith("VPCs in us-west-2: ") and "network/trading-secondary" in each for each in said)
    finally:
        for identifier in made:
            ec2.delete_vpc(VpcId=identifier)
