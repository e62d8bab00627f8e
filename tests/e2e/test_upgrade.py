"""A system that runs is given this version of the code, as its users do with `git pull`."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.root import ROOT
from tests.e2e.conftest import Checkout, ended
from tests.e2e.test_life import STACKS
from tools import foreign
from tools.checkout import copy_sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGES = (1, 7)
"""Days by which the versions that are upgraded are older than the newest commit."""


def git(*arguments: str) -> bytes:
    return subprocess.check_output(["git", *arguments], cwd=ROOT, env=foreign.without(os.environ))


@pytest.fixture(params=AGES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Checkout]:
    """A checkout of an earlier version, which does its own set-up."""
    newest = datetime.fromisoformat(git("log", "-1", "--format=%cI").decode().strip())
    before = newest - timedelta(days=request.param)
    commit = git("log", "-1", "--format=%H", f"--before={before.isoformat()}").decode().strip()
    if not commit:
        pytest.skip("no commit of that age in this clone")
    with ended(Checkout(tmp_path)) as checkout:
        with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as files:
            files.extractall(tmp_path, filter="data")
        yield checkout


def upgrade(checkout: Checkout) -> None:
    """Put this version's files in the place of the checkout's own; what it has made stays."""
    kept = {".venv", ".sandbox"}
    for path in checkout.root.iterdir():
        if path.is_dir() and not path.is_symlink() and path.name not in kept:
            shutil.rmtree(path)
        elif path.name not in kept:
            path.unlink()
    copy_sources(ROOT, checkout.root)


@pytest.mark.prove
def test_an_upgrade_takes_one_command_and_keeps_every_payment(old: Checkout) -> None:
    """The kind: what an earlier version wrote down, deployed or left running is no stumbling block for this one."""
    old.ok("deploy-all", seconds=900)
    paid = [old.ok("pay", "--key", f"order-{number}", "--json").json["answer"] for number in range(3)]
    upgrade(old)
    deployed = old.ok("deploy-all", "--json", seconds=900)
    assert set(deployed.statuses) == STACKS
    again = [old.ok("pay", "--key", f"order-{number}", "--json").json for number in range(3)]
    assert [each["replayed"] for each in again] == [True] * 3
    assert [each["answer"]["paymentId"] for each in again] == [each["paymentId"] for each in paid]
    assert old.ok("pay", "--key", "order-new", "--json").json["status"] == 201
    assert set(old.ok("deploy-all", "--json").statuses.values()) == {"fresh"}
    assert "No drift" in old.ok("drift").out
    old.ok("reconcile")
    old.ok("destroy-all", "--yes")
