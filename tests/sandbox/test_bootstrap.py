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
from sandbox.variables import CREDENTIALS
from shared.environment import Environment
from tests.sandbox.house import DATA, NETWORK_2

if TYPE_CHECKING:
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
