"""AWS's quotas for making APIs, as an option of the sandbox."""

from __future__ import annotations

import re

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from sandbox import quotas
from sandbox.cloud.quotas import ALL, BURST, OPERATIONS, Quota, Quotas, TokenBucket, operation
from shared.errors import Problem

PLACES = {"restapi_id": "a1", "resource_id": "b2", "parent_id": "b2", "domain_name": "a.example.com"}
PLACES |= {"api_Key": "k", "usageplanId": "p"}


def test_each_operation_is_recognised_by_what_the_sdk_sends_for_it():
    """And no other operation of API Gateway is taken for one of them."""
    model = get_session().get_service_model("apigateway")
    found = {}
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = re.sub(r"{(\w+)\+?}", lambda part: PLACES.get(part[1], "x"), http["requestUri"].partition("?")[0])
        if said := operation(http["method"], path):
            found[name] = said
    found.pop("ImportRestApi")  # POST /restapis?mode=import has CreateRestApi's own rate
    found.pop("ImportApiKeys")  # POST /apikeys?mode=import
    assert found == {name: name for name in OPERATIONS}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.builds(Quota, st.integers(1, 10), st.integers(1, 30)), st.lists(st.floats(0, 40, allow_nan=False), max_size=40)
)
def test_no_window_has_more_requests_than_its_quota(quota: Quota, pauses: list[float]):
    clock = Clock()
    allowance, taken = TokenBucket(quota, quota.requests, clock), []
    for pause in pauses:
        clock.now += pause
        if not allowance.wait():
            allowance.take()
            taken.append(clock.now)
    rate = quota.requests / quota.seconds
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = quota.requests + (taken[last] - taken[first]) * rate
            assert last - first + 1 <= allowed + 1e-6


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_waits_as_long_as_its_quota_says(name: str):
    clock = Clock()
    kept = Quotas(clock)
    method, path, quota = OPERATIONS[name]
    path = path.replace("[^/]+", "x")
    for _ in range(int(quota.requests)):
        assert kept.wait(("0", "r"), method, path) == 0
    wait = kept.wait(("0", "r"), method, path)
    assert wait == pytest.approx(quota.seconds / quota.requests)
    assert kept.wait(("0", "other"), method, path) == 0, "each region has its own"
    assert kept.wait(("0", "r"), "GET", "/restapis/x") == 0, "others go on"
    clock.now += wait
    assert kept.wait(("0", "r"), method, path) == 0


def test_all_together_have_a_rate_and_a_burst():
    clock = Clock()
    kept = Quotas(clock)
    assert [kept.wait(("0", "r"), "GET", "/account") for _ in range(BURST)] == [0] * BURST
    assert kept.wait(("0", "r"), "GET", "/account") == pytest.approx(ALL.seconds / ALL.requests)


def test_what_is_refused_costs_nothing():
    clock = Clock()
    kept = Quotas(clock)
    kept.wait(("0", "r"), "POST", "/domainnames")
    for _ in range(200):
        assert kept.wait(("0", "r"), "POST", "/domainnames")
    clock.now = 30
    assert kept.wait(("0", "r"), "POST", "/domainnames") == 0


@pytest.mark.parametrize(("said", "on"), [(None, False), ("", False), ("off", False), ("on", True)])
def test_the_variable_turns_them_on(monkeypatch: pytest.MonkeyPatch, said: str | None, on: bool):
    monkeypatch.delenv(quotas.VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(quotas.VARIABLE, said)
    assert quotas.on() is on


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(quotas.VARIABLE, "yes")
    with pytest.raises(Problem, match=r"^SANDBOX_QUOTAS=yes: it is `on` or `off`$"):
        quotas.on()
