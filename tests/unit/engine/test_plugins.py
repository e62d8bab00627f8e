"""Plugins without an engine: what is installed, which interpreter a project gets, what is imported beforehand."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from engine import launchers
from engine.launchers import brings_python
from engine.plugins import fork_server, host
from engine.plugins.language import project_interpreter
from sandbox import variables
from sandbox.layout import Layout
from sandbox.plugins.install import install
from shared.errors import Problem
from shared.packaging.imports import Tree


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = tmp_path / "a checkout"
    root.mkdir()
    return Layout(root)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    executable = tmp_path / "pulumi"
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    return executable


def files(layout: Layout) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in layout.state.rglob("*") if path.is_file()}


def test_the_engine_finds_its_plugins_beside_itself_and_in_its_home(layout: Layout, engine: Path):
    install(layout, engine)
    assert {path.name for path in layout.bin.iterdir()} == {
        "pulumi",
        "pulumi-language-python",
        "pulumi-analyzer-policy-python",
    }
    assert (layout.bin / "pulumi").samefile(engine)
    version = metadata.version("pulumi-aws")
    assert (layout.pulumi_home / f"plugins/resource-aws-v{version}/pulumi-resource-aws").is_file()


def test_an_engine_without_a_language_host_is_given_one(layout: Layout, engine: Path):
    assert not brings_python(engine)
    placed = launchers.place_engine(engine, layout.bin, launchers.plain("engine.plugins.plain", "language"))
    assert brings_python(placed)
    assert not layout.pulumi_home.exists()
    link = engine.with_name("linked")
    link.symlink_to(placed)
    assert brings_python(link)


def test_official_plugins_take_the_place_of_ours_and_back(layout: Layout, engine: Path, monkeypatch):
    install(layout, engine)
    (ours,) = layout.pulumi_home.glob("plugins/resource-aws-v*/pulumi-resource-aws")
    script = ours.read_bytes()
    monkeypatch.setenv("SANDBOX_PLUGINS", "official")
    install(layout, engine)
    assert not ours.exists()
    assert variables.of(layout, 4566)["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "false"
    ours.parent.mkdir()
    ours.write_bytes(b"\x7fELF fetched by the engine")
    install(layout, engine)
    assert ours.read_bytes().startswith(b"\x7fELF")
    monkeypatch.delenv("SANDBOX_PLUGINS")
    install(layout, engine)
    assert ours.read_bytes() == script
    assert variables.of(layout, 4566)["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_installing_again_writes_nothing(layout: Layout, engine: Path):
    install(layout, engine)
    before = files(layout)
    install(layout, engine)
    assert files(layout) == before


def test_another_engine_takes_the_place_of_the_one_before(layout: Layout, engine: Path):
    install(layout, engine)
    newer = engine.with_name("newer")
    newer.write_text("#!/bin/sh\nexit 0\n")
    install(layout, newer)
    assert (layout.bin / "pulumi").read_text() == newer.read_text()


def test_providers_of_another_sdk_are_removed(layout: Layout, engine: Path):
    outdated = layout.pulumi_home / "plugins" / "resource-aws-v6.0.0"
    outdated.mkdir(parents=True)
    install(layout, engine)
    assert not outdated.exists()


def test_an_engine_on_another_file_system_is_copied(layout: Layout, engine: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    install(layout, engine)
    copy = layout.bin / "pulumi"
    assert copy.read_bytes() == engine.read_bytes()
    assert copy.stat().st_mode & 0o111
    before = files(layout)
    install(layout, engine)
    assert files(layout) == before


def test_a_folder_that_cannot_be_written_is_one_clear_line(layout: Layout, engine: Path):
    layout.state.mkdir()
    layout.bin.write_text("in the way")
    with pytest.raises(Problem, match=r"cannot install the engine's plugins in .*\.sandbox: .*; free some space"):
        install(layout, engine)


def test_a_packs_virtualenv_is_no_option_of_the_sdk(layout: Layout, engine: Path):
    install(layout, engine)
    pack = layout.root / "pack"
    pack.mkdir()
    (pack / "__main__.py").write_text("import sys\nprint(sys.prefix, sys.argv[1:], flush=True)\n")
    launcher = layout.bin / "pulumi-analyzer-policy-python"
    command = [launcher, "127.0.0.1:1", ".", f"-virtualenv={os.path.relpath(sys.prefix, pack)}"]
    with subprocess.Popen(command, cwd=pack, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as analyzer:
        assert analyzer.stdout is not None
        assert Path(analyzer.stdout.read().split()[0]).resolve() == Path(sys.prefix).resolve()
    assert analyzer.returncode == 0


def test_the_policies_of_the_checkout_alone_are_lent(layout: Layout, engine: Path, monkeypatch):
    install(layout, engine)
    script = (layout.bin / "pulumi-analyzer-policy-python").read_text()
    ours, other = layout.root / "policies", layout.root / "other"
    stub, alone = layout.root / "stub", layout.root / "alone"
    for path, said in ((stub, "lent"), (alone, "alone")):
        path.write_text(f"#!/bin/sh\necho {said} $@\n")
        path.chmod(0o755)
    for found, instead in ((launchers.PLUGINS / "stub.py", stub), (launchers.PLUGINS / "policy.py", alone)):
        script = script.replace(f"{sys.executable} -I -S {found}", f"'{instead}'")
    for folder in (ours, other):
        folder.mkdir()

    def run(folder: Path, **variables: str) -> str:
        command = ["/bin/sh", "-c", script, "launcher", "address", "."]
        return subprocess.check_output(command, cwd=folder, env={**os.environ, **variables}, text=True).split()[0]

    monkeypatch.delenv("SANDBOX_PLUGINS", raising=False)
    assert (run(ours), run(other), run(ours, SANDBOX_PLUGINS="plain")) == ("lent", "alone", "alone")


def test_a_launcher_runs_from_a_path_with_blanks(layout: Layout, engine: Path):
    install(layout, engine)
    launcher = layout.bin / "pulumi-analyzer-policy-python"
    with subprocess.Popen([launcher, "--help"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as analyzer:
        assert analyzer.stdout is not None
        assert "engineAddress" in analyzer.stdout.read()
    assert analyzer.returncode == 0


def test_a_projects_virtualenv_is_relative_to_its_root(tmp_path: Path):
    interpreter = tmp_path / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.touch()
    root = tmp_path / "projects" / "network"
    root.mkdir(parents=True)
    assert project_interpreter({"virtualenv": "../../.venv"}, root, None).samefile(interpreter)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"virtualenv": "venv"}, r"Pulumi\.yaml: there is no virtualenv at .*venv; make it first"),
        ({"toolchain": "poetry"}, r"Pulumi\.yaml: .* does not know the toolchain 'poetry'; name the virtualenv"),
        ({}, r"Pulumi\.yaml names no virtualenv, and there is no Python on PATH"),
    ],
)
def test_a_project_whose_python_is_not_there_is_one_clear_line(tmp_path: Path, options: dict[str, str], said: str):
    with pytest.raises(Problem, match=said):
        project_interpreter(options, tmp_path, "")


def test_without_a_virtualenv_python_comes_from_the_path():
    found = project_interpreter({}, Path(), str(Path(sys.executable).parent))
    assert found.parent == Path(sys.executable).parent


def test_what_sources_name_is_imported_beforehand_and_nothing_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(tmp_path)
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(
        "import pulumi_aws as aws\nimport own.part\nfrom yaml import safe_load\naws.sqs.Queue('q')\n"
    )
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "part.py").write_text("import pydantic\nraise SystemExit('imported')\n")
    (program / "broken.py").write_text("import boto3 +\n")
    names = Tree(tmp_path).libraries(Path("program"))
    assert {"pulumi_aws", "pulumi_aws.sqs", "yaml", "yaml.safe_load", "pydantic"} <= set(names)
    assert not [name for name in names if name.startswith(("own", "boto3"))]


def test_a_changed_source_is_read_again(tmp_path: Path):
    tree = Tree(tmp_path)
    source = tmp_path / "__main__.py"
    source.write_text("import yaml\n")
    assert tree.libraries(Path()) == ("yaml",)
    source.write_text("import pydantic\n")
    assert tree.libraries(Path()) == ("pydantic",)


def test_the_fork_server_imports_what_libraries_leave_for_later():
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import fork_server\n"
        "fork_server.Libraries().load('no_such_library', 'pulumi_aws', 'pulumi_aws.sqs', 'pydantic.BaseModel')\n"
        "assert 'pulumi_aws.sqs.queue' in sys.modules\n"
        "assert 'pydantic.main' in sys.modules\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('sandbox', 'shared', 'projects')]\n"
    )
    folder = Path(fork_server.__file__).parent
    subprocess.run([sys.executable, "-P", "-c", script, folder], check=True, timeout=60)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("aws"), "KeyError: 'aws'"),
        (ValueError("two\nlines  of it"), "ValueError: two lines of it"),
        (RuntimeError(), "RuntimeError: "),
    ],
)
def test_what_goes_wrong_in_the_host_is_one_line_with_its_kind(error: Exception, said: str):
    assert host.told(error) == said


def test_a_problem_in_the_host_is_told_in_its_own_words():
    assert host.told(Problem("there is no virtualenv: make it first")) == "there is no virtualenv: make it first"
