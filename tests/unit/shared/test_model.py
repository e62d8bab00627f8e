"""The model, which is what lies directly in shared/, is quick to import: `./invoke` reads it at every start."""

from __future__ import annotations

import json
import subprocess
import sys

from shared.packaging.imports import Tree
from shared.root import ROOT

HEAVY = {"boto3", "botocore", "grpc", "pulumi", "pulumi_aws", "pulumi_policy", "pulumi_random"}
MODEL = sorted(path.relative_to(ROOT) for path in (ROOT / "shared").glob("*.py"))

LOADED = """
import importlib, json, sys
loaded = {}
for name in sys.argv[1:]:
    before = set(sys.modules)
    importlib.import_module(name)
    loaded[name] = sorted(set(sys.modules) - before)
print(json.dumps(loaded))
"""


def test_importing_a_module_of_the_model_loads_no_pulumi():
    names = [f"shared.{path.stem}" for path in MODEL]
    ran = subprocess.run([sys.executable, "-c", LOADED, *names], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(ran.stdout)
    assert {name for name in loaded if name == "shared.contracts"}, "the list is of the model's modules"
    assert {name: HEAVY & set(modules) for name, modules in loaded.items() if HEAVY & set(modules)} == {}


def test_no_function_of_the_model_imports_pulumi_later():
    """What only type checkers see does not count: `contracts` says which of its fields are outputs."""
    tree = Tree(ROOT)
    found = {str(path): {name.partition(".")[0] for name in tree.source(path).names} & HEAVY for path in MODEL}
    assert {path: names for path, names in found.items() if names} == {}
