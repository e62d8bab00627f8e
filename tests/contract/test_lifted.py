"""Contracts and graph can be lifted out of this repository: they need nothing of AWS, Pulumi or the environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from shared.root import ROOT

LIFTED = (
    "orchestration/graph.py",
    "shared/contracts.py",
    "shared/errors.py",
    "shared/reads.py",
    "shared/roles.py",
    "shared/stack.py",
)
CONTRACTS = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class ShelfOutputs:
    project: ClassVar[str] = "shelf"
    version: ClassVar[int] = 1
    books: str

@dataclass(frozen=True)
class ReaderOutputs:
    project: ClassVar[str] = "reader"
    version: ClassVar[int] = 1
"""
USING = """
import json, pathlib, sys
from shared import contracts, reads
import others
from orchestration.graph import Graph
layers = {
    "shelf": contracts.Layer("shelf", others.ShelfOutputs, regional=True, consumes=()),
    "reader": contracts.Layer("reader", others.ReaderOutputs, regional=False, consumes=(others.ShelfOutputs,)),
}
graph = Graph.of("home", layers)
read = reads.declared(pathlib.Path("."), "reader")
print(json.dumps({
    "stacks": [str(stack) for stack in graph.stacks],
    "broken": reads.broken(read["shelf"], others.ShelfOutputs),
    "loaded": [name for name in sys.modules if name.partition(".")[0] in {"pulumi", "pulumi_aws", "boto3", "pydantic"}],
}))
"""


def test_they_work_alone_without_a_library(tmp_path):
    for name in LIFTED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "others.py").write_text(CONTRACTS)
    (tmp_path / "projects/reader").mkdir(parents=True)
    (tmp_path / "projects/reader/reads.json").write_text('{"shelf": {"books": "int", "films": "str"}}')
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{USING}"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == {
        "stacks": ["shelf/home-secondary", "shelf/home-primary", "reader/home"],
        "broken": ["films is gone", "books is str, not int"],
        "loaded": [],
    }
