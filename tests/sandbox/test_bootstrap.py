"""The bootstrap on the sandbox's cloud: twice, and then stacks are deployed into its bucket with its key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from engine.cli import Cli, CliBackend
from orchestration.bootstrap.command import opened, run
from orchestration.bootstrap.state import deployed
from orchestration.execute import StepStatus
from orchestration.plan import Operation
from orchestration.reach import Reach
from orchestration.teams.roles import ISSUER, Takers
from sandbox.variables import CREDENTIALS
from shared.environment import Environment
from tests.sandbox.house import DATA, NETWORK_2

if TYPE_CHECKING:
    from orchestration.bootstrap.command import BootstrapRow
    from tests.sandbox.conftest import RunningCloud
    from tests.sandbox.house import House


def nobody_is_asked() -> None:
    pytest.fail("something was to be made")


def test_it_makes_what_is_missing_once_and_a_deployment_works_with_it(cloud: RunningCloud, house: House) -> None:
    place = Reach({"AWS_ENDPOINT_URL": cloud.endpoint, **CREDENTIALS}, where="the sandbox", checkers=tuple)
    context = opened(Environment.load("payments"), place, "sandbox")
    gateway, role = cloud.client("apigateway", "us-east-2"), "/cloudwatchRoleArn"
    before = gateway.get_account()["cloudwatchRoleArn"]
    gateway.update_account(patchOperations=[{"op": "replace", "path": role, "value": ""}])
    asked: list[str] = []
    first = {
        (row.what, row.where): row for row in run(context, ask=lambda: asked.append("asked"), check=False) if row.needed
    }
    assert asked == ["asked"]
    made = {key for key, row in first.items() if row.status == "made"}
    assert made >= {("key", "us-west-2"), ("bucket", "us-west-2"), ("role for access logs", "us-east-2")}
    assert {row.status for row in first.values()} == {"there", "made"}
    assert gateway.get_account()["cloudwatchRoleArn"] == before
    second = [row for row in run(context, ask=nobody_is_asked, check=False) if row.needed]
    assert {row.status for row in second} == {"there"}
    assert {row.said for row in second} == {row.said for row in first.values()}

    variables = {name: value for row in second for name, value in row.values.items() if name.startswith("PULUMI_")}
    kept = {name: value for name, value in house.variables.items() if name != "PULUMI_CONFIG_PASSPHRASE"}
    cli = Cli(house.target.cli.executable, {**kept, **CREDENTIALS, **variables})
    target = replace(house.target, cli=cli, backend=CliBackend(cli))
    assert house.deploy(NETWORK_2, DATA, target=target)[DATA].status is StepStatus.CHANGED
    checkpoint = deployed(context, DATA)
    assert checkpoint is not None
    assert checkpoint.outputs["some"] == "payments-1"
    assert checkpoint.secrets_provider["state"]["url"] == variables["PULUMI_SECRETS_PROVIDER"]
    stored = cloud.client("s3", "us-west-2").head_object(
        Bucket=context.home.bucket, Key=".pulumi/stacks/data/payments.json"
    )
    assert stored["ServerSideEncryption"] == "aws:kms"
    assert house.run(Operation.DESTROY, [NETWORK_2, DATA], target=target)[1].code == 0


def test_the_teams_roles_are_made_once_after_the_key_that_they_may_use(cloud: RunningCloud) -> None:
    place = Reach({"AWS_ENDPOINT_URL": cloud.endpoint, **CREDENTIALS}, where="the sandbox", checkers=tuple)
    takers = Takers("payments-org@1/payments@2", ("user/operator",))
    context = replace(opened(Environment.load("trading"), place, "sandbox"), takers=takers)
    teams = ("network", "data", "compute", "edge", "observability", "plan", "drift")

    def of_teams(rows: list[BootstrapRow]) -> dict[str, str]:
        return {row.what: row.status for row in rows if "team" in row.what or "GitHub" in row.what}

    made = {"GitHub's identity provider": "made", **{f"role of team {name}": "made" for name in teams}}
    assert of_teams(run(context, ask=lambda: None, check=False)) == made
    assert of_teams(run(context, ask=lambda: None, check=False)) == dict.fromkeys(made, "there")
    iam, key = cloud.client("iam", "us-east-1"), cloud.client("kms", context.home.region)
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert any(each["Arn"].endswith(ISSUER) for each in providers)
    arn = key.describe_key(KeyId=context.home.key)["KeyMetadata"]["Arn"]
    (role,) = [
        each["RoleName"] for each in iam.list_roles()["Roles"] if each["Description"].startswith("Team network:")
    ]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    documents = [
        iam.get_policy_version(PolicyArn=each["PolicyArn"], VersionId="v1")["PolicyVersion"]["Document"]
        for each in attached
    ]
    assert arn in str(documents)
    assert context.home.bucket in str(documents)
