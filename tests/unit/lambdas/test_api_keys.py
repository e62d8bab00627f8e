from __future__ import annotations

import hmac
from types import SimpleNamespace

import pytest

from lambdas.adapters import keys as module
from lambdas.adapters.keys import FRESH, RECHECK, ApiKeys
from lambdas.adapters.retry import Retry
from lambdas.domain.errors import Unavailable
from tests.doubles.payments import ManualClock, Secrets, refused, timed_out


@pytest.fixture
def world():
    clock = ManualClock()
    secrets = Secrets({"a": {"current": "a2", "previous": "a1"}, "b": {"current": "b1", "previous": None}})
    return ApiKeys(secrets, "arn", Retry(clock)), secrets, clock


def test_current_and_previous_name_the_client(world):
    keys, _, _ = world
    assert [keys.client_of(key) for key in ("a2", "a1", "b1", "", "a", "A2", "None")] == ["a", "a", "b", *[None] * 4]


def test_who_comes_with_the_key_before_is_told_of_and_nobody_else(world):
    keys, secrets, clock = world
    told = []
    keys.on_previous = told.append
    for key in ("a2", "b1", "wrong", "a1", "a1"):
        keys.client_of(key)
    assert told == ["a", "a"]
    secrets.clients["a"] = {"current": "a3", "previous": "a2"}
    clock.time += FRESH
    keys.client_of("a2")
    assert told == ["a", "a", "a"]


def test_the_secret_is_read_once_a_minute(world):
    keys, secrets, clock = world
    for _ in range(3):
        keys.client_of("a2")
    assert secrets.asked == 1
    clock.time += FRESH - 1
    keys.client_of("a2")
    assert secrets.asked == 1
    clock.time += 1
    keys.client_of("a2")
    assert secrets.asked == 2


def test_a_rotated_key_works_at_once(world):
    keys, secrets, clock = world
    assert keys.client_of("a3") is None
    secrets.clients["a"] = {"current": "a3", "previous": "a2"}
    clock.time += RECHECK
    assert keys.client_of("a3") == "a"
    assert keys.client_of("a2") == "a"
    assert keys.client_of("a1") is None


def test_wrong_keys_cannot_make_us_ask_more_often(world):
    keys, secrets, clock = world
    for _ in range(100):
        keys.client_of("guess")
    assert secrets.asked == 1
    clock.time += RECHECK
    for _ in range(100):
        keys.client_of("guess")
    assert secrets.asked == 2


def test_a_clock_that_is_set_back_does_not_keep_an_old_copy(world):
    keys, secrets, clock = world
    keys.client_of("a2")
    secrets.clients["a"] = {"current": "a3", "previous": "a2"}
    clock.time -= 3_600_000
    assert keys.client_of("a3") == "a"


def test_a_copy_outlives_an_outage(world):
    keys, secrets, clock = world
    keys.client_of("a2")
    for error in (timed_out(), refused("AccessDeniedException")):
        secrets.error = error
        clock.time += 10 * FRESH
        assert keys.client_of("a2") == "a"


@pytest.mark.parametrize("age", [RECHECK, FRESH - 1, FRESH, 10 * FRESH])
def test_who_is_not_in_a_copy_that_cannot_be_renewed_is_told_to_wait(world, age):
    """A key that was rotated in meanwhile is not wrong: nobody is refused by a copy that may be old."""
    keys, secrets, clock = world
    keys.client_of("a2")
    secrets.clients["a"] = {"current": "a3", "previous": "a2"}
    secrets.error = refused("AccessDeniedException")
    clock.time += age
    for _ in range(2):
        with pytest.raises(Unavailable, match="the API keys cannot be read: AccessDeniedException"):
            keys.client_of("a3")
        with pytest.raises(Unavailable, match="the API keys cannot be read: AccessDeniedException"):
            keys.key_of("new-probe") if age >= FRESH else keys.client_of("wrong")
        assert keys.client_of("a2") == "a"
    assert secrets.asked == 2, "not more often than without an outage"
    secrets.error = None
    clock.time += RECHECK
    assert [keys.client_of("a3"), keys.client_of("wrong")] == ["a", None]


def test_a_copy_that_was_read_a_moment_ago_is_taken_at_its_word(world):
    keys, secrets, clock = world
    keys.client_of("a2")
    secrets.error = timed_out()
    clock.time += RECHECK - 1
    assert keys.client_of("wrong") is None


def test_without_any_copy_nobody_is_refused_but_told_to_wait(world):
    keys, secrets, _ = world
    secrets.error = refused("AccessDeniedException")
    with pytest.raises(Unavailable, match="the API keys cannot be read: AccessDeniedException"):
        keys.client_of("a2")
    secrets.error = None
    assert keys.client_of("a2") == "a", "asked again at once"


def test_every_key_is_compared_whichever_matches(world, monkeypatch):
    keys, _, _ = world
    compared = []

    def compare(one, other):
        compared.append(one)
        return hmac.compare_digest(one, other)

    keys.client_of("a2")
    monkeypatch.setattr(module, "hmac", SimpleNamespace(compare_digest=compare))
    for key in ("a2", "b1", "a1"):
        compared.clear()
        keys.client_of(key)
        assert len(compared) == 3
        assert {len(digest) for digest in compared} == {32}, "hashes: of one length"


def test_a_probe_gets_its_own_clients_current_key(world):
    keys, _, _ = world
    assert keys.key_of("a") == "a2"
    with pytest.raises(KeyError):
        keys.key_of("nobody")
