"""Every declared name is one of the SDK's: a slip would make an input undeclared, or an output unknown for ever."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

import pytest

import sandbox.provider.aws
import sandbox.provider.random  # noqa: F401
from sandbox.provider.functions import FUNCTIONS
from sandbox.provider.resource import TYPES
from sandbox.provider.schema import Block, List, Property

DECLARED = sorted(kind for kind in TYPES if kind.startswith(("aws:", "random:")))
GETTER = re.compile(r'@pulumi\.getter(?:\(name="(\w+)"\))?\s+(?:@_utilities[^\n]*\n\s+)?def (\w+)\(self\) -> ([^\n]*):')


def sdk_file(token: str) -> Path:
    package, module, _ = token.split(":")
    folder, _, name = module.partition("/")
    found = importlib.util.find_spec(f"pulumi_{package}")
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parent
    place = root if folder == "index" else root / {"lambda": "lambda_"}.get(folder, folder)
    return place / f"{re.sub(r'(?<=[a-z0-9])([A-Z])', lambda match: '_' + match[1].lower(), name)}.py"


@functools.cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def members(text: str) -> dict[str, str]:
    """The wire names of a class's properties, and their annotations."""
    return {wire or name: annotation for wire, name, annotation in GETTER.findall(text)}


@pytest.mark.parametrize("kind", DECLARED)
def test_names_are_the_sdks(kind: str):
    text = source(sdk_file(kind))
    arguments, _, rest = text.partition("@pulumi.input_type\nclass _")
    _, _, resource = rest.partition("@pulumi.type_token")
    inputs, outputs = members(arguments), members(resource)
    declared = TYPES[kind]
    assert set(declared.properties) - {"tagsAll"} <= set(inputs)
    assert set(declared.outputs) <= set(outputs)
    assert not set(declared.outputs) & set(declared.properties)
    assert set(declared.renewed) <= set(declared.outputs) | set(declared.properties)
    for name, each in declared.properties.items():
        if name != "tagsAll":
            assert_nested(sdk_file(kind).parent, each, inputs[name], name)


def assert_nested(folder: Path, declared: Property, annotation: str, path: str) -> None:
    inner = declared.of if isinstance(declared, List) else declared
    if not isinstance(inner, Block):
        return
    name = re.search(r"'(?:\w+\.)?(\w+Args)'", annotation)
    assert name, f"{path}: the SDK has no object there"
    body = re.search(
        rf"^class {name[1]}:\n(.*?)(?=^@pulumi|^class |\Z)", source(folder / "_inputs.py"), re.MULTILINE | re.DOTALL
    )
    assert body
    known = members(body[1])
    assert set(inner.fields) <= set(known), path
    for key, each in inner.fields.items():
        assert_nested(folder, each, known[key], f"{path}.{key}")


@pytest.mark.parametrize("token", sorted(FUNCTIONS))
def test_functions_are_the_sdks(token: str):
    text = source(sdk_file(token))
    given = set(re.findall(r"__args__\['(\w+)'\]", text))
    assert set(FUNCTIONS[token].properties) - {"region"} <= given
