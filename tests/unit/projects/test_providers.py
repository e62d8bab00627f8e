"""What every program says to AWS's provider."""

from __future__ import annotations

import pytest

from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
def test_throttled_calls_are_asked_again_whatever_the_users_shell_says(environment):
    """AWS_MAX_ATTEMPTS and a profile's `max_attempts` would count else: API Gateway makes one domain name in 30 s."""
    for run in run_environment(environment).values():
        providers = [each for each in run.recorder.made if each.type == "pulumi:providers:aws"]
        assert providers
        assert {int(each["maxRetries"]) for each in providers} == {25}
