"""`./invoke team-roles`: the documents of the team roles, without asking AWS for anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import report
from orchestration.teams import roles
from orchestration.teams.policies import StateStore
from shared.environment import Environment
from shared.errors import Problem

if TYPE_CHECKING:
    from orchestration.choice import Choice


def team_roles(  # noqa: PLR0917 - options, which are always named
    choice: Choice, account: str, repository: str, people: str, state: str, key: str, passphrase: str, out: str
) -> int:
    """Show the roles, or write their documents into a folder. Raises Problem."""
    environment = Environment.load(choice.environment)
    takers = roles.Takers.of(repository, people)
    found = roles.roles(environment, account, takers, _store(state, key, passphrase))
    written = roles.write(found, Path(out)) if out else []
    if choice.json:
        told = [
            {"layer": each.layer, "role": each.name, "trust": each.trust, "policies": each.documents} for each in found
        ]
        print(json.dumps({"roles": told, "written": [str(path) for path in written]}, indent=2))
        return 0
    rows = []
    for each in found:
        actions = {action for document in each.documents for one in document["Statement"] for action in one["Action"]}
        who = [*(roles.github_environments(each.layer) if repository else ()), *takers.people]
        rows.append(((each.layer, each.name, str(len(each.documents)), str(len(actions)), ", ".join(who)), "bold"))
    report.show_rows(("team", "role", "policies", "actions", "who takes it on"), rows)
    if written:
        print(f"\n{len(written)} documents are in {out}; docs/ownership.md says how roles are made of them")
    return 0


def _store(state: str, key: str, passphrase: str) -> StateStore | None:
    """Where the stacks are kept, as the options say it; None where they say nothing. Raises Problem."""
    if state:
        bucket, _, folder = state.partition("/")
        return StateStore(bucket, key, roles.secret(passphrase), prefix=folder.removesuffix("/"))
    for option, given in (("--state-key", key), ("--passphrase", passphrase)):
        if given:
            raise Problem(f"{option} is for the states, and no --state is named: name their bucket too")
    return None
