"""A machine of GitHub's with this checkout, on which workflows' steps are run."""

from __future__ import annotations

import pytest

from shared.root import ROOT
from tests.doubles.github import Runner


@pytest.fixture
def github_runner(tmp_path):
    return Runner(ROOT, tmp_path / "runner")
