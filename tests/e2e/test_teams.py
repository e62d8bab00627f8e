"""Each team deploys, compares and destroys its own layer under its own role alone, and needs every right of it."""

from __future__ import annotations

import base64
import json
import random
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from orchestration.aws import Aws
from orchestration.bootstrap.team_role import TeamRoleStep
from orchestration.teams import policies
from orchestration.teams.roles import ISSUER, Takers, TeamRole, github_environments, roles
from sandbox.decisions import VARIABLE as DECISIONS
from sandbox.taken_on import VARIABLE as ROLE
from sandbox.variables import CREDENTIALS
from shared.contracts import LAYERS
from shared.environment import Environment
from tests.e2e.conftest import new_checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Answer, Checkout

pytestmark = pytest.mark.xdist_group("teams")

ACCOUNT = "000000000000"
REPOSITORY = "payments-org@1/payments@2"
PEOPLE = Takers(REPOSITORY, ("user/payments-operator",))
UNKNOWN = "is unknown"
"""What a deployment says of a quota that it may not ask for: it goes on."""
NOT_MISSED = frozenset({"sts:GetCallerIdentity"})
"""What AWS never refuses (STS API Reference, GetCallerIdentity)."""


@dataclass(frozen=True)
class Teams:
    """A sandbox with the team roles of one environment."""

    copy: Checkout
    environment: Environment
    endpoint: str
    found: dict[str, TeamRole]

    @property
    def aws(self) -> Aws:
        return Aws({**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint})

    def step(self, layer: str) -> TeamRoleStep:
        return TeamRoleStep(self.aws, ACCOUNT, self.found[layer])

    def under(self, layer: str, *arguments: str) -> Answer:
        """A command under a team's role."""
        variables = {ROLE: self.found[layer].name, DECISIONS: "on"}
        return self.copy.run(*arguments, "--environment", self.environment.name, **variables)

    def ok(self, layer: str, *arguments: str) -> Answer:
        answer = self.under(layer, *arguments)
        assert answer.code == 0, f"{layer}: {arguments}\n{answer.out}\n{answer.err}"
        return answer

    def destroy(self, layer: str) -> str:
        """What destroying it says when it fails, else nothing."""
        for stack in policies.stacks(self.environment, layer):
            done = self.copy.destroy(stack, **{ROLE: self.found[layer].name, DECISIONS: "on"})
            if done.returncode:
                return f"{done.stdout}\n{done.stderr}"
        return ""

    def refused(self) -> set[tuple[str, str, str]]:
        """Who was refused which action on which resource, of the teams."""
        lines = (self.copy.root / ".sandbox" / "decisions.jsonl").read_text(encoding="utf-8").splitlines()
        return {
            (who.split("/")[1], action, resource)
            for who, action, _, resource, allowed in map(json.loads, lines)
            if not allowed and "-team-" in who
        }

    @contextmanager
    def without(self, layer: str, action: str) -> Iterator[None]:
        """A team's role without one action."""
        role = self.found[layer]
        documents = []
        for document in role.documents:
            left = [
                {**each, "Action": kept}
                for each in document["Statement"]
                if each["Effect"] == "Deny" or (kept := [one for one in each["Action"] if one != action])
            ]
            documents.append({**document, "Statement": left})
        less = replace(role, documents=documents)
        assert TeamRoleStep(self.aws, ACCOUNT, less).make().there
        try:
            yield
        finally:
            assert self.step(layer).make().there


@contextmanager
def teams_of(folder: Any, profile: str) -> Iterator[Teams]:
    with new_checkout(folder / "checkout") as copy:
        copy.ok("sandbox.up", **{DECISIONS: "on"})
        endpoint = copy.ok("sandbox.status", "--json").json["endpoint"]
        environment = Environment.load(profile, copy.root)
        found = {each.layer: each for each in roles(environment, ACCOUNT, PEOPLE)}
        teams = Teams(copy, environment, endpoint, found)
        for layer in found:
            assert not teams.step(layer).look().there
            assert teams.step(layer).make().there
        yield teams


def edited(copy: Checkout, profile: str) -> None:
    """Change a tag of everything and the retention of logs, or change them back."""
    file = copy.root / "environments" / f"{profile}.yaml"
    text = file.read_text(encoding="utf-8")
    team = f"Owner: {profile}-team"
    for before, after in ((team, "Owner: somebody-else"), ("debug: 7}", "debug: 14}")):
        assert text.count(before) + text.count(after) == 1
        text = text.replace(before, after) if before in text else text.replace(after, before)
    file.write_text(text, encoding="utf-8")


@pytest.mark.prove
@pytest.mark.parametrize("profile", ["payments", "trading"])
def test_each_team_deploys_changes_compares_and_destroys_its_layer_alone(tmp_path: Any, profile: str) -> None:
    with teams_of(tmp_path, profile) as teams:
        for layer in LAYERS:
            teams.ok(layer, "deploy", "--layer", layer)
        for layer in LAYERS:
            teams.ok(layer, "deploy", "--layer", layer, "--force")
        edited(teams.copy, profile)
        teams.ok(policies.PLAN, "plan")
        for layer in LAYERS:
            teams.ok(layer, "deploy", "--layer", layer, "--refresh")
        teams.ok(policies.DRIFT, "drift")
        left = {layer: said for layer in reversed(LAYERS) if (said := teams.destroy(layer))}
        assert left == {}
        assert teams.refused() == set()


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teams]:
    with teams_of(tmp_path_factory.mktemp("teams"), "payments") as made:
        yield made


def token(environment: str, repository: str = REPOSITORY) -> str:
    """A token as GitHub gives one to a workflow; the emulator does not verify who has signed it."""
    claims = {
        "iss": f"https://{ISSUER}",
        "aud": "sts.amazonaws.com",
        "sub": f"repo:{repository}:environment:{environment}",
    }
    parts = ({"alg": "RS256"}, claims, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts)


def test_a_workflow_takes_the_role_of_its_own_environment_on_and_no_other(teams: Teams) -> None:
    sts = boto3.client("sts", region_name="us-east-2", endpoint_url=teams.endpoint)

    def take(layer: str, said: str) -> object:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{teams.found[layer].name}"
        return sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="workflow", WebIdentityToken=said)

    for layer in teams.found:
        for environment in github_environments(layer):
            take(layer, token(environment))
        for refused in (token("nobody"), token(github_environments(layer)[0], "somebody@3/payments@4")):
            with pytest.raises(ClientError, match="AccessDenied"):
                take(layer, refused)
    with pytest.raises(ClientError, match="AccessDenied"):
        take("edge", token("network-primary"))


def test_the_step_brings_back_what_somebody_has_changed(teams: Teams) -> None:
    step, role = teams.step("network"), teams.found["network"]
    assert step.look().there
    iam = teams.aws.client("iam", "us-east-1")
    iam.detach_role_policy(RoleName=role.name, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{role.policy_name(0)}")
    iam.update_assume_role_policy(RoleName=role.name, PolicyDocument=json.dumps({**role.trust, "Statement": []}))
    assert "who may take it on, what it may do" in step.look().said
    assert step.make().there
    for _ in range(6):  # more than the versions that a policy may have
        with teams.without("network", "ec2:CreateVpc"):
            assert not step.look().there
    assert step.look().there


def rights_of(layer: str) -> list[str]:
    """Actions that were asked for in the sandbox, once each."""
    found = {action for group in policies.rights()[layer]["recorded"] for action in group["actions"]}
    return sorted(found - NOT_MISSED)


def missed(teams: Teams, layer: str, action: str) -> bool:
    """Whether the layer's life fails somewhere, or says what it does not know, without an action."""
    teams.ok(layer, "deploy", "--layer", layer)
    edited(teams.copy, teams.environment.name)  # there and back
    with teams.without(layer, action):
        told = ""
        for step in (("deploy", "--layer", layer, "--refresh"), (), ("deploy", "--layer", layer)):
            if step:
                made = teams.under(layer, *step)
                told, failed = told + made.err, made.code != 0
            else:
                said = teams.destroy(layer)
                told, failed = told + said, bool(said)
            if failed:
                break
        else:
            failed = UNKNOWN in told
    assert not failed or action in {each for _, each, _ in teams.refused()}, f"{action}: {told}"
    return failed


def prepare(teams: Teams, layer: str) -> None:
    """Make what the layer reads."""
    for each in list(LAYERS)[: list(LAYERS).index(layer)]:
        teams.ok(each, "deploy", "--layer", each)


def check(teams: Teams, layer: str, actions: list[str]) -> None:
    prepare(teams, layer)
    unused = [action for action in actions if not missed(teams, layer, action)]
    assert unused == [], "asked for when it was recorded, and missed by nobody: python -m tools.team_rights"


@pytest.mark.prove
@pytest.mark.parametrize("layer", ["network", "data"])
def test_a_sample_of_the_rights_is_missed(teams: Teams, layer: str) -> None:
    check(teams, layer, random.Random(layer).sample(rights_of(layer), 2))


@pytest.mark.prove
@pytest.mark.parametrize("layer", LAYERS)
def test_every_right_is_missed(teams: Teams, layer: str) -> None:
    check(teams, layer, rights_of(layer))
