"""Property values as the plugin protocol carries them: unknowns, whole numbers, assets and archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNKNOWN = rpc.UNKNOWN
"""A value that a preview does not know yet."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key that marks an object as something else than plain data; its value says what."""

ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Plain Python values; whole numbers become int (the wire only has doubles), nulls are left out of objects."""
    return {key: _value(value) for key, value in struct.fields.items() if value.WhichOneof("kind") != "null_value"}


def _value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return decode(value.struct_value)
    if kind == "list_value":
        return [_value(each) for each in value.list_value.values]
    return None


def encode(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """The reverse of decode; what is None is left out."""
    struct = struct_pb2.Struct()
    struct.update(_without_none(values))
    return struct


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value


def is_unknown(value: Any) -> bool:
    """Whether the value itself is unknown."""
    return isinstance(value, str) and value == UNKNOWN


def has_unknown(value: Any) -> bool:
    """Whether the value, or anything in it, is unknown."""
    if isinstance(value, dict):
        return _any_unknown(value.values())
    if isinstance(value, list | tuple):
        return _any_unknown(value)
    return is_unknown(value)


def _any_unknown(values: Iterable[Any]) -> bool:
    return any(has_unknown(each) for each in values)
