"""Every declared type, read back by an independent client: what was declared is there, and so are tags that came later.

An independent client is boto3 with AWS's own models, in each protocol that AWS serves; `readings.py` says what it asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.provider.resource import TYPES
from tests.sandbox import protocols
from tests.sandbox.provider_engine import TAGS, Engine, Made
from tests.sandbox.readings import READINGS, Reading, differences
from tests.sandbox.test_provider_types import CASES, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.conftest import RunningCloud
    from tests.sandbox.provider_examples import Example

OURS = [case for case in CASES if not case.values[0].startswith("random:")]


def test_every_declared_type_has_a_reading():
    assert sorted(READINGS) == sorted(name for name in TYPES if name.startswith("aws:"))
    untagged = {kind for kind, reading in READINGS.items() if reading.tags is None}
    assert untagged == {name for name, each in TYPES.items() if name.startswith("aws:") and not each.taggable}


def clients(cloud: RunningCloud, made: Made) -> Iterator[Callable[..., Any]]:
    """What gives clients: with boto3's own choice of a protocol, and with each that a service with several has."""
    home = made.outputs.get("region") or "us-east-1"
    yield lambda service, region=home: cloud.client(service, region)
    service = TYPES[made.urn.split("::")[-2]].service
    for protocol in protocols.PROTOCOLS.get(service, ()):
        yield lambda service, region=home, told=protocol: protocols.client(cloud, service, told, region)


def assert_told(cloud: RunningCloud, kind: str, made: Made, inputs: dict[str, Any], tags: dict[str, str]) -> None:
    reading = READINGS[kind]
    declared = {name: value for name, value in inputs.items() if name not in ("tags", "region")}
    for ask in clients(cloud, made):
        assert differences(declared, reading.ask(ask, made), reading) == []
        if reading.tags is not None:
            for told in reading.tags(ask, made):
                assert {key: value for key, value in told.items() if not key.startswith("aws:")} == tags


@pytest.mark.parametrize(("kind", "maker"), OURS)
def test_what_was_declared_is_told(
    cloud: RunningCloud, engine: Engine, kind: str, maker: Callable[[Engine], Example]
) -> None:
    example = maker(engine)
    made = engine.make(kind, "it", **example.inputs)
    assert_told(cloud, kind, made, dict(example.inputs), {**TAGS, **(example.inputs.get("tags") or {})})
    news = changed(example.inputs, example.update)
    if TYPES[kind].taggable:
        news["tags"] = {"later": "1"}
    engine.update(made, engine.recheck(made, news))
    assert_told(cloud, kind, made, news, {**TAGS, **(news.get("tags") or {})})
    engine.update(made, engine.recheck(made, example.inputs))  # what protects it from deletion goes, too


@pytest.mark.parametrize(
    ("declared", "told", "found"),
    [
        ({"a": 1}, {"A": "1"}, 0),
        ({"a": True}, {"A": "true"}, 0),
        ({"a": "x"}, {"A": "y"}, 1),
        ({"a": "x"}, {}, 1),
        ({"a": False}, {}, 0),
        ({"a": {"b": [1, 2]}}, {"A": {"B": [2, 1]}}, 0),
        ({"a": {"b": [1, 2]}}, {"A": {"B": [1, 2, 3]}}, 1),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"B": 2, "C": 3}, {"B": 1}]}, 0),
        ({"a": [{"b": 1}]}, {"a": [{"B": 2}]}, 1),
        ({"a": '{"x": 1}'}, {"a": {"x": 1}}, 0),
        ({"a": '{"x": 1}'}, {"a": "%7B%22x%22%3A%202%7D"}, 1),
        ({"own": 1, "not": 2}, {"named": {"other": 1}}, 0),
    ],
)
def test_a_difference_is_seen(declared: dict[str, Any], told: dict[str, Any], found: int) -> None:
    reading = Reading(lambda *_: {}, {"own": "named.other"}, {"not": "told"})
    assert len(differences(declared, told, reading)) == found
