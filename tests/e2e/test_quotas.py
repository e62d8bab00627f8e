"""A whole environment under AWS's quotas for making APIs: it takes longer, and nothing fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from sandbox import quotas

if TYPE_CHECKING:
    from tests.e2e.conftest import Checkout

TWO_DOMAIN_NAMES = 30
"""Seconds at least: API Gateway makes one in so many, and each region gets two."""


@pytest.mark.prove
def test_everything_is_made_and_goes_where_aws_throttles_its_control_plane(checkout: Checkout) -> None:
    throttled = {quotas.VARIABLE: "on"}
    began = time.monotonic()
    assert set(checkout.ok("deploy-all", "--json", **throttled).statuses.values()) == {"changed"}
    assert time.monotonic() - began > TWO_DOMAIN_NAMES
    assert set(checkout.ok("deploy-all", "--json", **throttled).statuses.values()) == {"fresh"}
    assert set(checkout.ok("destroy-all", "--json", **throttled).statuses.values()) == {"changed"}
