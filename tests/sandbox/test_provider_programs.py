"""Programs, the real engine, and the provider: what users do with a stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from engine import find as engine
from sandbox import Sandbox, variables
from sandbox.plugins.install import install
from tests.sampling import sampled
from tests.sandbox.conftest import RunningCloud, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROJECT = "name: examples\nruntime: {{name: python, options: {{virtualenv: {virtualenv}}}}}\n"
PROGRAM = """
import pulumi
import pulumi_aws as aws

west = aws.Provider("west", region="us-west-2", default_tags={{"tags": {{"Environment": "{environment}"}}}})
there = pulumi.ResourceOptions(provider=west)
vpc = aws.ec2.Vpc("vpc", cidr_block="{cidr}", tags={{"Name": "vpc"}}, opts=there)
subnet = aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block=vpc.cidr_block, opts=there)
role = aws.iam.Role(
    "role",
    name="{role}",
    assume_role_policy='{{"Version": "2012-10-17", "Statement": []}}',
    opts=there,
)
policy = aws.iam.RolePolicy(
    "policy",
    name="policy",
    role=role.id,
    policy=subnet.arn.apply(
        lambda arn: pulumi.Output.json_dumps(
            {{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "ec2:*", "Resource": arn}}]}}
        )
    ),
    opts=there,
)
key = aws.ssm.Parameter("key", name="/programs/key", type="SecureString", value="{secret}", opts=there)
{more}
pulumi.export("subnet", subnet.arn)
pulumi.export("tags", vpc.tags_all)
pulumi.export("region", subnet.region)
pulumi.export("key", key.value)
pulumi.export("account", aws.get_caller_identity().account_id)
"""
DEFAULTS = {"environment": "test", "cidr": "10.0.0.0/16", "role": "a-role", "secret": "pl41n-s3cret", "more": ""}


class Program:
    """A project in a sandbox of its own, and the engine."""

    def __init__(self, cloud: RunningCloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        layout = cloud.sandbox.layout
        install(layout, engine.find().executable)
        self.backend = layout.backend
        self.variables = {**variables.inherited(), **cloud.sandbox.variables()}
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text(PROJECT.format(virtualenv=sys.prefix))
        self.write()
        self.ok("stack", "init")

    def write(self, **values: str) -> None:
        (self.folder / "__main__.py").write_text(PROGRAM.format(**{**DEFAULTS, **values}))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.variables["PATH"].split(os.pathsep)[0] + "/pulumi", *arguments, "--stack=dev", "--non-interactive"],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            said, _ = process.communicate(timeout=90)
        return process.returncode, said

    def ok(self, *arguments: str) -> str:
        code, said = self.run(*arguments)
        assert code == 0, said
        return said

    def up(self) -> str:
        return self.ok("up", "--yes", "--skip-preview")

    @property
    def outputs(self) -> Any:
        return json.loads(self.ok("stack", "output", "--json", "--show-secrets"))

    def vpcs(self) -> list[str]:
        found = self.cloud.client("ec2", "us-west-2").describe_vpcs()["Vpcs"]
        return sorted(each["VpcId"] for each in found if not each["IsDefault"])


@pytest.fixture(scope="module")
def whole_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud with the plugins' host beside it."""
    sandbox = Sandbox(tmp_path_factory.mktemp("programs"))
    try:
        yield running(sandbox)
    finally:
        sandbox.down()


@pytest.fixture
def program(whole_cloud: RunningCloud, tmp_path: Path) -> Iterator[Program]:
    program = Program(whole_cloud, tmp_path / "project")
    try:
        yield program
    finally:
        program.run("destroy", "--yes", "--skip-preview")
        program.run("stack", "rm", "--yes", "--force")


def test_the_life_of_a_stack(program: Program):
    said = program.ok("preview")
    assert "7 to create" in said
    program.up()
    outputs = program.outputs
    assert outputs["region"] == "us-west-2"
    assert outputs["account"] == "000000000000"
    assert outputs["tags"] == {"Environment": "test", "Name": "vpc"}
    assert outputs["subnet"].startswith("arn:aws:ec2:us-west-2:000000000000:subnet/subnet-")

    assert "7 unchanged" in program.ok("up", "--yes", "--skip-preview", "--expect-no-changes")
    program.ok("refresh", "--preview-only", "--expect-no-changes")

    program.write(environment="other")
    assert "~ 5 to update" in program.ok("preview")  # the provider, and what has tags
    program.up()
    assert program.outputs["tags"] == {"Environment": "other", "Name": "vpc"}

    program.write(environment="other", cidr="10.1.0.0/16", role="other-role")
    said = program.ok("preview", "--diff")
    assert "+-aws:ec2/vpc:Vpc: (replace)" in said
    program.up()
    assert program.outputs["subnet"] != outputs["subnet"]
    assert len(program.vpcs()) == 1
    program.ok("refresh", "--preview-only", "--expect-no-changes")

    program.ok("destroy", "--yes", "--skip-preview")
    assert not program.vpcs()


def test_plain_processes_serve_as_well(program: Program):
    program.variables["SANDBOX_PLUGINS"] = "plain"
    program.up()
    program.variables["SANDBOX_PLUGINS"] = "warm"
    assert "7 unchanged" in program.ok("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_drift_is_seen_and_mended(program: Program):
    program.up()
    parameters = program.cloud.client("ssm", "us-west-2")
    parameters.put_parameter(Name="/programs/key", Value="else", Overwrite=True)
    program.cloud.client("iam").delete_role_policy(RoleName="a-role", PolicyName="policy")
    said = program.ok("refresh", "--yes", "--skip-preview")
    assert "1 updated" in said
    assert "1 deleted" in said
    program.up()
    assert parameters.get_parameter(Name="/programs/key", WithDecryption=True)["Parameter"]["Value"] == "pl41n-s3cret"
    program.cloud.client("iam").get_role_policy(RoleName="a-role", PolicyName="policy")


def test_what_is_not_declared_fails_by_name_already_in_a_preview(program: Program):
    program.write(more='aws.ec2.Vpc("v6", cidr_block="10.9.0.0/16", assign_generated_ipv6_cidr_block=True)')
    code, said = program.run("preview")
    assert code != 0
    assert (
        "aws:ec2/vpc:Vpc resource 'v6' has a problem: assignGeneratedIpv6CidrBlock: "
        "the sandbox's provider does not declare this property"
    ) in said
    program.write(more='aws.lightsail.Instance("toaster", availability_zone="a", blueprint_id="b", bundle_id="c")')
    code, said = program.run("preview")
    assert code != 0
    assert "aws:lightsail/instance:Instance toaster: the sandbox's provider does not declare this resource type" in said
    program.write(more="aws.ec2.get_ami(owners=['self'])")
    code, said = program.run("preview")
    assert code != 0
    assert "aws:ec2/getAmi:getAmi: the sandbox's provider does not declare this function" in said


def test_no_secret_is_written_or_shown(program: Program):
    more = """
import pulumi_random as random
password = random.RandomPassword("password", length=20)
again = aws.ssm.Parameter("again", name="/programs/again", type="String", value=password.result, opts=there)
version = aws.secretsmanager.SecretVersion(
    "version",
    secret_id=aws.secretsmanager.Secret("secret", name="programs", recovery_window_in_days=0, opts=there).id,
    secret_string=password.result.apply(lambda text: f"pl41n-{text}"),
    opts=there,
)
pulumi.export("password", password.result)
"""
    program.write(more=more)
    said = program.ok("preview", "--diff") + program.up() + program.ok("refresh", "--yes", "--skip-preview", "--diff")
    program.write(more=more.replace("length=20", "length=21"), secret="pl41n-other")
    said += program.ok("preview", "--diff") + program.up()
    password = program.outputs["password"]
    assert len(password) == 21
    parameters = program.cloud.client("ssm", "us-west-2")
    assert parameters.get_parameter(Name="/programs/again")["Parameter"]["Value"] == password
    assert "pl41n" not in said
    assert password not in said
    for file in program.backend.rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            assert "pl41n" not in text, file
            assert password not in text, file


def test_a_refusal_is_one_line_and_the_next_run_goes_on(program: Program):
    roles = program.cloud.client("iam")
    roles.create_role(RoleName="a-role", AssumeRolePolicyDocument="{}")
    code, said = program.run("up", "--yes", "--skip-preview")
    assert code != 0
    errors = {line.strip() for line in said.splitlines() if line.strip().startswith("error: aws:")}
    assert len(errors) == 1
    (line,) = errors
    assert line.startswith("error: aws:iam/role:Role role: EntityAlreadyExists: ")
    assert line.endswith("What is there has not its tags: delete it, or import it with the id a-role")
    assert "Traceback" not in said
    roles.delete_role(RoleName="a-role")
    program.up()
    program.ok("refresh", "--preview-only", "--expect-no-changes")


def killed(program: Program, process: subprocess.Popen[str]) -> None:
    """Kill the engine, and wait until the plugins that it had are gone."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(children, timeout=20)
    program.ok("cancel", "--yes")


def assert_mended(program: Program) -> None:
    """The next run finishes, and nothing is there twice, nor left at the end."""
    program.variables["SANDBOX_PLUGINS"] = "warm"
    program.up()
    assert len(program.vpcs()) == 1
    program.ok("destroy", "--yes", "--skip-preview")
    assert not program.vpcs()


@pytest.mark.parametrize("moment", sampled([0.4, 0.2, 0.6]))
def test_a_killed_run_leaves_nothing_twice(program: Program, moment: float):
    process = program.start("up", "--yes", "--skip-preview")
    time.sleep(moment)
    killed(program, process)
    assert_mended(program)


@pytest.mark.parametrize("plugins", sampled(["warm", "plain"]))
def test_a_run_killed_in_the_middle_of_a_create_leaves_nothing_twice(program: Program, plugins: str):
    program.variables["SANDBOX_PLUGINS"] = plugins
    process = program.start("up", "--yes", "--skip-preview")
    end = time.monotonic() + 60
    while not program.vpcs() and time.monotonic() < end:
        time.sleep(0.002)
    killed(program, process)
    assert_mended(program)
