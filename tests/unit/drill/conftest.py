"""A drill that is over, for what is made of it."""

from __future__ import annotations

import pytest

from tests.unit.drill.left_by_a_drill import ONE_CLIENT, left


@pytest.fixture
def drill_folder(tmp_path):
    """What a drill with two payments has left."""
    return left(tmp_path / "drill", ONE_CLIENT)
