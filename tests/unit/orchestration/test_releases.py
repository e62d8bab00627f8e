"""What is on record of a stack's releases, and that nothing of it is invented."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.releases import ALIAS, STAGE, TAG, Release, Releases, Serving, only_pointers, record
from shared.stack import Stack

COMPUTE = Stack("compute", "payments", "secondary")
NAMES = st.text(min_size=1, max_size=5)
POINTERS = st.dictionaries(st.tuples(NAMES, NAMES), NAMES, max_size=3)
MADE = st.builds(Release, NAMES, st.builds(Serving, POINTERS, POINTERS), st.floats(0, 2e9))


def books(resources=()):
    """A backend of one stack, with what it was asked to keep."""
    tags: dict[str, str] = {}
    return SimpleNamespace(
        tags=lambda _: tags,
        tag=lambda _, name, value: tags.update({name: value}),
        checkpoint=lambda _: SimpleNamespace(resources=resources),
    )


def alias(version):
    return {"type": ALIAS, "outputs": {"functionName": "pay", "name": "live", "functionVersion": version}}


@given(st.builds(Releases, st.none() | MADE, st.none() | MADE, NAMES | st.just("")))
def test_what_was_written_is_read(known):
    backend = books()
    known.write(backend, COMPUTE)
    assert Releases.read(backend, COMPUTE) == known


@pytest.mark.parametrize("tag", ["", "withdrawn", "[]", "{}", '{"serving": 1}', '{"serving": {}, "before": null}'])
def test_what_we_cannot_have_written_is_nothing(tag):
    backend = books()
    backend.tag(COMPUTE, TAG, tag)
    assert Releases.read(backend, COMPUTE) == Releases()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123")), min_size=1, max_size=8))
def test_the_release_before_is_the_last_one_that_served_other_versions(updates):
    served = []
    backend = books()
    for at, (sources, version) in enumerate(updates):
        backend.checkpoint = lambda _, version=version: SimpleNamespace(resources=[alias(version)])
        record(backend, COMPUTE, sources, float(at))
        if not served or served[-1] != version:
            served.append(version)
    known = Releases.read(backend, COMPUTE)
    assert known.serving.id == updates[-1][0]
    assert set(known.serving.serving.aliases.values()) == {served[-1]}
    assert (known.before and set(known.before.serving.aliases.values())) == ({served[-2]} if served[1:] else None)


def test_a_stack_without_an_alias_has_no_record():
    backend = books([{"type": STAGE, "outputs": {"restApi": "a", "stageName": "v1", "deployment": "d"}}])
    record(backend, COMPUTE, "a", 1.0)
    assert backend.tags(COMPUTE) == {}


def test_only_what_says_who_serves_is_a_pointer():
    assert only_pointers(ALIAS, ["functionVersion"])
    assert only_pointers(STAGE, ["deployment"])
    assert not only_pointers(ALIAS, ["functionVersion", "description"])
    assert not only_pointers(ALIAS, [])
    assert not only_pointers("aws:lambda/function:Function", ["functionVersion"])
