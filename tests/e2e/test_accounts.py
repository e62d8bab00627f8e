"""Two accounts: what the sandbox keeps apart, and that outputs of a layer in another account are read all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from orchestration.aws import Aws
from orchestration.bootstrap.team_role import TeamRoleStep
from orchestration.teams.roles import Takers, roles
from sandbox.taken_on import VARIABLE as ROLE
from sandbox.variables import CREDENTIALS, OPERATOR_CREDENTIALS
from shared.environment import Environment
from tests.e2e.conftest import new_checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Checkout

pytestmark = pytest.mark.xdist_group("accounts")

HERE, NETWORKS = "000000000000", "222222222222"
OPERATOR = f"arn:aws:iam::{HERE}:user/payments-operator"


class TwoAccounts:
    """A sandbox in which network's team works in an account of its own."""

    def __init__(self, copy: Checkout) -> None:
        self.copy = copy
        copy.ok("sandbox.up")
        self.endpoint = copy.ok("sandbox.status", "--json").json["endpoint"]
        self.environment = Environment.load("payments", copy.root)
        found = {each.layer: each for each in roles(self.environment, NETWORKS, Takers(people=(OPERATOR,)))}
        self.role = found["network"]
        administrator = {"AWS_ACCESS_KEY_ID": NETWORKS, "AWS_SECRET_ACCESS_KEY": "x"}
        aws = Aws({**administrator, "AWS_ENDPOINT_URL": self.endpoint})
        assert TeamRoleStep(aws, NETWORKS, self.role).make().there

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{NETWORKS}:role/{self.role.name}"

    def client(self, service: str, key: str, region: str = "us-east-2") -> Any:
        """The administrator of an account, by a key that is its number."""
        secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def vpcs(self, account: str) -> list[str]:
        found = self.client("ec2", account).describe_vpcs()["Vpcs"]
        return [vpc["VpcId"] for vpc in found if {"Key": "Environment", "Value": "payments"} in vpc.get("Tags", [])]


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoAccounts]:
    with new_checkout(tmp_path_factory.mktemp("accounts") / "checkout") as copy:
        made = TwoAccounts(copy)
        copy.ok("deploy", "--layer", "network", **{ROLE: made.arn})
        copy.ok("deploy", "--layer", "data")
        yield made


def test_a_role_of_another_account_is_taken_on_by_whom_it_trusts(accounts: TwoAccounts) -> None:
    key, secret = OPERATOR_CREDENTIALS.values()
    sts = boto3.client(
        "sts",
        region_name="us-east-2",
        endpoint_url=accounts.endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
    taken = sts.assume_role(RoleArn=accounts.arn, RoleSessionName="test")
    assert f":{NETWORKS}:" in taken["AssumedRoleUser"]["Arn"]
    with pytest.raises(ClientError, match="AccessDenied"):  # the administrator of this account is not named
        accounts.client("sts", HERE).assume_role(RoleArn=accounts.arn, RoleSessionName="test")


def test_each_account_has_what_its_role_made_and_neither_sees_the_others(accounts: TwoAccounts) -> None:
    assert len(accounts.vpcs(NETWORKS)) == 1
    assert accounts.vpcs(HERE) == []
    tables = [accounts.client("dynamodb", each).list_tables()["TableNames"] for each in (HERE, NETWORKS)]
    assert tables == [["payment-transactions-x7k2"], []]


def test_a_consumer_reads_the_outputs_of_a_stack_in_another_account(accounts: TwoAccounts) -> None:
    """They are in the state, which is one for all: no right in the producer's account is asked for."""
    outputs = accounts.copy.ok("outputs", "--layer", "network", "--json").json["network/payments-secondary"]
    planned = accounts.copy.ok("plan", "--layer", "compute", "--region", "secondary", "--json").out
    for subnet in outputs["private_subnet_ids"]:
        assert accounts.client("ec2", NETWORKS).describe_subnets(SubnetIds=[subnet])["Subnets"]
        with pytest.raises(ClientError, match="InvalidSubnetID"):
            accounts.client("ec2", HERE).describe_subnets(SubnetIds=[subnet])
    stacks = {each["stack"] for each in json.loads(planned)["stacks"]}
    assert "compute/payments-secondary" in stacks


def test_the_role_of_one_account_reaches_nothing_of_the_other(accounts: TwoAccounts) -> None:
    answer = accounts.copy.run("deploy", "--layer", "data", "--force", "--refresh", **{ROLE: accounts.arn})
    assert answer.code == 1
    assert "data/payments" in answer.out
    assert accounts.client("dynamodb", HERE).list_tables()["TableNames"] == ["payment-transactions-x7k2"]
