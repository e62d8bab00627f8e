"""What is drawn is what was asked for."""

from __future__ import annotations

import string

import pytest

from sandbox.provider.random import RandomId, RandomPassword, RandomString
from sandbox.provider.resource import Surroundings
from shared.errors import Problem


def drawn(kind, **inputs):
    resource = kind(Surroundings(), inputs)
    resource.id = resource.create()
    return resource


def test_a_password_has_its_length_and_no_class_that_was_left_out():
    results = [drawn(RandomPassword, length=64, special=False, upper=False).read()["result"] for _ in range(50)]
    assert {len(result) for result in results} == {64}
    assert set("".join(results)) == set(string.ascii_lowercase + string.digits)
    assert len(set(results)) == 50


def test_a_password_is_not_its_own_id():
    password = drawn(RandomPassword, length=20)
    assert password.read()["result"] not in password.id


def test_each_class_has_at_least_its_minimum():
    for _ in range(50):
        result = drawn(RandomString, length=4, minNumeric=3, minSpecial=1, overrideSpecial="-").read()["result"]
        assert sorted(char.isdigit() for char in result) == [False, True, True, True]
        assert result.count("-") == 1


@pytest.mark.parametrize(
    "inputs",
    [{"length": 2, "minLower": 3}, {"length": 2, "lower": False, "upper": False, "numeric": False, "special": False}],
)
def test_what_cannot_be_drawn_is_refused(inputs):
    with pytest.raises(Problem, match="length"):
        drawn(RandomPassword, **inputs)


def test_an_id_is_the_same_in_all_notations():
    found = drawn(RandomId, byteLength=3, prefix="x-").read()
    value = int(found["dec"].removeprefix("x-"))
    assert found["hex"] == f"x-{value:06x}"
    assert len(found["b64Url"].removeprefix("x-")) == 4
