"""Stacks whose secrets a key of KMS encrypts, in a bucket: the real engine, on the sandbox's S3 and KMS."""

from __future__ import annotations

import json
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from engine.cli import Cli, CliBackend
from engine.secrets_provider import VARIABLE
from orchestration.execute import StepStatus
from orchestration.plan import Operation
from sandbox.variables import CREDENTIALS
from shared.errors import Problem
from tests.sandbox.house import COMPUTE_2, DATA, NETWORK_2, PUBLISHING, READING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.target import Target
    from tests.sandbox.conftest import RunningCloud
    from tests.sandbox.house import House

REGION = "us-west-2"
WITH_A_SECRET = PUBLISHING + "\nimport pulumi\npulumi.export('hidden', pulumi.Output.secret('top secret'))\n"


@pytest.fixture
def key(cloud: RunningCloud) -> str:
    """The address of a key of its own."""
    kms, alias = cloud.client("kms", REGION), f"alias/{uuid.uuid4()}"
    kms.create_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    return f"awskms://{alias}?region={REGION}&endpoint={cloud.endpoint}"


def with_key(house: House, key: str, **variables: str) -> Target:
    """The house's target, without a passphrase."""
    kept = {name: value for name, value in house.variables.items() if name != "PULUMI_CONFIG_PASSPHRASE"}
    more = {**CREDENTIALS, **({VARIABLE: key} if key else {}), **variables}
    return replace(house.target, cli=Cli(house.target.cli.executable, kept | more))


def providers(target: Target, *stacks: Any) -> list[Any]:
    found = [target.backend.checkpoint(stack) for stack in stacks]
    return [each.secrets_provider if each else None for each in found]


@pytest.mark.prove
def test_all_stacks_share_one_data_key_that_the_key_opens_and_no_passphrase_is_asked_for(
    house: House, key: str
) -> None:
    house.write("projects/data/__main__.py", WITH_A_SECRET)
    house.write("projects/compute/__main__.py", READING)
    target = with_key(house, key)
    previewed, _ = house.run(Operation.PREVIEW, (NETWORK_2, DATA, COMPUTE_2), target=target)
    assert {each.status for each in previewed.values()} == {StepStatus.CHANGED}
    deployed = house.deploy(NETWORK_2, DATA, COMPUTE_2, target=target)
    assert {each.status for each in deployed.values()} == {StepStatus.CHANGED}
    first, *others = providers(target, NETWORK_2, DATA, COMPUTE_2)
    assert (first["type"], first["state"]["url"]) == ("cloud", key)
    assert others == [first, first]
    state = (house.root / ".sandbox/backend/.pulumi/stacks/data/payments.json").read_text()
    assert "top secret" not in state
    assert "hidden" in state
    assert house.deploy(NETWORK_2, DATA, target=target)[DATA].status is StepStatus.FRESH
    assert house.run(Operation.DESTROY, [NETWORK_2, DATA, COMPUTE_2], target=target)[1].code == 0


def test_a_key_that_is_not_there_is_one_line_and_nothing_is_made(house: House, cloud: RunningCloud) -> None:
    target = with_key(house, f"awskms://alias/none?region={REGION}&endpoint={cloud.endpoint}")
    with pytest.raises(Problem, match=r"^the stacks' secrets cannot be encrypted with awskms://alias/none") as refused:
        house.deploy(DATA, target=target)
    assert "\n" not in str(refused.value)
    assert "./invoke bootstrap" in str(refused.value)
    assert target.backend.checkpoint(DATA) is None
    assert not target.configuration.exists()


@pytest.mark.prove
def test_a_data_key_that_the_key_opens_no_longer_ends_a_run_before_it_changes_anything(
    house: House, key: str, cloud: RunningCloud
) -> None:
    target, kms = with_key(house, key), cloud.client("kms", REGION)
    house.deploy(DATA, target=target)
    kms.disable_key(
        KeyId=kms.describe_key(KeyId=key.removeprefix("awskms://").partition("?")[0])["KeyMetadata"]["KeyId"]
    )
    with pytest.raises(Problem, match="the stacks' secrets cannot be opened with awskms"):
        house.deploy(NETWORK_2, target=target)
    assert target.backend.checkpoint(NETWORK_2) is None


@contextmanager
def refused(command: str) -> Iterator[None]:
    with pytest.raises(Problem, match="keeps its secrets by") as problem:
        yield
    assert command in str(problem.value)
    assert str(problem.value).endswith("nothing was changed")
    assert "\n" not in str(problem.value)


def change(target: Target, house: House, provider: str) -> None:
    """What the refusal says, typed."""
    subprocess.run(
        [target.cli.executable, "stack", "change-secrets-provider", provider, "--stack", DATA.reference],
        cwd=house.root / "projects" / DATA.layer,
        env=dict(target.cli.variables),
        check=True,
        capture_output=True,
    )


def test_providers_are_not_mixed_and_the_command_that_is_named_changes_a_stacks(house: House, key: str) -> None:
    house.write("projects/data/__main__.py", WITH_A_SECRET)
    house.deploy(DATA)
    target = with_key(house, key)
    with refused(f"pulumi stack change-secrets-provider '{key}' --stack {DATA.reference}"):
        house.deploy(NETWORK_2, target=target)
    assert target.backend.checkpoint(NETWORK_2) is None
    change(with_key(house, key, PULUMI_CONFIG_PASSPHRASE="right"), house, key)
    assert house.deploy(DATA, NETWORK_2, target=target, force=True)[NETWORK_2].status is StepStatus.CHANGED
    first, second = providers(target, DATA, NETWORK_2)
    assert first == second
    with refused("pulumi stack change-secrets-provider 'passphrase'"):
        house.run(Operation.DESTROY, [DATA])


@pytest.mark.prove
def test_a_bucket_keeps_the_stacks(house: House, key: str, cloud: RunningCloud) -> None:
    bucket, s3 = f"states-{uuid.uuid4()}", cloud.client("s3", REGION)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    url = f"s3://{bucket}?region={REGION}&endpoint={cloud.endpoint}&s3ForcePathStyle=true"
    made = with_key(house, key, PULUMI_BACKEND_URL=url)
    target = replace(made, backend=CliBackend(made.cli))
    assert house.deploy(NETWORK_2, DATA, target=target)[DATA].status is StepStatus.CHANGED
    (house.root / "state" / "stack.yaml").unlink()  # another machine
    assert house.deploy(NETWORK_2, DATA, target=target)[DATA].status is StepStatus.FRESH
    assert house.deploy(NETWORK_2, DATA, target=target, force=True)[DATA].status is StepStatus.UNCHANGED
    first, second = providers(target, NETWORK_2, DATA)
    assert first == second
    body = s3.get_object(Bucket=bucket, Key=".pulumi/stacks/data/payments.json")["Body"].read()
    assert json.loads(body)["checkpoint"]["latest"]["secrets_providers"] == first
    assert house.run(Operation.DESTROY, [NETWORK_2, DATA], target=target)[1].code == 0
    assert target.backend.checkpoint(DATA) is None
