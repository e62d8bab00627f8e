"""A function that is called when a resource is made: once for each version, and what it fails is not made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.variables import CREDENTIALS
from tests.sandbox.provider_engine import Engine, Failed
from tests.sandbox.provider_examples.lambda_ import FUNCTION, basics

if TYPE_CHECKING:
    from collections.abc import Iterator

INVOCATION = "aws:lambda/invocation:Invocation"
COUNTS = (
    "calls = 0\n\ndef handler(event, context):\n    global calls\n    calls += 1\n"
    "    return {'calls': calls, 'said': event, 'version': context.function_version}\n"
)
RAISES = "class NotServing(Exception):\n    pass\n\ndef handler(event, context):\n    raise NotServing('not 201')\n"
BREAKS = "raise RuntimeError('bad release')\n"


@pytest.fixture
def engine(cloud: Any) -> Iterator[Engine]:
    engine = Engine(cloud.endpoint, region="us-west-2", credentials=CREDENTIALS)
    yield engine
    engine.destroy()
    engine.close()


def code(text: str) -> dict[str, Any]:
    """A package as the engine sends an archive."""
    digest = f"{abs(hash(text)):064x}"
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": text, "hash": digest}
    signature = "0def7320c3a5731c473e5ecbe6d01bc7"
    return {"4dabf18193072939515e22adb298388d": signature, "hash": digest, "assets": {"main.py": asset}}


def inputs(text: str) -> dict[str, Any]:
    return {"name": "example-rehearsed", "publish": True, "code": code(text)}


def test_a_version_is_called_by_its_number_and_once(engine: Engine):
    rest = basics(engine)
    function = engine.make(FUNCTION, **{**rest, **inputs(COUNTS)})
    engine.update(function, engine.recheck(function, {**rest, **inputs(BREAKS)}))
    assert function.version == "2"
    given = {"functionName": function.name, "qualifier": "1", "input": '{"a": 1}', "triggers": {"version": "1"}}
    made = engine.make(INVOCATION, "it", **given)
    assert made.result == '{"calls": 1, "said": {"a": 1}, "version": "1"}'
    payload = hashlib.md5(b'{"a": 1}', usedforsecurity=False).hexdigest()
    assert made.id == f"example-rehearsed,1,{payload}"
    assert not engine.diff(made, engine.recheck(made, given)).diffs
    assert engine.read(made).outputs == made.outputs
    again = engine.make(INVOCATION, "other", **given)
    assert '"calls": 2' in again.result, "neither a second check nor a read has called it"


@pytest.mark.parametrize(("text", "said"), [(RAISES, "not 201"), (BREAKS, "bad release")])
def test_what_a_version_fails_is_not_made_and_told_in_one_line(engine: Engine, text: str, said: str):
    function = engine.make(FUNCTION, **{**basics(engine), **inputs(text)})
    with pytest.raises(Failed) as caught:
        engine.make(INVOCATION, "it", functionName=function.name, qualifier="1", input="{}")
    assert "invoking Lambda Function (example-rehearsed): " in str(caught.value)
    assert str(caught.value).endswith(f": {said}")
    assert "\n" not in str(caught.value)


def test_a_preview_calls_nothing(engine: Engine):
    function = engine.make(FUNCTION, **{**basics(engine), **inputs(COUNTS)})
    given = {"functionName": function.name, "qualifier": "1", "input": "{}"}
    engine.preview_create(INVOCATION, "it", **given)
    assert '"calls": 1' in engine.make(INVOCATION, "it", **given).result
