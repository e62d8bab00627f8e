"""The list of the emulator's names, against the sources that use them and the emulator that has them."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from ministack.core import router
from ministack.services import ec2, sqs

from sandbox.cloud import names, uses
from shared.errors import Problem

ROOT = Path(__file__).parents[3]


def test_the_list_has_what_the_sources_use_and_nothing_else():
    listed = {f"{module}.{name.removesuffix('()')}" for module, found in names.NAMES.items() for name in found}
    used = {f"{use.module}.{use.name}": use.place for use in uses.uses()}
    assert {name: place for name, place in used.items() if name not in listed} == {}, "not in names.NAMES"
    assert listed - used.keys() == set(), "in names.NAMES, and nothing uses it any more"


def test_the_emulator_that_is_pinned_has_them_all(tmp_path: Path):
    names.check(tmp_path / "found", "a")
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"ministack=={names.VERSION}" in dependencies
    assert metadata.version("ministack") == names.VERSION


SOURCE = """
from ministack import app
from ministack.core.responses import get_region as region
from ministack.services import ec2, sqs, sts as tokens
from elsewhere import other

helper = ec2._p
TEXTS = ("ministack.services.iam._roles", "ministack.services.", "see ministack.app._version")

def repair():
    original = sqs._one
    sqs._two = lambda: original(region(), tokens._sessions["a"], ec2._ACTION_MAP[other.key])
    ec2._ACTION_MAP["RunInstances"] = other._x
    sqs._get_q(ec2._subnets)["messages"].pop()

class Thing:
    def method(self):
        from ministack.services import kms
        return kms.get_state(), app.pin.deeper
"""


def test_a_name_is_found_however_it_is_used_and_with_its_place():
    found = {(use.module.removeprefix("ministack."), use.name, use.place) for use in uses.uses_in(SOURCE, "f.py")}
    assert found == {
        ("services.ec2", "_p", "f.py"),
        ("services.iam", "_roles", "f.py"),
        ("services.sqs", "_one", "f.py: repair"),
        ("services.sqs", "_two", "f.py: repair"),
        ("core.responses", "get_region", "f.py: repair"),
        ("services.sts", "_sessions[a]", "f.py: repair"),
        ("services.ec2", "_ACTION_MAP", "f.py: repair"),
        ("services.ec2", "_ACTION_MAP[RunInstances]", "f.py: repair"),
        ("services.sqs", "_get_q", "f.py: repair"),
        ("services.ec2", "_subnets", "f.py: repair"),
        ("services.kms", "get_state", "f.py: Thing"),
        ("app", "pin.deeper", "f.py: Thing"),
    }


@pytest.mark.parametrize(
    "hidden",
    [
        "from ministack.services import sqs\ngetattr(sqs, '_x')",
        "from ministack.services import sqs as queues\nmine = queues",
        "import ministack.app\nministack.app._x",
        "importlib.import_module('ministack.services.sqs')._x",
    ],
)
def test_a_module_that_is_handed_on_is_not_in_any_list(hidden: str):
    listed = {(module, name.removesuffix("()")) for module, found in names.NAMES.items() for name in found}
    assert {(use.module, use.name) for use in uses.uses_in(hidden, "f.py")} - listed


def test_nothing_but_the_saved_state_finds_modules_or_names_by_texts():
    asking = {"getattr", "setattr", "hasattr", "vars", "import_module", "__import__", "modules", "attrgetter"}
    found = {
        path.name
        for path in uses.CLOUD.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")) in asking
    }
    assert found == {"names.py", "uses.py", "state.py", "function_bootstrap.py", "runtime.py"}


def the_problem() -> str:
    with pytest.raises(Problem) as raised:
        names.check(Path("/nonexistent"), "a")
    line = str(raised.value)
    assert line.startswith(f"ministack {names.VERSION} lacks ")
    assert line.endswith(f"pin {names.VERSION} in pyproject.toml and requirements.lock again, or mend what uses it")
    assert "\n" not in line
    return line


def test_a_name_that_is_gone_is_told_with_the_repair_that_uses_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(sqs, "_queue_url_for_account")
    place = "sandbox/cloud/repairs/sqs.py: queue_urls"
    assert f"lacks ministack.services.sqs._queue_url_for_account() (used by {place}): pin" in the_problem()


def test_every_name_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(ec2._ACTION_MAP, "CreateFlowLogs")
    monkeypatch.delattr(router, "_KNOWN_AWS_SERVICE_NAMES")
    line = the_problem()
    assert (
        "ministack.services.ec2._ACTION_MAP[CreateFlowLogs]() (used by sandbox/cloud/repairs/endpoints.py: fl" in line
    )
    assert "ministack.core.router._KNOWN_AWS_SERVICE_NAMES (used by sandbox/cloud/repairs/routing.py: known_se" in line


@pytest.mark.parametrize(("name", "instead"), [("_get_q", {}), ("_get_q", None)])
def test_what_cannot_be_called_any_more_is_gone(monkeypatch: pytest.MonkeyPatch, name: str, instead: object):
    monkeypatch.setattr(sqs, name, instead)
    assert f"lacks ministack.services.sqs.{name}() (used by" in the_problem()


def test_what_became_a_function_is_gone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(router, "_KNOWN_AWS_SERVICE_NAMES", frozenset)
    assert "lacks ministack.core.router._KNOWN_AWS_SERVICE_NAMES (used by" in the_problem()


def test_what_was_found_once_is_looked_for_again_with_other_sources_or_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    found = tmp_path / "found"
    names.check(found, "a")
    monkeypatch.delattr(sqs, "_get_q")
    names.check(found, "a")
    for _ in range(2):
        with pytest.raises(Problem):
            names.check(found, "b")


def test_a_module_that_is_gone_is_told_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(names, "NAMES", {"ministack.services.gone": ("a", "b()"), "ministack.lost.module": ("c",)})
    assert "lacks ministack.services.gone (used by ); ministack.lost.module (used by ): pin" in the_problem()


def test_the_module_that_reads_the_disk_is_checked_without_being_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(names, "NAMES", {"ministack.services.s3": ("get_state()", "load_persisted_state()", "_gone()")})
    assert "lacks ministack.services.s3._gone() (used by ): pin" in the_problem()


def test_no_other_module_imports_it(tmp_path: Path):
    script = f"""
import sys
from pathlib import Path
from sandbox.cloud import names
names.check(Path({str(tmp_path / "found")!r}), "a")
print("ministack.services.s3" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
