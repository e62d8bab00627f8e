"""DynamoDB's expressions, as far as the payment store uses them; anything else fails with its name.

An expression is compiled once to closures over (item, names, values). Attribute paths are top-level names. Source of
the grammar: Amazon DynamoDB developer guide, "Condition and filter expressions" and "Update expressions".
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = dict[str, Any]
Item = dict[str, Value]

_TOKEN: Final = re.compile(r"\s*(?:([#:]?[A-Za-z_][A-Za-z0-9_\-]*)|(<>|<=|>=|[=<>(),+\-]))")
_COMPARE: Final = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CLAUSES: Final = frozenset({"SET", "REMOVE"})


class InvalidExpression(Exception):
    """The expression is wrong, or uses what is not built here (DynamoDB: ValidationException)."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression's meaning, and the placeholders that it uses (`#name`, `:value`): `evaluate` needs them all."""

    evaluate: Any
    placeholders: frozenset[str]


@lru_cache(maxsize=4096)
def condition(text: str) -> Compiled:
    """`evaluate(item, names, values) -> bool` of a condition or key condition."""
    parser = _Parser(text)
    evaluate = parser.disjunction()
    parser.end()
    return Compiled(evaluate, frozenset(parser.placeholders))


@lru_cache(maxsize=4096)
def update(text: str) -> Compiled:
    """`evaluate(item, names, values) -> item` of an update expression: a new item, the old one is not touched."""
    parser = _Parser(text)
    evaluate = parser.update()
    parser.end()
    return Compiled(evaluate, frozenset(parser.placeholders))


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens(text)
        self.at = 0
        self.placeholders: set[str] = set()

    @staticmethod
    def _tokens(text: str) -> list[str]:
        tokens, position = [], 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise InvalidExpression(f"cannot read {text[position:]!r}")
            tokens.append(match[1] or match[2])
            position = match.end()
        return tokens

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.peek()
        if not token or (expected and token.upper() not in expected):
            raise InvalidExpression(f"{self.text!r}: {' or '.join(expected) or 'more'} expected, not {token!r}")
        self.at += 1
        return token

    def end(self) -> None:
        if self.peek():
            raise InvalidExpression(f"{self.text!r}: {self.peek()!r} is not understood")

    # Conditions

    def disjunction(self) -> Callable[..., bool]:
        term = self.conjunction()
        while self.peek().upper() == "OR":
            self.take()
            term = _either(term, self.conjunction())
        return term

    def conjunction(self) -> Callable[..., bool]:
        term = self.negation()
        while self.peek().upper() == "AND":
            self.take()
            term = _both(term, self.negation())
        return term

    def negation(self) -> Callable[..., bool]:
        if self.peek().upper() == "NOT":
            self.take()
            term = self.negation()
            return lambda item, names, values: not term(item, names, values)
        if self.peek() == "(":
            self.take()
            term = self.disjunction()
            self.take(")")
            return term
        if self.peek() in {"attribute_exists", "attribute_not_exists"}:
            wanted = self.take() == "attribute_exists"
            self.take("(")
            path = self.path()
            self.take(")")
            return lambda item, names, _: (path(names) in item) is wanted
        return self.comparison()

    def comparison(self) -> Callable[..., bool]:
        left = self.operand()
        compare = _COMPARE[self.take(*_COMPARE)]
        right = self.operand()

        def evaluate(item: Mapping[str, Value], names: Mapping[str, str], values: Mapping[str, Value]) -> bool:
            return _compare(compare, left(item, names, values), right(item, names, values))

        return evaluate

    # Updates

    def update(self) -> Callable[..., Item]:
        changes: list[Callable[..., None]] = []
        seen: set[str] = set()
        while self.peek():
            clause = self.take(*_CLAUSES).upper()
            if clause in seen:
                raise InvalidExpression(f"{self.text!r}: two clauses {clause}")
            seen.add(clause)
            changes.append(self.assignment() if clause == "SET" else self.removal())
            while self.peek() == ",":
                self.take()
                changes.append(self.assignment() if clause == "SET" else self.removal())
        if not changes:
            raise InvalidExpression("an update without changes")

        def evaluate(item: Mapping[str, Value], names: Mapping[str, str], values: Mapping[str, Value]) -> Item:
            new = dict(item)
            for change in changes:
                change(new, item, names, values)
            return new

        return evaluate

    def assignment(self) -> Callable[..., None]:
        path = self.path()
        self.take("=")
        operand = self.operand()

        def assign(new: Item, item: Mapping[str, Value], names: Mapping[str, str], values: Mapping[str, Value]) -> None:
            value = operand(item, names, values)
            if value is None:
                raise InvalidExpression("an attribute that does not exist cannot be assigned")
            new[path(names)] = value

        return assign

    def removal(self) -> Callable[..., None]:
        path = self.path()

        def remove(new: Item, _: Mapping[str, Value], names: Mapping[str, str], __: Mapping[str, Value]) -> None:
            new.pop(path(names), None)

        return remove

    # Parts of both

    def operand(self) -> Callable[..., Value | None]:
        token = self.peek()
        if token.startswith(":"):
            self.placeholders.add(self.take())
            return lambda _, __, values: values[token]
        path = self.path()
        return lambda item, names, _: item.get(path(names))

    def path(self) -> Callable[[Mapping[str, str]], str]:
        token = self.take()
        if token.startswith("#"):
            self.placeholders.add(token)
            return lambda names: names[token]
        if self.peek() == "(" or not token[0].isalpha():
            raise InvalidExpression(f"{token!r} is not built into this table")
        return lambda _: token


def _both(one: Callable[..., bool], other: Callable[..., bool]) -> Callable[..., bool]:
    return lambda item, names, values: one(item, names, values) and other(item, names, values)


def _either(one: Callable[..., bool], other: Callable[..., bool]) -> Callable[..., bool]:
    return lambda item, names, values: one(item, names, values) or other(item, names, values)


def _compare(compare: Callable[[Any, Any], bool], left: Value | None, right: Value | None) -> bool:
    """A missing attribute and values of different types compare as DynamoDB does: only `<>` is true."""
    if left is None or right is None:
        return compare is operator.ne
    ((kind, one),) = left.items()
    if kind not in right:
        return compare is operator.ne
    other = right[kind]
    if kind == "N":
        return compare(Decimal(one), Decimal(other))
    return compare(one, other)
