"""A deployed system on machines of all kinds: what the user has set, and the way to the checkout, change nothing."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shared.root import ROOT
from tests.unit.sandbox.test_variables import HOSTILE
from tools import checkout as checkouts

pytestmark = pytest.mark.xdist_group("running")


def shell(checkout, script, **variables):
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=checkout.root,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def block(checkout, word):
    """The commands of the README's block that has a word in it."""
    (found,) = re.findall(
        rf"```sh\n((?:(?!```)[^`])*?{re.escape(word)}.*?)```", (checkout.root / "README.md").read_text(), re.DOTALL
    )
    return found


def test_the_users_own_settings_reach_nothing(running, tmp_path):
    for name in ("shared", "botocore", "pulumi"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('a foreign module')")
    hostile = {**HOSTILE, "PYTHONPATH": str(tmp_path)}
    forced = running.ok("deploy-all", "--force", "--json", **hostile)
    assert set(forced.statuses.values()) == {"unchanged"}
    assert running.ok("pay", "--json", **hostile).json["status"] == 201
    assert set(running.ok("deploy-all", "--json", **hostile).statuses.values()) == {"fresh"}


def test_the_readmes_curl_works_behind_a_proxy(running):
    """It pays, says no more than the answers, and leaves the reader where he was."""
    script = block(running, "GATEWAY=") + "\necho; pwd"
    for _ in range(5):  # a cold start on a busy machine may take longer than the health route waits
        said = shell(running, script, **HOSTILE, PYTHONHOME="")
        assert said.returncode == 0, said.stderr
        assert said.stderr == ""
        if '"status":"pass"' in said.stdout:
            break
    assert '"status":"pass"' in said.stdout
    assert "201 Created" in said.stdout
    assert said.stdout.splitlines()[-1] == str(running.root)


def test_the_readmes_preview_finds_nothing_to_change_and_stays_where_it_is(running):
    said = shell(running, block(running, "pulumi preview") + "\npwd", **HOSTILE)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.splitlines()[-1] == str(running.root)


def test_a_link_to_the_checkout_leads_to_the_same_sandbox(running, tmp_path):
    """In turns: a daemon that takes itself for outdated would be started again each time."""
    link = tmp_path / "link"
    link.symlink_to(running.root)
    seen = []
    for root in (link, running.root, link):
        status = subprocess.run(
            ["./invoke", "sandbox.status", "--json"], cwd=root, capture_output=True, text=True, check=False
        )
        paid = subprocess.run([root / "invoke", "pay"], cwd="/", capture_output=True, text=True, check=False)
        seen.append(
            (status.returncode, paid.returncode, paid.stderr, re.findall(r'"(?:cloud|plugins)": \d+', status.stdout))
        )
    assert seen == [(0, 0, "", seen[0][3])] * 3


@pytest.fixture
def somebody_elses():
    """A checkout that others can read and nobody but its owner can write: in no folder that is closed to them."""
    place = Path(tempfile.gettempdir())
    while not all(folder.stat().st_mode & stat.S_IXOTH for folder in (place, *place.parents)):
        place = place.parent
    with tempfile.TemporaryDirectory(dir=place) as name:
        Path(name).chmod(0o755)
        root = checkouts.copy(ROOT, Path(name, "checkout")).root
        shutil.rmtree(root / ".venv")
        (root / ".venv").symlink_to(ROOT / ".venv")  # its interpreter may be there for others where ours is not
        yield root


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_without_home_and_name_is_told_in_one_line_what_he_may_not(somebody_elses):
    command = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "./invoke"]
    for words in ("graph", "sandbox.status", "sandbox.up", "sandbox.down", "deploy-all", "pay"):
        said = subprocess.run(
            [*command, words],
            cwd=somebody_elses,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode in ((0, 3) if said.stderr == "" else (1,))
        assert said.stderr.count("\n") <= 1
        assert "Traceback" not in said.stderr
        assert said.returncode == 1 or words in {"graph", "sandbox.status", "sandbox.down"}
