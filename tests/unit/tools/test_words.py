"""One word, one thing: docs/glossary.md."""

from __future__ import annotations

import ast
from collections import defaultdict

from shared.root import ROOT
from tools import bootstrap

ROOMS = bootstrap.ROOMS
AS_AWS_NAMES_IT = ("sandbox/provider/aws/",)
"""The provider's resource types have the names that AWS and its SDK give them."""


def classes():
    """The files that define each class of ours, by its name."""
    found = defaultdict(set)
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(AS_AWS_NAMES_IT):
                tree = ast.parse(path.read_bytes())
                for node in ast.walk(tree):
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        found[node.name].add(name)
    return found


def test_no_two_classes_share_a_name():
    assert {name: sorted(files) for name, files in classes().items() if len(files) > 1} == {}
