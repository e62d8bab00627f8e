"""The first `./invoke` of a checkout, and the next one after whatever has happened to its virtualenv.

Each really installs, which takes ten seconds: the decisions are tested in tests/unit/tools.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from shared.root import ROOT
from tests.waiting import until
from tools import checkout

BREAKING = {
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere/target",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "UV_SYSTEM_PYTHON": "1",
    "UV_TARGET": "/nowhere/target",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "PYTHONPATH": "/nowhere",
    "VIRTUAL_ENV": "/nowhere",
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A checkout in which nothing has run."""
    target = tmp_path_factory.mktemp("fresh") / "check out"
    for name in checkout.tracked(ROOT):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture
def elsewhere(tmp_path):
    """A folder whose project, and whose user, have set up uv for what is theirs."""
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text('required-version = "==0.0.1"\n[pip]\ntarget = "/nowhere/target"\n')
    (tmp_path / "uv.toml").write_text("broken [")
    (tmp_path / "pyproject.toml").write_text('[tool.uv]\nrequired-version = "==0.0.1"\n')
    return tmp_path


def start(root, folder=None, **variables):
    return subprocess.Popen(
        [root / "invoke", "graph"],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def works(root, folder=None, **variables):
    with start(root, folder, **variables) as process:
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "data/payments" in said
    return errors


def kill(root, *, after, everybody):
    """Kill a set-up so many seconds after it has an interpreter."""
    shutil.rmtree(root / ".venv", ignore_errors=True)
    victim = start(root)
    until((root / ".venv" / "bin" / "python").exists)
    time.sleep(after)
    if everybody:
        os.killpg(victim.pid, signal.SIGKILL)
    else:
        victim.kill()
    victim.communicate()


def test_a_set_up_that_was_killed_is_made_anew_whatever_the_user_has_set(fresh, elsewhere):
    kill(fresh, after=0.3, everybody=False)
    works(fresh, elsewhere, **BREAKING, XDG_CONFIG_HOME=str(elsewhere))
    assert works(fresh) == ""


@pytest.mark.prove
@pytest.mark.parametrize("after", [0.0, 0.1, 0.3, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
@pytest.mark.parametrize("everybody", [False, True])
def test_a_set_up_that_was_killed_at_any_moment_is_made_anew(fresh, after, everybody):
    kill(fresh, after=after, everybody=everybody)
    works(fresh)
    assert works(fresh) == ""


def dangling(venv):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/bin/python")


def empty_interpreter(venv):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").touch(mode=0o755)


def half_copied(venv):
    for folder in sorted((venv / "lib").glob("python*/site-packages/*"))[::2]:
        if folder.is_dir():
            shutil.rmtree(folder)


def other_version(venv):
    (library,) = (venv / "lib").glob("python*")
    library.rename(library.with_name("python3.1"))


def no_home(venv):
    (venv / "pyvenv.cfg").write_text("")
    half_copied(venv)


@pytest.mark.prove
@pytest.mark.parametrize("accident", [dangling, empty_interpreter, half_copied, other_version, no_home])
def test_a_virtualenv_that_is_not_whole_is_made_anew(fresh, accident):
    works(fresh)
    accident(fresh / ".venv")
    works(fresh)
    assert works(fresh) == ""


@pytest.mark.prove
def test_ctrl_c_during_a_set_up_is_130_and_one_word(fresh):
    shutil.rmtree(fresh / ".venv", ignore_errors=True)
    process = start(fresh)
    until((fresh / ".venv" / "bin" / "python").exists)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    works(fresh)


@pytest.mark.parametrize("what", ["file", "dangling link"])
def test_what_is_no_virtualenv_is_left_alone_in_one_line(tmp_path, what):
    shutil.copy2(ROOT / "invoke", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    shutil.copy2(ROOT / "requirements.lock", tmp_path)
    if what == "file":
        (tmp_path / ".venv").write_text("mine")
    else:
        (tmp_path / ".venv").symlink_to("nowhere")
    with start(tmp_path) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert ".venv is no folder" in errors
    assert os.path.lexists(tmp_path / ".venv")
