"""What holds for all programs together, beside the rules of policies/, which tests/unit/policies holds them to."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from policies.names import PHYSICAL_NAMES
from shared.components.function import TRACING
from shared.contracts import LAYERS
from shared.root import ROOT
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, Made, run_environment

GLOBAL = {"Bucket", "Dashboard", "Role", "RolePolicy", "Zone"}
"""Types whose name an account has once, whatever the region."""


def everything() -> list[Made]:
    """All that both profiles make."""
    return [each for name in REGIONS for run in run_environment(name).values() for each in run.recorder.cloud]


def test_every_function_and_every_stage_is_traced_and_may_tell():
    functions = [each for each in everything() if each.type == "aws:lambda/function:Function"]
    roles = {
        each["role"]
        for each in everything()
        if each.type.endswith(":RolePolicyAttachment") and each["policyArn"] == TRACING
    }
    assert len(functions) == 18
    for function in functions:
        assert function["tracingConfig"] == {"mode": "Active"}
        assert function["role"].rpartition(":")[2] in roles
    stages = [each for each in everything() if each.type.endswith(":Stage")]
    assert [each["xrayTracingEnabled"] for each in stages] == [True, True]


def test_a_bucket_policy_comes_after_the_blocks_that_s3_refuses_to_change_at_once():
    found = [each for each in everything() if each.type.endswith(":BucketPolicy")]
    assert found
    assert all(f"BucketPublicAccessBlock:{each.name}" in each.after for each in found)


def test_two_stacks_never_share_a_physical_name_and_both_profiles_fit_into_one_account():
    named = [
        (
            resource.type,
            None if kind in GLOBAL else resource.provider.split("::")[-2],  # by role, and both primaries are one region
            resource[PHYSICAL_NAMES[kind]],
            resource.get("role"),
        )
        for resource in everything()
        if (kind := resource.type.rpartition(":")[2]) in PHYSICAL_NAMES and kind not in {"Record", "Certificate"}
    ]
    assert len(named) == len(set(named))


REGIONS = {
    PAYMENTS: {"primary": "us-east-1", "secondary": "us-east-2"},
    TRADING: {"primary": "us-east-1", "secondary": "us-west-2"},
}


@pytest.mark.parametrize("role", ["primary", "secondary"])
@pytest.mark.parametrize("layer", [layer.name for layer in LAYERS.values() if layer.regional])
@pytest.mark.parametrize("environment", REGIONS)
def test_a_regional_stack_configures_its_own_region_alone(environment, layer, role):
    recorder = run_environment(environment)[f"{layer}/{environment}-{role}"].recorder
    (provider,) = [each for each in recorder.made if each.type == "pulumi:providers:aws"]
    assert provider["region"] == REGIONS[environment][role]
    assert {each.provider.split("::")[-2] for each in recorder.cloud} == {f"aws-{role}"}


def modules():
    return [path for folder in ("projects", "shared", "lambdas") for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_go_one_way(path):
    own = path.relative_to(ROOT).parts[0]
    allowed = {"projects": {"projects", "shared"}, "shared": {"shared"}, "lambdas": {"lambdas"}}[own]
    ours = {"projects", "shared", "lambdas", "sandbox", "orchestration", "drill", "tasks", "tests", "policies"}
    ours |= {"engine", "simulation", "tools"}
    roots = {name.partition(".")[0] for name in imported(path)}
    assert roots & ours <= allowed
    assert "ministack" not in roots
    if own == "projects":
        layer = path.relative_to(ROOT).parts[1]
        others = {name for name in imported(path) if name.startswith("projects.") and name.split(".")[1] != layer}
        assert not others


@pytest.mark.parametrize("layer", LAYERS)
def test_a_program_reads_like_a_table_of_contents(layer):
    lines = (ROOT / "projects" / layer / "__main__.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert not [line for line in lines if re.match(r"\s*(for|if|while|def|class) ", line)]


@pytest.mark.parametrize(
    "path", [path for path in modules() if "projects" in path.parts], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_module_of_a_project_hides_a_library(path):
    """A program's folder comes first on Python's path: `secrets.py` there would be everybody's `secrets`."""
    assert path.stem == "__main__" or path.stem not in sys.stdlib_module_names


@pytest.mark.parametrize("layer", LAYERS)
def test_default_providers_are_off(layer):
    settings = (ROOT / "projects" / layer / "Pulumi.yaml").read_text(encoding="utf-8")
    assert re.search(r"pulumi:disable-default-providers:\s+value: \[\"aws\"\]", settings)
    assert f"name: {layer}\n" in settings
