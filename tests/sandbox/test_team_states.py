"""Each team's role suffices for the stacks' states in a bucket, which IAM alone guards; the engine is the real one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from engine.backend import BucketUrl
from engine.cli import Cli
from engine.processes import ENDED
from engine.secrets_provider import VARIABLE
from orchestration.bucket import BucketBackend
from orchestration.execute import StepStatus
from orchestration.plan import Operation
from orchestration.teams import policies
from orchestration.teams.policies import PLAN, StateStore
from sandbox.variables import CREDENTIALS
from shared.errors import Problem
from tests.doubles.locks import lock
from tests.sandbox.house import COMPUTE_2, DATA, NETWORK_2, PUBLISHING, READING

if TYPE_CHECKING:
    from orchestration.target import Target
    from shared.stack import Stack
    from tests.sandbox.conftest import RunningCloud
    from tests.sandbox.house import House

REGION = "us-west-2"
ACCOUNT = "000000000000"


class States:
    """A bucket and a key with the states of a house's stacks, and roles that may do with them what teams may."""

    def __init__(self, house: House, cloud: RunningCloud) -> None:
        self.house, self.cloud = house, cloud
        bucket, alias, kms = f"states-{uuid.uuid4()}", f"alias/{uuid.uuid4()}", cloud.client("kms", REGION)
        key = kms.create_key()["KeyMetadata"]
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        cloud.client("s3", REGION).create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.store = StateStore(bucket, key["Arn"], prefix="system")
        self.variables = {
            VARIABLE: f"awskms://{alias}?region={REGION}&endpoint={cloud.endpoint}",
            "PULUMI_BACKEND_URL": f"s3://{bucket}/system?region={REGION}&endpoint={cloud.endpoint}&s3ForcePathStyle=true",
        }

    def owner(self) -> Target:
        return self._with(CREDENTIALS)

    def team(self, layer: str) -> Target:
        """The house under a team's role, on a machine that knows nothing yet."""
        (self.house.root / "state" / "stack.yaml").unlink(missing_ok=True)
        iam, name = self.cloud.client("iam"), f"team-{uuid.uuid4()}"
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_document([trust])))
        may = policies.states(self.house.environment, layer, self.store)
        iam.put_role_policy(RoleName=name, PolicyName="states", PolicyDocument=json.dumps(_document(may)))
        taken = self.cloud.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="team"
        )["Credentials"]
        return self._with(
            {
                "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
                "AWS_SESSION_TOKEN": taken["SessionToken"],
            }
        )

    def _with(self, credentials: dict[str, str]) -> Target:
        kept = {name: value for name, value in self.house.variables.items() if name != "PULUMI_CONFIG_PASSPHRASE"}
        cli = Cli(self.house.target.cli.executable, kept | self.variables | credentials)
        at = BucketUrl.parse(self.variables["PULUMI_BACKEND_URL"])
        assert at is not None
        return replace(self.house.target, cli=cli, backend=BucketBackend(cli, at))

    def lock(self, stack: Stack, pid: int, host: str) -> str:
        """Lock a stack as an engine on that host does; return the object's key."""
        path = lock(self.house.root / "locks", stack, pid, host)
        key = f"system/{path.relative_to(self.house.root / 'locks')}"
        self.cloud.client("s3", REGION).put_object(Bucket=self.store.bucket, Key=key, Body=path.read_bytes())
        return key


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.fixture
def states(house: House, cloud: RunningCloud) -> States:
    house.write("projects/data/__main__.py", PUBLISHING)
    house.write("projects/compute/__main__.py", READING)
    made = States(house, cloud)
    house.deploy(NETWORK_2, DATA, COMPUTE_2, target=made.owner())
    return made


def test_a_team_deploys_its_layer_and_no_other_with_the_rights_to_states_that_it_has(states: States) -> None:
    house = states.house
    house.write("projects/data/part.py", "value = 2\n")
    data = states.team("data")
    assert house.deploy(DATA, target=data)[DATA].status.good
    with pytest.raises(Problem, match="AccessDenied"):
        data.backend.tag(NETWORK_2, "fingerprint", "somebody else's")
    assert house.deploy(COMPUTE_2, target=states.team("compute"))[COMPUTE_2].status.good
    refused = house.deploy(NETWORK_2, target=states.team("compute"), force=True)[NETWORK_2]
    assert refused.status is StepStatus.FAILED
    assert "AccessDenied" in refused.message


def test_who_plans_reads_all_states_on_a_machine_that_has_no_data_key_and_makes_none(states: States) -> None:
    house = states.house
    house.write("projects/data/part.py", "value = 2\n")
    previewed, result = house.run(Operation.PREVIEW, (NETWORK_2, DATA, COMPUTE_2), target=states.team(PLAN))
    assert result.code == 0
    assert {each.status for each in previewed.values()} == {StepStatus.FRESH, StepStatus.UNCHANGED}


def test_a_dead_engines_lock_in_the_bucket_goes_and_another_machines_holds(states: States) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    data, s3 = states.team("data"), states.cloud.client("s3", REGION)
    kept = data.state / "runs" / "dead" / ENDED
    kept.mkdir(parents=True)
    (kept / f"{DATA.label}.{ended.pid}").write_text(f"{ended.pid}\n")
    dead = states.lock(DATA, ended.pid, socket.gethostname())
    assert states.house.deploy(DATA, target=data, force=True)[DATA].status is StepStatus.UNCHANGED
    (kept / f"{DATA.label}.{ended.pid}").touch()
    states.lock(DATA, ended.pid, socket.gethostname())
    others = states.lock(DATA, 4711, "another-machine")
    with pytest.raises(Problem, match=rf"another run is changing {DATA} \(ci@another-machine, process 4711, since "):
        states.house.deploy(DATA, target=data, force=True)
    listed = s3.list_objects_v2(Bucket=states.store.bucket, Prefix=dead.rpartition("/")[0])["Contents"]
    assert [each["Key"] for each in listed] == [others]
