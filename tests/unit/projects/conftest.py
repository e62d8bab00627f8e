"""Both profiles, for what holds in each."""

from __future__ import annotations

import pytest

from tests.unit.projects.mocked_programs import PAYMENTS, TRADING


@pytest.fixture(params=[PAYMENTS, TRADING])
def profile(request):
    return request.param
