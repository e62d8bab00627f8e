"""The roles themselves: names, policies, and who takes them on.

A role is for a GitHub environment of this repository (OIDC), for people of the account, or both: docs/ownership.md.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration.teams import policies
from orchestration.teams.policies import DRIFT, PLAN, StateStore
from shared import files, naming
from shared.contracts import layer_of
from shared.errors import Problem
from shared.roles import ROLES

if TYPE_CHECKING:
    from shared.environment import Environment

ISSUER: Final = "token.actions.githubusercontent.com"
LONGEST_SESSION: Final = 4 * 3600
"""Seconds: a deployment with a bake takes longer than the hour that a role's sessions have by default."""
_REPOSITORY: Final = re.compile(r"[\w.-]+(@\d+)?/[\w.-]+(@\d+)?")
_PERSON: Final = re.compile(r"(?:arn:aws:iam::(?P<account>\d{12}):)?(?P<name>(?:role|user)/[\w+=,.@*/-]+)")
_ACCOUNT: Final = re.compile(r"\d{12}")
_SECRET: Final = re.compile(r"arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+")


@dataclass(frozen=True)
class Takers:
    """Who may take a role on."""

    repository: str = ""
    """`owner/name` as GitHub's tokens say it, with ids where they have some; empty: no workflow."""
    people: Sequence[str] = ()
    """As ARNs of the account end: `role/<name>`, `user/<name>`, with `*` for what ends by chance; of another, whole."""

    @staticmethod
    def of(repository: str, people: str) -> Takers:
        """As the options of commands say it: people with commas between."""
        return Takers(repository, tuple(each.strip() for each in people.split(",") if each.strip()))

    def check(self) -> None:
        """Raises Problem for what is neither."""
        if not self.repository and not self.people:
            raise Problem("nobody could take the roles on: name --repository OWNER/NAME, or --people, or both")
        if self.repository and not _REPOSITORY.fullmatch(self.repository):
            raise Problem(f"--repository {self.repository!r} is not OWNER/NAME, or OWNER@ID/NAME@ID")
        for each in self.people:
            if not _PERSON.fullmatch(each):
                raise Problem(f"--people {each!r} is neither role/<name> nor user/<name>, nor the whole ARN of one")


@dataclass(frozen=True)
class TeamRole:
    """One role, as IAM takes it."""

    layer: str
    """Or `plan` and `drift`, which look at all layers."""
    name: str
    trust: Mapping[str, Any]
    documents: Sequence[Mapping[str, Any]]
    """A managed policy each, named after the role with a number."""
    tags: Mapping[str, str] = field(default_factory=dict)
    seconds: int = LONGEST_SESSION

    def policy_name(self, number: int) -> str:
        return f"{self.name}-{number + 1}"


def roles(environment: Environment, account: str, takers: Takers, store: StateStore | None = None) -> list[TeamRole]:
    """One role for each layer's team, one that plans and one that compares. Raises Problem."""
    return [role(environment, account, layer, takers, store) for layer in all_teams(environment)]


def role(
    environment: Environment, account: str, layer: str, takers: Takers, store: StateStore | None = None
) -> TeamRole:
    """The role of one of `all_teams`. Raises Problem."""
    takers.check()
    if not _ACCOUNT.fullmatch(account):
        raise Problem(f"--account {account!r} is no account id of twelve digits")
    if layer in {PLAN, DRIFT}:
        may = policies.looking(environment, account, secrets=layer == DRIFT, store=store)
    else:
        may = policies.statements(environment, account, layer, store)
    return TeamRole(
        layer,
        environment.foundation().names.of(naming.team(layer)),
        trust(account, takers, github_environments(layer)),
        policies.documents(may),
        {**environment.tags, "Environment": environment.label},
    )


def all_teams(environment: Environment) -> tuple[str, ...]:
    """Each layer's, the one that plans and the one that compares."""
    return (*policies.teams(environment), PLAN, DRIFT)


def secret(passphrase: str) -> str:
    """The ARN of the secret with the stacks' passphrase, as an option says it; empty: none. Raises Problem."""
    if passphrase and not _SECRET.fullmatch(passphrase):
        form = "arn:aws:secretsmanager:<region>:<account>:secret:<name>"
        raise Problem(f"--passphrase {passphrase!r} is no ARN of a secret: {form}")
    return passphrase


def github_environments(layer: str) -> list[str]:
    """Those whose workflows take the role on (`.github/workflows/layer.yml`)."""
    regional = layer not in {PLAN, DRIFT} and layer_of(layer).regional
    return [f"{layer}-{role}" for role in ROLES] if regional else [layer]


def trust(account: str, takers: Takers, environments: Sequence[str]) -> dict[str, Any]:
    """Who may take a role on: workflows in these environments of the repository alone, and people by name.

    https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
    """
    statements: list[Mapping[str, Any]] = []
    if takers.repository:
        subjects = [f"repo:{takers.repository}:environment:{each}" for each in environments]
        statements.append(
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{ISSUER}"},
                "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
                "Condition": {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": subjects}},
            }
        )
    homes: dict[str, list[str]] = defaultdict(list)
    for each in takers.people:
        person = _PERSON.fullmatch(each)
        home = (person and person["account"]) or account
        homes[home].append(f"arn:aws:iam::{home}:{person['name'] if person else each}")
    for home, names in homes.items():
        # By a condition, as projects/edge/operations.py: whom a policy names as a principal must be there.
        statements.append(
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{home}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"ArnLike": {"aws:PrincipalArn": names}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def write(found: Sequence[TeamRole], folder: Path) -> list[Path]:
    """Write each role's trust and policies into a folder, for whoever makes roles with other tools. Raises Problem."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for role in found:
            documents = {"trust": role.trust}
            documents |= {str(number + 1): each for number, each in enumerate(role.documents)}
            for name, document in documents.items():
                path = folder / f"{role.name}.{name}.json"
                files.replace(path, json.dumps(document, indent=2) + "\n")
                written.append(path)
    except OSError as error:
        raise Problem(f"--out {folder}: {error.strerror}") from error
    return written
