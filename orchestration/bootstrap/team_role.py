"""A step that makes the team roles in an account, and brings them up to date. Call it again after an interrupt.

IAM's own operations; whoever may use no such tool gets the same documents from `./invoke team-roles --out`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.bootstrap.iam import Iam
from orchestration.bootstrap.step import StepFinding
from orchestration.bootstrap.trust_change import TrustChange
from orchestration.quotas import ACCOUNT
from orchestration.teams.roles import TeamRole

if TYPE_CHECKING:
    from orchestration.aws import Aws

MOST_VERSIONS: Final = 5
"""Of a managed policy (IAM User Guide, "IAM and AWS STS quotas")."""


@dataclass(frozen=True)
class TeamRoleStep:
    """One role with its policies."""

    aws: Aws
    account: str
    role: TeamRole
    needed = False
    where = ACCOUNT

    @property
    def what(self) -> str:
        return f"role of team {self.role.layer}"

    @property
    def by_hand(self) -> Sequence[str]:
        """The same with AWS's own command, after `./invoke team-roles --out DIR`."""
        name = self.role.name
        lines = [f"aws iam create-role --role-name {name} --assume-role-policy-document file://DIR/{name}.trust.json"]
        for number in range(len(self.role.documents)):
            policy = self.role.policy_name(number)
            document = f"file://DIR/{name}.{number + 1}.json"
            lines.append(f"aws iam create-policy --policy-name {policy} --policy-document {document}")
            lines.append(f"aws iam attach-role-policy --role-name {name} --policy-arn {self._arn(policy)}")
        return lines

    def look(self) -> StepFinding:
        """Compare, and change nothing. Raises Problem."""
        found = self._iam.ask("get_role", RoleName=self.role.name)
        if found is None:
            comes = TrustChange.of({}, self.role.trust).said
            return StepFinding(there=False, said=f"{self.role.name} is not there; {comes}")
        change = TrustChange.of(found["Role"]["AssumeRolePolicyDocument"], self.role.trust)
        attached = self._attached()
        differs = []
        if change.differs:
            differs.append("who may take it on")
        if found["Role"].get("MaxSessionDuration") != self.role.seconds:
            differs.append("how long for")
        if self._own(attached) != {self._arn(name) for name in self._policies()} or any(
            self._document(self._arn(name)) != document for name, document in self._policies().items()
        ):
            differs.append("what it may do")
        others = ", ".join(sorted(attached - self._own(attached)))
        beside = [change.said] if change.said else []
        beside += [f"others' policies stay: {others}"] if others else []
        if differs:
            said = "; ".join([f"{self.role.name} differs: {', '.join(differs)}", *beside])
            return StepFinding(there=False, said=said)
        return StepFinding(there=True, said="; ".join([self.role.name, *beside]), values={"role": found["Role"]["Arn"]})

    def make(self) -> StepFinding:
        """Make what is missing, and replace what differs and is ours. Raises Problem."""
        tags = [{"Key": name, "Value": value} for name, value in self.role.tags.items()]
        for name, document in self._policies().items():
            self._put(name, json.dumps(document, separators=(",", ":")), tags)
        found = self._iam.ask("get_role", RoleName=self.role.name)
        if found is None:
            self._iam.must(
                "create_role",
                RoleName=self.role.name,
                AssumeRolePolicyDocument=json.dumps(self.role.trust),
                MaxSessionDuration=self.role.seconds,
                Description=f"Team {self.role.layer}: made by ./invoke bootstrap",
                Tags=tags,
            )
        else:
            change = TrustChange.of(found["Role"]["AssumeRolePolicyDocument"], self.role.trust)
            if change.differs:
                trust = json.dumps(change.trust)
                self._iam.must("update_assume_role_policy", RoleName=self.role.name, PolicyDocument=trust)
            self._iam.must("update_role", RoleName=self.role.name, MaxSessionDuration=self.role.seconds)
        wanted, has = {self._arn(name) for name in self._policies()}, self._attached()
        for arn in sorted(wanted - has):
            self._iam.must("attach_role_policy", RoleName=self.role.name, PolicyArn=arn)
        for arn in sorted(self._own(has) - wanted):
            self._iam.must("detach_role_policy", RoleName=self.role.name, PolicyArn=arn)
        return self.look()

    @property
    def _iam(self) -> Iam:
        return Iam(self.aws)

    def _policies(self) -> dict[str, Mapping[str, Any]]:
        return {self.role.policy_name(number): each for number, each in enumerate(self.role.documents)}

    def _arn(self, policy: str) -> str:
        return f"arn:aws:iam::{self.account}:policy/{policy}"

    def _own(self, attached: set[str]) -> set[str]:
        """Those that this step has named: what somebody else has attached is not ours to detach."""
        mine = re.compile(re.escape(self._arn(self.role.name)) + r"-\d+")
        return {arn for arn in attached if mine.fullmatch(arn)}

    def _attached(self) -> set[str]:
        found = self._iam.ask("list_attached_role_policies", RoleName=self.role.name) or {}
        return {each["PolicyArn"] for each in found.get("AttachedPolicies", ())}

    def _document(self, arn: str) -> Any:
        found = self._iam.ask("get_policy", PolicyArn=arn)
        if found is None:
            return None
        version = found["Policy"]["DefaultVersionId"]
        return self._iam.must("get_policy_version", PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def _put(self, name: str, document: str, tags: list[dict[str, str]]) -> None:
        arn = self._arn(name)
        kept = self._document(arn)
        if kept is None:
            self._iam.must("create_policy", PolicyName=name, PolicyDocument=document, Tags=tags)
        elif kept != json.loads(document):
            versions = self._iam.must("list_policy_versions", PolicyArn=arn)["Versions"]
            spare = sorted(
                (each for each in versions if not each["IsDefaultVersion"]), key=lambda each: each["CreateDate"]
            )
            if len(versions) >= MOST_VERSIONS:
                self._iam.must("delete_policy_version", PolicyArn=arn, VersionId=spare[0]["VersionId"])
            self._iam.must("create_policy_version", PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
