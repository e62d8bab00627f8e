"""The rooms of the house import each other one way only: what breaks that fails `./invoke test` and is named.

Imports are planted in a copy of the real sources, and the check is run as `./invoke test` runs it.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from contextlib import contextmanager

import grimp
import pytest

from shared.packaging import imports
from shared.root import ROOT
from tools import checks

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
ROOMS = SETTINGS["root_packages"]
LAZILY = "\n\ndef _late() -> None:\n    "
FOR_TYPE_CHECKERS = "\n\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    "

PLANTED = {
    "the AWS target": (
        "orchestration/targets/aws.py",
        "\nfrom sandbox import Sandbox\n",
        "orchestration.targets.aws -> sandbox",
    ),
    "the AWS target, in a function": (
        "orchestration/targets/aws.py",
        f"{LAZILY}from sandbox.variables import enter\n",
        "orchestration.targets.aws -> sandbox.variables",
    ),
    "the engine": ("engine/cli.py", "\nimport sandbox.layout\n", "engine.cli -> sandbox.layout"),
    "the engine, in a function": (
        "engine/plugins/host.py",
        f"{LAZILY}import sandbox.layout\n",
        "engine.plugins.host -> sandbox.layout",
    ),
    "the sandbox's target, other than by choice": (
        "orchestration/commands.py",
        f"{LAZILY}from orchestration.targets import sandbox\n",
        "orchestration.commands -> orchestration.targets.sandbox",
    ),
    "the model on Pulumi": ("shared/naming.py", "\nimport pulumi\n", "shared.naming -> pulumi"),
    "the model on the SDK, in a function": (
        "shared/environment.py",
        f"{LAZILY}from pulumi_aws import ec2\n",
        "shared.environment -> pulumi_aws",
    ),
    "the model on a building block": (
        "shared/stack.py",
        f"{LAZILY}from shared.components import regions\n",
        "shared.stack -> shared.components.regions",
    ),
    "a function on another": (
        "lambdas/audit/main.py",
        "\nfrom lambdas.payment import api\n",
        "lambdas.audit.main -> lambdas.payment.api",
    ),
    "what functions share on a function": (
        "lambdas/adapters/composition.py",
        "\nfrom lambdas.payment.fields import FIELDS\n",
        "lambdas.adapters.composition -> lambdas.payment.fields",
    ),
    "a function on what it is not packed with": (
        "lambdas/health/main.py",
        "\nfrom shared.roles import ROLES\n",
        "lambdas.health.main -> shared.roles",
    ),
    "shared on what stands on it": (
        "shared/files.py",
        f"{LAZILY}from orchestration.graph import Graph\n",
        "shared.files -> orchestration.graph",
    ),
    "the domain on an adapter": (
        "lambdas/domain/service.py",
        "\nfrom lambdas.adapters.clock import token\n",
        "lambdas.domain.service -> lambdas.adapters.clock",
    ),
    "the domain on the SDK": (
        "lambdas/domain/money.py",
        f"{LAZILY}import botocore.session\n",
        "lambdas.domain.money -> botocore",
    ),
    "a project on the sandbox": (
        "projects/network/vpc.py",
        "\nfrom sandbox.variables import enter\n",
        "projects.network.vpc -> sandbox.variables",
    ),
    "a project on another": (
        "projects/edge/zone.py",
        "\nfrom projects.data.table import SCHEMA\n",
        "projects.edge.zone -> projects.data.table",
    ),
    "a project on its own folder's bare names": (
        "projects/edge/zone.py",
        "\nimport health\n",
        "projects.edge.zone -> health",
    ),
    "the simulation on the sandbox": (
        "simulation/run.py",
        f"{LAZILY}import sandbox\n",
        "simulation.run -> sandbox",
    ),
    "the sandbox on what starts it": (
        "sandbox/commands.py",
        f"{LAZILY}from orchestration import report\n",
        "sandbox.commands -> orchestration.report",
    ),
    "a library that the room has not": ("engine/cli.py", f"{LAZILY}import boto3\n", "engine.cli -> boto3"),
    "a circle, for type checkers": (
        "lambdas/domain/errors.py",
        f"{FOR_TYPE_CHECKERS}from lambdas.domain.payment import Payment\n",
        "cycles are allowed in lambdas.domain",
    ),
    "a library that is gone": (
        "pyproject.toml",
        ('["google", "grpc", "pulumi"]', '["google", "grpc", "pulumi", "rich"]'),
        "nothing imports rich any more",
    ),
}
"""What must not be: the file, what is written at its end (or what is replaced by what), and what is told."""

BY_NAME = {
    "engine/declared.py": "the project's program",
    "engine/plugins/fork_server.py": "what the program that comes next is going to import",
    "engine/plugins/host.py": "its own part that serves, once its socket listens",
    "engine/plugins/program.py": "the project's program",
    "orchestration/target.py": "the target that was chosen",
}
"""Who imports what without a statement: the check of the arrows does not see it."""
OPAQUE = {"__import__", "eval", "exec", "import_module", "run_module", "run_path", "spec_from_file_location"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("copy")
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def check(root):
    # -S: the virtualenv's own .pth would add this checkout's rooms to those of the copy.
    command = [sys.executable, "-S", "-m", *checks.STATIC["arrows"]]
    settings = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, check=False)
    return ran.returncode, " ".join((ran.stdout + ran.stderr).split())


@contextmanager
def planted(root, cases):
    originals = {path: path.read_text(encoding="utf-8") for path in {root / PLANTED[case][0] for case in cases}}
    for case in cases:
        file, change, _ = PLANTED[case]
        text = (root / file).read_text(encoding="utf-8")
        if isinstance(change, str):
            text += change
        else:
            assert text.count(change[0]) == 1
            text = text.replace(*change)
        (root / file).write_text(text, encoding="utf-8")
    yield
    for path, text in originals.items():
        path.write_text(text, encoding="utf-8")


def test_the_sources_as_they_are_pass(copy):
    code, told = check(copy)
    assert code == 0, told


def test_imports_against_the_arrows_fail_and_are_named(copy):
    with planted(copy, PLANTED):
        code, told = check(copy)
    assert code == 1
    assert [case for case, (_, _, name) in PLANTED.items() if name not in told] == []


@pytest.mark.prove
@pytest.mark.parametrize("case", PLANTED)
def test_each_alone_fails_and_is_named(copy, case):
    with planted(copy, [case]):
        code, told = check(copy)
    assert code == 1
    assert PLANTED[case][2] in told


def test_the_check_reads_every_file_of_every_room():
    """A folder without `__init__.py` inside a package that has one would be passed over."""
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    files = [path.relative_to(ROOT).with_suffix("") for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    modules = {".".join(path.parts).removesuffix(".__init__") for path in files}
    assert modules - graph.modules == set()


def test_every_room_has_arrows():
    drawn = {each for contract in SETTINGS["contracts"] for each in contract.get("source_modules", ())}
    assert set(ROOMS) == rooms()
    assert set(ROOMS) <= drawn


def test_tests_are_in_folders_named_after_the_rooms():
    found = {path.name for path in (ROOT / "tests" / "unit").iterdir() if any(path.glob("*.py"))}
    assert found == rooms()


def rooms():
    """The folders at the root that have programs: what git has, or would have."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*/*.py"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return {name.partition("/")[0] for name in listed if (ROOT / name).is_file()} - {"tests"}


def test_who_imports_by_name_is_known():
    """In the rooms that must not reach the sandbox."""
    quiet = [room for room in ROOMS if room not in {"sandbox", "simulation", "tools"}]
    files = [path for room in quiet for path in (ROOT / room).rglob("*.py")]
    assert {str(path.relative_to(ROOT)) for path in files if calls(path) & OPAQUE} == set(BY_NAME)


def calls(path):
    called = (node.func for node in ast.walk(imports.parse(path)) if isinstance(node, ast.Call))
    return {getattr(each, "attr", getattr(each, "id", "")) for each in called}
