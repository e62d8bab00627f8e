"""An account with nothing in it and the bootstrap on it; an environment that is fit to take over."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestration.bootstrap import command
from orchestration.bootstrap.command import bootstrap
from orchestration.choice import Choice
from orchestration.reach import Reach
from shared.environment import Environment
from tests.doubles.fit_scene import FitScene
from tests.doubles.new_account import NewAccount
from tests.unit.orchestration.bootstrapped import NOBODY, OWN


@pytest.fixture
def new_account():
    """With the pagers' addresses in it, which only people can put there."""
    return NewAccount(pagers={"us-east-1", "us-east-2"})


@pytest.fixture
def run_bootstrap(monkeypatch, capsys):
    """Run the bootstrap, and return exit code, rows by step and place, and all that was printed."""

    def ran(account, *, check=False, settings=OWN, variables=(), yes=True, takers=NOBODY, **options):
        monkeypatch.setattr(command, "Aws", lambda _: account.aws)
        place = Reach(dict(variables), where="AWS", checkers=tuple, asks_first=True)
        monkeypatch.setattr(command, "reach", lambda *_: place)
        monkeypatch.setattr(Environment, "load", lambda *_: settings)
        opened = command.opened
        monkeypatch.setattr(command, "opened", lambda *given: replace(opened(*given), sleep=lambda _: None))
        try:
            code = bootstrap(Choice(target="aws", json=True, yes=yes), check=check, takers=takers, **options)
        finally:
            monkeypatch.setattr(command, "opened", opened)
        told = json.loads(capsys.readouterr().out)
        return code, {(row["what"], row["where"]): row for row in told["steps"]}, told

    return ran


@pytest.fixture
def fit_scene(tmp_path, monkeypatch, capsys):
    made = FitScene("payments", tmp_path / "orchestration", monkeypatch, capsys)
    yield made
    made.cloud.released.set()
