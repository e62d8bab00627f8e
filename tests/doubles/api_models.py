"""AWS's API models as a judge of requests: what the service would refuse although the SDK sends it.

The SDK itself looks at types, required members and the least lengths. The models say more: the values of an
enumeration, the most characters or members, a pattern.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from botocore.session import Session
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import Shape

_SESSION = Session()
_JAVA = (("\\p{Print}", "[ -~]"), ("\\p{Alnum}", "[a-zA-Z0-9]"), ("\\p{ASCII}", "[\\x00-\\x7f]"))
"""Classes of characters that Python spells differently."""
_UNREADABLE = ("\\p{", "[\\p", "&&", "\\P{")


def judged(service: str, operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """Why AWS would refuse a request, one line each; `operation` is the API's name, such as PutItem."""
    shape = _SESSION.get_service_model(service).operation_model(operation).input_shape
    if shape is None:
        return ["takes no parameters"] if parameters else []
    report = ParamValidator().validate(dict(parameters), shape)
    said = [report.generate_report()] if report.has_errors() else _refusals(shape, parameters, "")
    return [f"{service} {operation}: {each}" for each in said]


def _refusals(shape: Shape, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                if name in value:
                    yield from _refusals(member, value[name], f"{path}.{name}")
        case "list":
            yield from _too_many(shape, len(value), f"{path} has", "members")
            for number, each in enumerate(value):
                yield from _refusals(shape.member, each, f"{path}[{number}]")
        case "map":
            for key, each in value.items():
                yield from _refusals(shape.key, key, f"{path} key {key}")
                yield from _refusals(shape.value, each, f"{path}[{key}]")
        case "string":
            yield from _refusals_of_text(shape, value, path)
        case "integer" | "long" | "float" | "double":
            yield from _too_many(shape, value, f"{path} is", "")


def _too_many(shape: Shape, found: float, what: str, unit: str) -> Iterator[str]:
    most, least = shape.metadata.get("max"), shape.metadata.get("min")
    if most is not None and found > most:
        yield f"{what} {found} {unit}, {most} at most".replace(" ,", ",")
    if least is not None and found < least:
        yield f"{what} {found} {unit}, {least} at least".replace(" ,", ",")


def _refusals_of_text(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _too_many(shape, len(value), f"{path} has", "characters")
    if shape.enum and value not in shape.enum:
        yield f"{path} is {value!r}, none of {', '.join(shape.enum)}"
    pattern = shape.metadata.get("pattern")
    if pattern and (expression := _expression(pattern)) and not expression.fullmatch(value):
        yield f"{path} is {value[:200]!r}, which does not match {pattern}"


@functools.cache
def _expression(pattern: str) -> re.Pattern[str] | None:
    """A model's pattern for Python; None for the few that Python cannot read."""
    for java, python in _JAVA:
        pattern = pattern.replace(java, python)
    if any(each in pattern for each in _UNREADABLE):
        return None
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        return None
