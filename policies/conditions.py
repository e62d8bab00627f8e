"""What a statement's condition demands: values that a key must have for the statement to count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.asked import as_list

POSITIVE = frozenset({"arnequals", "arnlike", "stringequals", "stringequalsignorecase", "stringlike"})
"""Operators that want a key to be there and to have a value. `…IfExists` is met where there is none, and `…Not…` by all
but the value (IAM User Guide, "IAM JSON policy elements: Condition operators")."""


def demanded(statement: Mapping[str, Any], key: str) -> Iterator[list[str]]:
    """The values of which a key must have one, for each test that demands it of a statement with lower-case elements.

    `ForAllValues` is met by a key that is not there, so it demands one only beside `Null: false` (IAM User Guide,
    "Set operators for multi-valued context keys").
    """
    tests = [
        (operator.lower(), [str(value) for value in as_list(values)])
        for operator, keys in (statement.get("condition") or {}).items()
        for name, values in keys.items()
        if name.lower() == key.lower()
    ]
    there = any(operator == "null" and [value.lower() for value in values] == ["false"] for operator, values in tests)
    for operator, values in tests:
        quantifier, _, comparison = operator.rpartition(":")
        if comparison in POSITIVE and values and (there or quantifier != "forallvalues"):
            yield values


def demands_names(statement: Mapping[str, Any], key: str) -> bool:
    """Whether a statement counts only where a key has a value that it spells out."""
    return any(all(map(spelled_out, values)) for values in demanded(statement, key))


def spelled_out(value: str) -> bool:
    """Whether a value stands for itself alone: no wildcard, and no variable, which the caller may fill."""
    return bool(value) and not set(value) & set("*?") and "${" not in value
