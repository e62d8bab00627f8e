"""What must hold for any declared shape and any values: the basis of "a second up changes nothing"."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.provider.schema import (
    Block,
    Boolean,
    Integer,
    InvalidInput,
    Json,
    List,
    Map,
    Number,
    Property,
    Set,
    Text,
)
from sandbox.provider.wire import UNKNOWN, decode, encode

VALUES: dict[type[Property], st.SearchStrategy[Any]] = {
    Text: st.text(max_size=5),
    Integer: st.integers(-(2**31), 2**31),
    Number: st.floats(-1e6, 1e6),
    Boolean: st.booleans(),
    Json: st.sampled_from(['{"a": 1, "b": [2]}', '{"b":[2],"a":1}', "[]", '"x"']),
}
SIMPLE = st.sampled_from([kind() for kind in VALUES])
KINDS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(List, of=inner),
        st.builds(Set, of=inner),
        st.builds(Map, of=inner),
        st.builds(Block, fields=st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    ),
    max_leaves=5,
)


def values_of(kind: Property) -> st.SearchStrategy[Any]:
    if isinstance(kind, List):
        return st.lists(values_of(kind.of), max_size=3)
    if isinstance(kind, Map):
        return st.dictionaries(st.text("xyz -", min_size=1, max_size=3), values_of(kind.of), max_size=3)
    if isinstance(kind, Block):
        return st.fixed_dictionaries({}, optional={key: values_of(each) for key, each in kind.fields.items()})
    return VALUES[type(kind)]


@st.composite
def kinds_with_values(draw: st.DrawFn) -> tuple[Property, Any, Any]:
    kind = draw(KINDS)
    value = values_of(kind)
    return kind, draw(value), draw(value)


@given(kinds_with_values())
def test_what_was_checked_once_stays_as_it_is(case: tuple[Property, Any, Any]):
    kind, value, _ = case
    checked = kind.coerce(value, "it")
    assert kind.coerce(checked, "it") == checked
    assert kind.same(checked, value) or isinstance(kind, Number)


@given(kinds_with_values())
def test_there_are_differences_exactly_when_not_the_same(case: tuple[Property, Any, Any]):
    kind, one, other = case
    assert kind.same(one, one)
    found = list(kind.differences("it", one, other))
    assert bool(found) == (not kind.same(one, other))
    assert kind.same(one, other) == kind.same(other, one)
    assert all(each.path.startswith("it") for each in found)


@given(kinds_with_values())
def test_the_wire_keeps_values(case: tuple[Property, Any, Any]):
    kind, value, _ = case
    arrived = decode(encode({"it": value})).get("it")
    assert kind.same(kind.coerce(arrived, "it"), kind.coerce(value, "it"))


@given(KINDS, st.one_of(st.integers(), st.text(), st.lists(st.integers()), st.dictionaries(st.text(), st.text())))
def test_any_value_is_taken_or_refused_without_showing_it(kind: Property, value: Any):
    said = refusal(kind, value)
    assert said.startswith("it") or not said
    assert len(str(value)) < 4 or str(value) not in said


def refusal(kind: Property, value: Any) -> str:
    try:
        kind.coerce(value, "it")
    except InvalidInput as error:
        return str(error)
    return ""


@given(KINDS)
def test_an_unknown_passes_and_differs_from_all(kind: Property):
    assert kind.coerce(UNKNOWN, "it") == UNKNOWN
    assert kind.same(UNKNOWN, UNKNOWN)
    assert not kind.same(None, UNKNOWN)


@given(st.permutations(["a", "b", "c"]))
def test_the_order_of_a_set_means_nothing(values: list[str]):
    assert Set().same(["a", "b", "c"], values)
    assert List().same(["a", "b", "c"], values) == (values == ["a", "b", "c"])


def test_there_is_one_zero():
    assert Set(of=Number()).same(Set(of=Number()).coerce([0, -1], "it"), Set(of=Number()).coerce([-0.0, -1.0], "it"))
