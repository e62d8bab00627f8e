"""What becomes of a role's trust when some who take it on are named: who is not named stays.

A trust has statements for GitHub's workflows, for people by name (`orchestration/teams/roles.py` writes both), and
others' own. Naming people replaces the people and nobody else, and so does naming a repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestration.teams.roles import ISSUER

WORKFLOWS: Final = "workflows"
PEOPLE: Final = "people"
OTHERS: Final = "others"

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class TrustChange:
    """How one trust becomes another."""

    trust: Mapping[str, Any]
    """What there is to be."""
    differs: bool
    comes: Sequence[str]
    """Who may take the role on from then on: GitHub's subjects, people's ARNs."""
    goes: Sequence[str]
    """Who may not any more."""
    changed: Sequence[str]
    """Who may before and after, where nobody comes and nobody goes, and yet something differs."""
    stays: Sequence[str]
    """Who is not named, and may as before."""

    @staticmethod
    def of(found: Mapping[str, Any], named: Mapping[str, Any]) -> TrustChange:
        """`found`: a role's trust, which may be empty; `named`: that of those who are named now."""
        wanted = _statements(named)
        kinds = {_kind(each) for each in wanted}
        replaced = [each for each in _statements(found) if _kind(each) in kinds]
        kept = [each for each in _statements(found) if _kind(each) not in kinds]
        before, after = set(_who(replaced)), set(_who(wanted))
        differs = _plain(replaced) != _plain(wanted)
        return TrustChange(
            trust={**found, **named, "Statement": [*wanted, *kept]},
            differs=differs,
            comes=sorted(after - before),
            goes=sorted(before - after),
            changed=sorted(after) if differs and before == after else (),
            stays=sorted(set(_who(kept))),
        )

    @property
    def said(self) -> str:
        """For whoever is asked whether it may be done."""
        parts = (
            ("comes", self.comes),
            ("goes", self.goes),
            ("under other conditions", self.changed),
            ("stays", self.stays),
        )
        return "; ".join(f"{what}: {', '.join(who)}" for what, who in parts if who)


def _statements(trust: Mapping[str, Any]) -> list[Statement]:
    found = trust.get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


def _kind(statement: Statement) -> str:
    """Whose a statement is: one that is not as we write it is another's."""
    principal = statement.get("Principal")
    if statement.get("Effect") != "Allow" or not isinstance(principal, Mapping) or len(principal) != 1:
        return OTHERS
    if str(principal.get("Federated", "")).endswith(f":oidc-provider/{ISSUER}"):
        return WORKFLOWS
    condition = {operator: list(keys) for operator, keys in (statement.get("Condition") or {}).items()}
    by_name = "AWS" in principal and condition == {"ArnLike": ["aws:PrincipalArn"]}
    return PEOPLE if by_name else OTHERS


def _who(statements: Iterable[Statement]) -> Iterator[str]:
    for each in statements:
        values = {key: value for keys in (each.get("Condition") or {}).values() for key, value in keys.items()}
        kind = _kind(each)
        if kind == WORKFLOWS:
            yield from _many(values.get(f"{ISSUER}:sub", f"all of {ISSUER}"))
        elif kind == PEOPLE:
            yield from _many(values["aws:PrincipalArn"])
        else:
            yield f"{each.get('Effect')} {json.dumps(each.get('Principal', each.get('NotPrincipal')))}"


def _plain(statements: Iterable[Statement]) -> list[str]:
    """Statements such that equal ones look alike: IAM keeps one value as it is given, in a list or without."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(each) for key, each in value.items()}
        return sorted(map(str, _many(value)))

    return sorted(json.dumps(plain(each), sort_keys=True) for each in statements)


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
