"""What a role may do, grant by grant, and the same role without one of them."""

from __future__ import annotations

import copy
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VIA = ("StringEquals", "kms:ViaService")
"""The condition each value of which is a grant by itself: through which service a key may be used."""


@dataclass(frozen=True)
class Grant:
    """One action on one resource, of one statement of a role's policy; or an attached policy of AWS, as a whole."""

    role: str
    policy: str
    """The inline policy's name, or the attached one's ARN."""
    statement: int
    action: str
    resource: str = ""
    via: str = ""

    @property
    def attached(self) -> bool:
        return self.policy.startswith("arn:")

    def __str__(self) -> str:
        through = f" via {self.via}" if self.via else ""
        return f"{self.role}: {self.action}{f' on {self.resource}' if self.resource else ''}{through}"


@dataclass(frozen=True)
class Roles:
    """The roles of a deployed environment; `iam` is the administrator's client."""

    iam: Any
    suffix: str

    def names(self) -> list[str]:
        """All that carry the environment's suffix."""
        pages = self.iam.get_paginator("list_roles").paginate()
        return sorted(each["RoleName"] for page in pages for each in page["Roles"] if self.suffix in each["RoleName"])

    def grants(self, role: str) -> list[Grant]:
        """Everything that the role is allowed."""
        found = []
        for policy in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            for number, statement in enumerate(self._document(role, policy)["Statement"]):
                if statement["Effect"] == "Allow":
                    assert not {"NotAction", "NotResource"} & statement.keys(), f"{role}: what is not named is allowed"
                    found += [
                        Grant(role, policy, number, action, resource, via)
                        for action in _many(statement["Action"])
                        for resource in _many(statement["Resource"])
                        for via in _services(statement)
                    ]
        for each in self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            found.append(Grant(role, each["PolicyArn"], 0, each["PolicyArn"].rpartition("/")[2]))
        return found

    @contextmanager
    def without(self, grant: Grant) -> Iterator[None]:
        """Take one grant away, until the block ends."""
        document = self._document(grant.role, grant.policy)
        self._put(grant, {**document, "Statement": less(document["Statement"], grant)})
        try:
            yield
        finally:
            self._put(grant, document)

    @contextmanager
    def allowed(self, role: str, action: str, resource: str) -> Iterator[Grant]:
        """Give the role one grant more, until the block ends."""
        (policy, *_) = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = self._document(role, policy)
        more = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
        grant = Grant(role, policy, len(document["Statement"]), action, resource)
        self._put(grant, {**document, "Statement": [*document["Statement"], more]})
        try:
            yield grant
        finally:
            self._put(grant, document)

    def _document(self, role: str, policy: str) -> dict[str, Any]:
        found: dict[str, Any] = self.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        return found

    def _put(self, grant: Grant, document: dict[str, Any]) -> None:
        self.iam.put_role_policy(RoleName=grant.role, PolicyName=grant.policy, PolicyDocument=json.dumps(document))


def less(statements: Sequence[dict[str, Any]], grant: Grant) -> list[dict[str, Any]]:
    """The same statements without the one grant: what else its statement allows is said in up to three."""
    whole = statements[grant.statement]
    actions, resources, services = _many(whole["Action"]), _many(whole["Resource"]), _services(whole)
    split = [
        _statement(whole, [each for each in actions if each != grant.action], resources, services),
        _statement(whole, [grant.action], [each for each in resources if each != grant.resource], services),
        _statement(whole, [grant.action], [grant.resource], [each for each in services if each != grant.via]),
    ]
    left = [each for number, each in enumerate(statements) if number != grant.statement]
    return [*left, *(each for each in split if each is not None)]


def _statement(
    whole: dict[str, Any], actions: list[str], resources: list[str], services: list[str]
) -> dict[str, Any] | None:
    if not (actions and resources and services):
        return None
    made = {**copy.deepcopy(whole), "Action": actions, "Resource": resources}
    if any(services):
        operator, key = VIA
        made["Condition"][operator][key] = services
    return made


def _services(statement: dict[str, Any]) -> list[str]:
    operator, key = VIA
    return _many(statement.get("Condition", {}).get(operator, {}).get(key, "")) or [""]


def _many(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value]
