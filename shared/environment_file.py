"""Reads an environment's file into plain values; whatever else is in its place, one line says so."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Final

import yaml

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST: Final = 1 << 20
"""Bytes. The file is written by hand: what is larger is another one."""
DEEPEST: Final = 20
"""Levels. YAML's parser crashes the process on some ten thousand."""


def read(path: Path) -> Mapping[str, Any]:
    """Return the fields that the file sets, not validated. Raises Problem: one line with the file, and the fix."""
    name = f"{path.parent.name}/{path.name}"
    try:
        content = _load(_text(path, name))
    except yaml.YAMLError as error:
        raise Problem(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    except (ValueError, TypeError, RecursionError, OverflowError) as error:  # a date with a 13th month, say
        raise Problem(f"{name}: a value cannot be read ({error}): put it in quotation marks if it is text") from None
    if not isinstance(content, dict):
        raise Problem(f"{name}: holds no fields: start from environments/payments.yaml")
    if wrong := next((field for field in content if not isinstance(field, str)), None):
        raise Problem(f"{name}: {wrong!r} is not a field: a field's name is text")
    return content


def _text(path: Path, name: str) -> str:
    try:
        # O_NONBLOCK: a pipe that nobody writes to would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            kind = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(kind):
                raise Problem(f"{name}: is no file: put an environment's settings there, or take it away")
            raw = file.read(LARGEST + 1)
    except IsADirectoryError:
        raise Problem(f"{name}: is a folder: put an environment's settings there, or take it away") from None
    except OSError as error:
        raise Problem(f"{name}: cannot be read: {error.strerror or error}") from None
    if len(raw) > LARGEST:
        raise Problem(f"{name}: is larger than {LARGEST >> 20} MiB: it holds something other than an environment")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Problem(f"{name}: line {line} is not UTF-8: save the file as UTF-8") from None


def _load(text: str) -> Any:
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"{_line(event)}: nested more than {DEEPEST} levels deep")
        if isinstance(event, yaml.AliasEvent):  # it may contain itself, or grow without bounds
            raise yaml.YAMLError(f"{_line(event)}: *{event.anchor} is a reference: write it out")
    return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "a line"


class _Loader(yaml.CSafeLoader):
    """Refuses a field that is there twice: YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: a field's name is text")
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: {key.value} is there twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)
