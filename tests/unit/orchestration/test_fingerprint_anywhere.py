"""One commit, one answer: whoever computes a fingerprint, wherever the checkout is and whatever else lies in it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys

import pytest

from orchestration import made_of
from shared.root import ROOT
from tools import checkout

ANSWER = """
import json, sys
sys.implementation.cache_tag = sys.argv[1]
from engine.backend import FileBackend
from orchestration.fingerprint import Fingerprints
from orchestration.graph import Graph
from shared.environment import Environment
from shared.root import ROOT
answer = {}
for name in ("payments", "trading"):
    graph = Graph.of(name)
    known = Fingerprints(ROOT, Environment.load(name), graph, FileBackend(ROOT / "none"), generation=None)
    answer |= {str(stack): known.pieces(stack) for stack in graph.stacks}
print(json.dumps({"root": str(ROOT), "pieces": answer}))
"""
LITTER = (
    "policies/.pytest_cache/README",
    "policies/__pycache__/rules.cpython-399.pyc",
    "projects/data/.mypy_cache/cache.json",
    "projects/edge/.DS_Store",
    "projects/edge/Pulumi.payments.yaml",
    "projects/network/vpc.py.orig",
    "projects/network/flow_logs.py~",
    "shared/.roles.py.swp",
    "shared/components/.idea/workspace.xml",
)
"""What machines leave in a checkout."""
OTHER = {"LANG": "de_DE.ISO-8859-1", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PYTHONUTF8": "0", "TZ": "Asia/Tokyo"}


def git(folder, *arguments):
    owner = ("-c", "user.name=owner", "-c", "user.email=owner@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *owner, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """What git tracks or would track here, as one commit."""
    folder = tmp_path_factory.mktemp("repository")
    for name in checkout.tracked(ROOT):
        if not name.startswith(("docs/", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    return folder


def answer(root, cache_tag, **variables):
    ran = subprocess.run(
        [sys.executable, "-c", ANSWER, cache_tag],
        cwd=root,
        env={"PATH": os.environ["PATH"], **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(ran.stdout)
    assert told["root"] == str(root)
    return told["pieces"]


def test_two_clones_at_two_places_under_two_users_settings_have_the_same_fingerprints(repository, tmp_path):
    one, other = tmp_path / "one", tmp_path / "far away" / "another path"
    git(tmp_path, "clone", "-q", repository, one)
    before = os.umask(0o077)
    try:
        git(tmp_path, "-c", "core.autocrlf=true", "clone", "-q", repository, other)
        for name in LITTER:
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            (other / name).write_text("left behind")
    finally:
        os.umask(before)
    for file in other.rglob("*.py"):
        os.utime(file, (1, 1))
    first = answer(one, "cpython-311", PYTHONHASHSEED="1")
    assert len(first) == 16
    assert all(len(pieces["code"]) > 10 for pieces in first.values())
    assert answer(other, "cpython-399", **OTHER) == first


def test_what_a_version_of_python_adds_to_syntax_trees_does_not_count():
    (node,) = ast.parse("class A:\n    x: int = 1\n").body
    before = made_of._text(node)
    assert "ClassDef(name='A'" in before
    vars(node)["_fields"] = (*node._fields, "type_params", "later")
    vars(node).update(type_params=[], later=None)
    assert made_of._text(node) == before
    vars(node).update(type_params=[ast.Name("T", ast.Load())])
    assert made_of._text(node) != before
