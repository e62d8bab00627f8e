"""Creates that were cut off, where a provider answers no create twice: the engine itself takes over what is there."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.cli import Cli
from orchestration.execute import StepStatus
from sandbox.layout import Layout
from sandbox.variables import CREDENTIALS
from tests.sandbox.house import DATA

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud
    from tests.sandbox.house import House

PROGRAM = """
import pulumi
import pulumi_aws as aws

near = pulumi.ResourceOptions(provider=aws.Provider("aws", region="us-east-1"))
for name in ("there", "never"):
    aws.cloudwatch.LogGroup(name, name=f"/{mark}/{{name}}", retention_in_days=7, opts=near)
"""


def test_what_was_made_is_taken_over_and_what_was_not_is_made(cloud: RunningCloud, house: House) -> None:
    mark, logs = str(uuid.uuid4()), cloud.client("logs")
    house.write("projects/data/__main__.py", PROGRAM.format(mark=mark))
    near = {"AWS_ENDPOINT_URL": cloud.endpoint, **CREDENTIALS}
    cli = Cli(house.target.cli.executable, {**house.variables, **near})
    target = replace(house.target, cli=cli, adopts_creates=False, where="AWS account 1")
    assert house.deploy(DATA, target=target)[DATA].status is StepStatus.CHANGED
    logs.delete_log_group(logGroupName=f"/{mark}/never")
    made = logs.describe_log_groups(logGroupNamePrefix=f"/{mark}/there")["logGroups"][0]["creationTime"]

    file = Layout(house.root).backend / ".pulumi/stacks/data/payments.json"
    state = json.loads(file.read_text())
    latest = state["checkpoint"]["latest"]
    groups = [each for each in latest["resources"] if each["type"] == "aws:cloudwatch/logGroup:LogGroup"]
    latest["resources"] = [each for each in latest["resources"] if each not in groups]
    for each in groups:  # as an engine leaves it that was killed before it had an answer
        del each["id"], each["outputs"]
    latest["pending_operations"] = [{"resource": each, "type": "creating"} for each in groups]
    file.write_text(json.dumps(state))

    outcome = house.deploy(DATA, target=target, force=True)[DATA]
    assert outcome.changes == {"create": 1}
    assert set(outcome.message.removeprefix("recovered (").removesuffix(")").split(", ")) == {"there", "never"}
    found = logs.describe_log_groups(logGroupNamePrefix=f"/{mark}/")["logGroups"]
    assert {each["logGroupName"] for each in found} == {f"/{mark}/there", f"/{mark}/never"}
    assert made in {each["creationTime"] for each in found}
    checkpoint = target.backend.checkpoint(DATA)
    assert checkpoint is not None
    assert not checkpoint.pending
    assert len(checkpoint.resources) == 4
