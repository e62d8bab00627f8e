"""What a resource's inputs may be: kinds of properties that check, coerce, compare and translate values.

A property is declared once; from that follow the errors of Check, the replacements of Diff, the arguments of API calls
and the comparison of what a read returned with what was declared.
"""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.provider.wire import ARCHIVE, SIGNATURE, UNKNOWN, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EMPTY: tuple[Any, ...] = (None, [], {})


class InvalidInput(Exception):
    """A value that its property refuses: where, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


@dataclass(frozen=True)
class Difference:
    """One changed place of a resource's inputs, by its path as the engine writes them."""

    path: str
    kind: str  # "ADD", "DELETE" or "UPDATE"
    replaces: bool


@dataclass(frozen=True)
class Property:
    """What all kinds share.

    default: what the cloud takes when the value is absent, so that absent and default are the same.
    computed: the cloud chooses when the value is absent; a preview then does not know it.
    replaces: a change makes a new resource.
    carried: the reason why a read cannot tell the value; the declared one is then carried over.
    api: the name in the API, where it is more than another case of the property's name.
    """

    _: KW_ONLY
    required: bool = False
    default: Any = None
    computed: bool = False
    replaces: bool = False
    carried: str = ""
    api: str = ""

    def coerce(self, value: Any, path: str) -> Any:
        """The value in its declared type. Raises InvalidInput. Unknowns pass."""
        return value if is_unknown(value) else self._coerce(value, path)

    def same(self, old: Any, new: Any) -> bool:
        """Whether the cloud would make no difference between the two."""
        return bool(self.normal(old) == self.normal(new))

    def normal(self, value: Any) -> Any:
        """A form in which values that mean the same are equal."""
        if value is None or (value in EMPTY and self.default is None):
            value = self.default
        return value if value is None or is_unknown(value) else self._normal(value)

    def differences(self, path: str, old: Any, new: Any, *, replaces: bool = False) -> Iterator[Difference]:
        """Where the two differ, as deep as it can be told."""
        if self.same(old, new):
            return
        yield Difference(path, change_kind(old, new), replaces or self.replaces)

    def to_api(self, value: Any, shape: Any) -> Any:
        """The value as an argument of the API's shape (a botocore shape)."""
        kind = shape.type_name
        if kind == "string":
            return str(value).lower() if isinstance(value, bool) else str(value)
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("double", "float"):
            return float(value)
        return value

    def from_api(self, value: Any) -> Any:
        """An API's value as the property's."""
        return value

    def _coerce(self, value: Any, path: str) -> Any:
        raise NotImplementedError

    def _normal(self, value: Any) -> Any:
        return value


def change_kind(old: Any, new: Any) -> str:
    """How the engine names the change from old to new."""
    if old is None:
        return "ADD"
    return "DELETE" if new is None else "UPDATE"


@dataclass(frozen=True)
class Text(Property):
    """A string; numbers and booleans are taken as their text, as the official provider does."""

    choices: tuple[str, ...] = ()

    def _coerce(self, value: Any, path: str) -> str:
        if isinstance(value, bool):
            value = str(value).lower()
        if isinstance(value, int | float):
            value = str(value)
        if not isinstance(value, str):
            raise InvalidInput(path, f"expected text, got {_kind(value)}")
        if self.choices and value not in self.choices:
            raise InvalidInput(path, f"expected one of {', '.join(self.choices)}")
        return value

    def from_api(self, value: Any) -> Any:
        return value if value is None else str(value)


@dataclass(frozen=True)
class Json(Text):
    """Text that holds a JSON document: two that mean the same are the same."""

    def _coerce(self, value: Any, path: str) -> str:
        text = super()._coerce(value, path)
        if UNKNOWN not in text:
            try:
                json.loads(text)
            except ValueError as error:
                raise InvalidInput(path, f"expected a JSON document, got text that is none ({error})") from None
        return text

    def _normal(self, value: Any) -> Any:
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except ValueError:
            return value

    def from_api(self, value: Any) -> Any:
        return json.dumps(value) if isinstance(value, dict | list) else value


@dataclass(frozen=True)
class Integer(Property):
    """A whole number; text that holds one is taken too.

    within: the smallest and the largest that AWS takes, where the emulator would take any.
    choices: the only ones that AWS takes.
    """

    within: tuple[int, int] | None = None
    choices: tuple[int, ...] = ()

    def _coerce(self, value: Any, path: str) -> int:
        if not isinstance(value, bool) and isinstance(value, int | float | str):
            try:
                number = float(value)
            except ValueError:
                number = 0.5
            if number.is_integer():
                return self._allowed(int(number), path)
        raise InvalidInput(path, f"expected a whole number, got {_kind(value)}")

    def _allowed(self, number: int, path: str) -> int:
        if self.within and not self.within[0] <= number <= self.within[1]:
            raise InvalidInput(path, f"expected {self.within[0]} to {self.within[1]}, got {number}")
        if self.choices and number not in self.choices:
            raise InvalidInput(path, f"expected one of {', '.join(map(str, self.choices))}, got {number}")
        return number

    def from_api(self, value: Any) -> Any:
        return value if value is None else int(value)


@dataclass(frozen=True)
class Number(Property):
    """A number."""

    def _coerce(self, value: Any, path: str) -> float:
        if not isinstance(value, bool) and isinstance(value, int | float | str):
            try:
                return float(value) + 0.0  # there is one zero: -0.0 becomes it
            except ValueError:
                pass
        raise InvalidInput(path, f"expected a number, got {_kind(value)}")

    def from_api(self, value: Any) -> Any:
        return value if value is None else float(value)


@dataclass(frozen=True)
class Boolean(Property):
    """True or false."""

    def _coerce(self, value: Any, path: str) -> bool:
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        raise InvalidInput(path, f"expected true or false, got {_kind(value)}")

    def from_api(self, value: Any) -> Any:
        return value == "true" if isinstance(value, str) else value


@dataclass(frozen=True)
class List(Property):
    """Values in order."""

    of: Property = field(default_factory=Text)

    def _coerce(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidInput(path, f"expected a list, got {_kind(value)}")
        return [self.of.coerce(each, f"{path}[{index}]") for index, each in enumerate(value)]

    def _normal(self, value: Any) -> Any:
        return [self.of.normal(each) for each in value]

    def differences(self, path: str, old: Any, new: Any, *, replaces: bool = False) -> Iterator[Difference]:
        if self.same(old, new):
            return
        replaces = replaces or self.replaces
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for index, (before, after) in enumerate(zip(old, new, strict=True)):
                yield from self.of.differences(f"{path}[{index}]", before, after, replaces=replaces)
        else:
            yield Difference(path, change_kind(old, new), replaces)

    def to_api(self, value: Any, shape: Any) -> Any:
        member = getattr(shape, "member", None)
        return [self.of.to_api(each, member) for each in value] if member is not None else value

    def from_api(self, value: Any) -> Any:
        return None if value is None else [self.of.from_api(each) for each in value]


@dataclass(frozen=True)
class Set(List):
    """Values whose order means nothing."""

    def _normal(self, value: Any) -> Any:
        return sorted((self.of.normal(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))

    def differences(self, path: str, old: Any, new: Any, *, replaces: bool = False) -> Iterator[Difference]:
        yield from Property.differences(self, path, old, new, replaces=replaces)


@dataclass(frozen=True)
class Map(Property):
    """Values by free keys."""

    of: Property = field(default_factory=Text)

    def _coerce(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidInput(path, f"expected a map, got {_kind(value)}")
        return {key: self.of.coerce(each, member_path(path, key)) for key, each in value.items()}

    def _normal(self, value: Any) -> Any:
        normal = {key: self.of.normal(each) for key, each in value.items()}
        return {key: each for key, each in normal.items() if each is not None} or None

    def differences(self, path: str, old: Any, new: Any, *, replaces: bool = False) -> Iterator[Difference]:
        if self.same(old, new):
            return
        replaces = replaces or self.replaces
        if not isinstance(old, dict) or not isinstance(new, dict):
            yield Difference(path, change_kind(old, new), replaces)
            return
        for key in sorted(old.keys() | new.keys()):
            yield from self.of.differences(member_path(path, key), old.get(key), new.get(key), replaces=replaces)

    def to_api(self, value: Any, shape: Any) -> Any:
        return {key: self.of.to_api(each, shape.value) for key, each in value.items()}

    def from_api(self, value: Any) -> Any:
        return None if value is None else {key: self.of.from_api(each) for key, each in value.items()}


@dataclass(frozen=True)
class Block(Property):
    """An object with declared fields."""

    fields: Mapping[str, Property] = field(default_factory=dict)

    def _coerce(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidInput(path, f"expected an object, got {_kind(value)}")
        findings = list(unmet(self.fields, value, path))
        if findings:
            raise findings[0]
        return {key: self.fields[key].coerce(each, member_path(path, key)) for key, each in value.items()}

    def _normal(self, value: Any) -> Any:
        """Without the fields that are at their default; all at default is absent."""
        normal = {key: each.normal(value.get(key)) for key, each in self.fields.items()}
        return {key: each for key, each in normal.items() if each != self.fields[key].normal(None)} or None

    def differences(self, path: str, old: Any, new: Any, *, replaces: bool = False) -> Iterator[Difference]:
        if self.same(old, new):
            return
        replaces = replaces or self.replaces
        if not isinstance(old, dict) or not isinstance(new, dict):
            deep = any(each.replaces for each in self.fields.values())
            yield Difference(path, change_kind(old, new), replaces or deep)
            return
        for key, each in self.fields.items():
            yield from each.differences(member_path(path, key), old.get(key), new.get(key), replaces=replaces)

    def to_api(self, value: Any, shape: Any) -> Any:
        if shape.type_name == "list":  # the API has a list where only one makes sense
            return [arguments(self.fields, value, shape.member)]
        return arguments(self.fields, value, shape)

    def from_api(self, value: Any) -> Any:
        if isinstance(value, list):
            value = value[0] if value else None
        return None if value is None else translate(self.fields, value)


@dataclass(frozen=True)
class Archive(Property):
    """A pulumi.Archive; its hash is what it is."""

    def _coerce(self, value: Any, path: str) -> Any:
        if not isinstance(value, dict) or value.get(SIGNATURE) != ARCHIVE:
            raise InvalidInput(path, f"expected an archive, got {_kind(value)}")
        return value

    def _normal(self, value: Any) -> Any:
        return value.get("hash")


def unmet(properties: Mapping[str, Property], values: Mapping[str, Any], path: str = "") -> Iterator[InvalidInput]:
    """What is undeclared or missing among the values, by name."""
    for key in values:
        if key not in properties:
            yield InvalidInput(member_path(path, key), "the sandbox's provider does not declare this property")
    for key, each in properties.items():
        if each.required and values.get(key) is None:
            yield InvalidInput(member_path(path, key), "is required")


def member_path(path: str, key: str) -> str:
    """The path of an object's member, as the engine writes property paths."""
    if not key.replace("_", "a").replace("-", "a").isalnum():
        quoted = key.replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key


def arguments(properties: Mapping[str, Property], values: Mapping[str, Any], shape: Any) -> dict[str, Any]:
    """The values as members of an API's structure; a property without a member of its name is an error of ours."""
    members = {name.lower(): name for name in shape.members}
    result = {}
    for key, value in values.items():
        if value is not None:
            name = members[(properties[key].api or key).lower()]
            result[name] = properties[key].to_api(value, shape.members[name])
    return result


def translate(properties: Mapping[str, Property], answer: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an API's answer that are declared, by the properties' names."""
    found = {name.lower(): value for name, value in answer.items()}
    result = {}
    for key, each in properties.items():
        value = each.from_api(found.get((each.api or key).lower()))
        if value is not None:
            result[key] = value
    return result


def _kind(value: Any) -> str:
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
