"""Who owns what, as GitHub reads it: a layer is its team's, and nothing that is named is missing."""

from __future__ import annotations

import re

import pytest

from shared.packaging import packages
from shared.root import ROOT
from tools import workflows
from tools.workflows import OWNED


def owners(path):
    """Whom GitHub asks for a review: the last pattern that matches."""
    found = []
    for line in (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, *named = line.split()
            if pattern == "*" or f"/{path}".startswith(pattern):
                found = named
    return {name.partition("/")[2] for name in found}


def readme_owner(layer):
    said = (ROOT / "projects" / layer / "README.md").read_text(encoding="utf-8")
    (team,) = re.findall(r"\*\*Owner:\*\* (\w+ team)\.", said)
    return team.replace(" ", "-")


def functions(layer):
    """The functions whose change starts a layer's workflow."""
    started = (path.split("/") for path in workflows.patterns(layer) if path.startswith("lambdas/"))
    return {name for _, name, *_ in started} & set(packages.functions())


@pytest.mark.parametrize("layer", OWNED)
def test_a_layer_is_its_teams_its_functions_too_and_its_contract_everybodys(layer):
    team = readme_owner(layer)
    assert owners(f"projects/{layer}/__main__.py") == {team}
    others = {function for each in workflows.upstream(layer) for function in functions(each)}
    for function in functions(layer) - others:
        assert owners(f"lambdas/{function}/main.py") == {team}
    assert team in owners("shared/contracts.py")


def test_every_project_has_a_workflow_and_somebody_who_owns_it():
    programs = {path.parent.name for path in ROOT.glob("projects/*/Pulumi.yaml")}
    assert set(OWNED) == programs
    assert {layer for layer in programs if owners(f"projects/{layer}/x.py") == owners("x.py")} == set()


def test_who_may_deploy_is_no_layers_team_alone():
    assert owners(".github/workflows/network.yml") == owners("shared/naming.py") == {"platform-team"}


def test_every_owned_path_is_there():
    lines = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    named = [line.split()[0] for line in lines if line.startswith("/")]
    assert [path for path in named if not (ROOT / path.strip("/")).exists()] == []
