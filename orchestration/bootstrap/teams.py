"""The teams' roles, and GitHub's identity provider where its workflows take them on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from orchestration.bootstrap.iam import Iam
from orchestration.bootstrap.state import key_to_read
from orchestration.bootstrap.step import BootstrapContext, BootstrapStep, StepFinding, cannot
from orchestration.bootstrap.team_role import TeamRoleStep
from orchestration.quotas import ACCOUNT
from orchestration.teams import policies, roles

AUDIENCE: Final = "sts.amazonaws.com"


@dataclass(frozen=True)
class NoRoles:
    """In the place of the roles, as long as they would help nobody."""

    why: str
    what = "teams' roles"
    where = ACCOUNT
    needed = False
    by_hand: Sequence[str] = ()

    def look(self) -> StepFinding:
        return cannot(self.why)

    def make(self) -> StepFinding:
        return self.look()


@dataclass(frozen=True)
class GitHubProvider:
    """By it AWS believes GitHub's tokens; one for all repositories of an account.

    https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
    """

    context: BootstrapContext
    what = "GitHub's identity provider"
    where = ACCOUNT
    needed = False

    @property
    def by_hand(self) -> Sequence[str]:
        return (f"aws iam create-open-id-connect-provider --url https://{roles.ISSUER} --client-id-list {AUDIENCE}",)

    @property
    def _iam(self) -> Iam:
        return Iam(self.context.aws)

    @property
    def _arn(self) -> str:
        return f"arn:aws:iam::{self.context.account}:oidc-provider/{roles.ISSUER}"

    def look(self) -> StepFinding:
        found = self._iam.ask("get_open_id_connect_provider", OpenIDConnectProviderArn=self._arn)
        if found is None:
            return StepFinding(there=False, said=f"{roles.ISSUER} is not there")
        if AUDIENCE not in found.get("ClientIDList", ()):
            return StepFinding(there=False, said=f"{roles.ISSUER} is not for {AUDIENCE}")
        return StepFinding(there=True, said=self._arn)

    def make(self) -> StepFinding:
        new = {"Url": f"https://{roles.ISSUER}", "ClientIDList": [AUDIENCE]}
        if self._iam.make("create_open_id_connect_provider", **new) is None:
            more = {"OpenIDConnectProviderArn": self._arn, "ClientID": AUDIENCE}
            self._iam.must("add_client_id_to_open_id_connect_provider", **more)
        return self.look()


@dataclass(frozen=True)
class TeamRoleOfAccount:
    """A team's role, which may use the states' key: that is made before it, by another step."""

    context: BootstrapContext
    layer: str
    where = ACCOUNT
    needed = False

    @property
    def what(self) -> str:
        return f"role of team {self.layer}"

    @property
    def by_hand(self) -> Sequence[str]:
        return self._step("").by_hand

    def look(self) -> StepFinding:
        key = key_to_read(self.context)
        if key is None:
            return StepFinding(there=False, said=f"{self._first}, is not there yet")
        return self._step(key).look()

    def make(self) -> StepFinding:
        key = key_to_read(self.context)
        return cannot(f"{self._first}, is not there") if key is None else self._step(key).make()

    @property
    def _first(self) -> str:
        return f"the states' {'key, which it may use' if self.context.home.provider else 'bucket, which it may read'}"

    def _step(self, key: str) -> TeamRoleStep:
        c, home = self.context, self.context.home
        store = policies.StateStore(home.bucket, key, c.passphrase, prefix=home.folder) if home.bucket else None
        return TeamRoleStep(c.aws, c.account, roles.role(c.settings, c.account, self.layer, c.takers, store))


def steps(context: BootstrapContext) -> Iterable[BootstrapStep]:
    if context.takers == roles.Takers():
        yield NoRoles("nobody is named who takes them on: say --repository OWNER/NAME for workflows, --people, or both")
        return
    if not context.home.provider and not context.passphrase:
        yield NoRoles("they read the stacks' passphrase: name the ARN of its secret with --passphrase")
        return
    if context.takers.repository:
        yield GitHubProvider(context)
    for layer in roles.all_teams(context.settings):
        yield TeamRoleOfAccount(context, layer)
