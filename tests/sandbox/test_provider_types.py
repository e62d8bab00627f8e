"""Every declared type, against the running cloud, through the life that the engine gives a resource."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest

import sandbox.provider.aws
import sandbox.provider.random  # noqa: F401
from sandbox.provider.resource import TYPES
from sandbox.provider.wire import UNKNOWN
from tests.sandbox import provider_examples
from tests.sandbox.provider_engine import TAGS, Engine, Made
from tests.sandbox.provider_examples import EXAMPLES, Example

if TYPE_CHECKING:
    from collections.abc import Callable

for module in pkgutil.iter_modules(provider_examples.__path__):
    importlib.import_module(f"{provider_examples.__name__}.{module.name}")

CASES = [
    pytest.param(kind, maker, id=f"{kind.rsplit(':', 1)[-1]}-{maker.__name__}")
    for kind in EXAMPLES
    for maker in EXAMPLES[kind]
]


def test_every_declared_type_has_an_example():
    ours = [name for name in TYPES if not name.startswith("test:")]  # other tests declare types of their own
    assert sorted(ours) == sorted(EXAMPLES)


@pytest.mark.parametrize(("kind", "maker"), CASES)
def test_life(engine: Engine, kind: str, maker: Callable[[Engine], Example]):
    if kind.startswith("random:"):
        engine = Engine(package="random")
    example = maker(engine)
    declared = TYPES[kind]

    preview = engine.preview_create(kind, "it", **example.inputs)
    made = engine.make(kind, "it", **example.inputs)
    assert made.id
    assert {name for name in declared.outputs if made.outputs.get(name) is None} == set(example.unset)
    assert_foreseen(preview, made.outputs)
    if declared.taggable:
        assert made.outputs["tagsAll"] == {**TAGS, **(example.inputs.get("tags") or {})}
    assert_steady(engine, made, example.inputs)
    assert_importable(engine, made, example)

    if example.update:
        news = changed(example.inputs, example.update)
        inputs = engine.recheck(made, news)
        diff = engine.diff(made, inputs)
        assert set(diff.diffs) >= set(example.update)
        assert not diff.replaces
        preview = engine.update(made, inputs, preview=True)
        engine.update(made, inputs)
        assert_foreseen(preview, made.outputs)
        assert_steady(engine, made, news)
        back = engine.recheck(made, example.inputs)
        engine.update(made, back)
        assert_steady(engine, made, example.inputs)
    for name, value in example.replace.items():
        assert name in engine.diff(made, engine.recheck(made, changed(example.inputs, {name: value}))).replaces

    named = declared.auto_name == "" or declared.auto_name in example.inputs
    if declared.identity and declared.service and named:
        assert engine.make(kind, "twin", **example.inputs).id == made.id
        engine.made.pop()
    engine.delete(made)
    engine.made.remove(made)
    assert (engine.read(made) is not None) == example.outlives
    engine.delete(made)


def changed(inputs: Any, by: Any) -> dict[str, Any]:
    return {key: value for key, value in {**inputs, **by}.items() if value is not None}


def assert_foreseen(preview: Any, outputs: Any) -> None:
    """What a preview knew came true."""
    known = {key: value for key, value in preview.items() if not unknown(value)}
    assert known == {key: outputs.get(key) for key in known}


def unknown(value: Any) -> bool:
    return UNKNOWN in str(value)


def assert_steady(engine: Engine, made: Made, news: Any) -> None:
    """A second update and a refresh change nothing."""
    again = engine.recheck(made, news)
    assert not engine.diff(made, again).diffs
    fresh = engine.read(made)
    assert fresh is not None
    assert fresh.inputs == made.inputs
    assert fresh.outputs == made.outputs
    assert fresh.id == made.id


def assert_importable(engine: Engine, made: Made, example: Example) -> None:
    """Importing it by its id finds the same inputs, apart from those that no read can tell."""
    import_id = (example.import_id or "{id}").format(id=made.id, **made.outputs)
    found = engine.read(made, import_id=import_id)
    assert found is not None
    carried = {name for name, each in TYPES[made.urn.split("::")[-2]].properties.items() if each.carried}
    assert set(engine.diff(made, engine.recheck(made, example.inputs), olds=found.inputs).diffs) <= carried | set(
        example.unseen
    )
