"""A misspelt attribute, argument or class of the AWS SDK or of a component fails the static checks of `./invoke test`.

Each case changes one place in a copy of the real sources, and runs the check as `./invoke test` does.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests.sampling import sampled
from tools import checks

ROOT = Path(__file__).resolve().parents[3]
CHECK = "SDK types"

MISTAKES = {
    "attribute of a resource": ("data/audit.py", "bucket=self.bucket.id,", "bucket=self.bucket.idd,", "idd"),
    "attribute of a component's resource": (
        "network/__main__.py",
        "security.functions.id",
        "security.functions.nonexistent",
        "nonexistent",
    ),
    "attribute of a component": ("network/__main__.py", "=vpc.id,", "=vpc.idd,", "idd"),
    "attribute of the shared component": (
        "compute/__main__.py",
        "functions.health.alias.arn",
        "functions.health.aliass.arn",
        "aliass",
    ),
    "argument": ("data/audit.py", "rules=lifecycle_rules(", "ruless=lifecycle_rules(", "ruless"),
    "type of an argument": ("network/vpc.py", "egress=rule.egress,", "egress=self._region,", "egress"),
    "key of a nested argument": ("compute/api.py", '"metrics_enabled": ', '"metricks_enabled": ', "metricks_enabled"),
    "resource option": ("network/flow_logs.py", "depends_on=[policy]", "depends_onn=[policy]", "depends_onn"),
    "class": (
        "data/audit.py",
        "aws.s3.BucketLifecycleConfiguration(",
        "aws.s3.BucketLifecycleConfigurationn(",
        "BucketLifecycleConfigurationn",
    ),
    "module": ("edge/notifications.py", "aws.sns.TopicPolicy(", "aws.snss.TopicPolicy(", "snss"),
    "type that says nothing": (
        "data/audit.py",
        "REPLICATION_MINUTES = 15",
        "from typing import Any\n\nREPLICATION_MINUTES: Any = 15",
        "explicit-any",
    ),
}
"""Mistakes by what is wrong: the file in `projects/`, what it says, what it says wrongly, and the name to be told."""


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of what is checked, with its configuration, as the checkout of `./invoke test`."""
    for folder in ("projects", "shared"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "STATIC", {CHECK: checks.STATIC[CHECK]})
    return tmp_path


@pytest.mark.prove
def test_the_sources_as_they_are_pass(sources, capsys):
    assert checks.static() == [], capsys.readouterr().out


@pytest.mark.parametrize("mistake", sampled(MISTAKES, 2))
def test_a_mistake_fails_and_is_named(sources, capsys, mistake):
    file, right, wrong, name = MISTAKES[mistake]
    path = sources / "projects" / file
    source = path.read_text(encoding="utf-8")
    assert source.count(right) == 1
    path.write_text(source.replace(right, wrong), encoding="utf-8")

    assert checks.static() == [CHECK]
    told = capsys.readouterr().out
    assert f"projects/{file}" in told
    assert name in told


def components():
    files = [*(ROOT / "projects").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]
    for path in sorted(files):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and "pulumi.ComponentResource" in map(ast.unparse, node.bases):
                yield node


@pytest.mark.parametrize("component", components(), ids=lambda component: component.name)
def test_what_a_component_gives_is_annotated_in_its_class(component):
    annotated = {ast.unparse(each.target) for each in component.body if isinstance(each, ast.AnnAssign)}
    given = {
        each.attr
        for each in ast.walk(component)
        if isinstance(each, ast.Attribute)
        and isinstance(each.ctx, ast.Store)
        and ast.unparse(each.value) == "self"
        and not each.attr.startswith("_")
    }
    assert given == annotated
