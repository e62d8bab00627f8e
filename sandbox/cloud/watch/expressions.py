"""Metric math: what an expression over metrics comes to, period by period.

"Using math expressions with CloudWatch metrics",
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html, of which numbers, ids, + - * /,
comparisons, FILL with a number and IF are here; everything else is refused by its name.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Values: TypeAlias = dict[int, float]
"""A time series: values by the beginning of their periods (seconds); those of other periods are missing."""
Result: TypeAlias = Values | float
"""AWS calls them TS and S."""

ID = re.compile(r"^[a-z][a-zA-Z0-9_]*$")
_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class UnknownExpression(ValueError):
    """An expression that is not computed here. The text says what of it."""


@dataclass(frozen=True)
class Expression:
    """An expression that is computed here, and the ids that it names."""

    text: str
    names: frozenset[str]
    _tree: ast.expr

    @classmethod
    def of(cls, text: str) -> Expression:
        """Raises UnknownExpression, also for what comes to a number: the result must be a time series."""
        try:
            tree = ast.parse(" ".join(text.split()), mode="eval").body
        except (SyntaxError, ValueError):
            raise UnknownExpression(f"{text} is no expression that is computed in the sandbox") from None
        functions = {id(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)}
        names = frozenset(
            each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and id(each) not in functions
        )
        if wrong := sorted(name for name in names if not ID.match(name)):
            raise UnknownExpression(f"{wrong[0]} in {text} is no id, and not computed in the sandbox")
        if isinstance(_Computation({name: {} for name in names}, ()).of(tree), float):
            raise UnknownExpression(f"{text} is a number, no time series")
        return cls(text, names, tree)

    def over(self, known: Mapping[str, Values], periods: Sequence[int]) -> Values:
        """What it comes to; `periods` are the beginnings of all that are looked at, which FILL fills."""
        found = _Computation(known, periods).of(self._tree)
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class _Computation:
    known: Mapping[str, Values]
    periods: Sequence[int]

    def of(self, node: ast.expr) -> Result:  # noqa: PLR0911 - one for each form
        match node:
            case ast.Constant(value=int(number) | float(number)) if not isinstance(number, bool):
                return float(number)
            case ast.Name():
                return self.known[node.id]
            case ast.UnaryOp(op=ast.USub()):
                return _paired(operator.sub, 0.0, self.of(node.operand))
            case ast.BinOp() if type(node.op) in _OPERATORS:
                return _paired(_OPERATORS[type(node.op)], self.of(node.left), self.of(node.right))
            case ast.Compare(ops=[one], comparators=[other]) if type(one) in _OPERATORS:
                return _paired(_OPERATORS[type(one)], self.of(node.left), self.of(other))
            case ast.Call(func=ast.Name(id="FILL"), args=[series, filler], keywords=[]):
                return self._filled(self.of(series), filler)
            case ast.Call(func=ast.Name(id="IF"), args=[_, _] | [_, _, _], keywords=[]):
                return _chosen(*map(self.of, node.args))
        raise UnknownExpression(f"{ast.unparse(node)} is not computed in the sandbox")

    def _filled(self, series: Result, filler: ast.expr) -> Values:
        """Every period has a value. That this holds where the metric has none at all is assumed: AWS says nothing."""
        value = self.of(filler) if not isinstance(filler, ast.Name) else None
        if not isinstance(value, float) or not isinstance(series, dict):
            raise UnknownExpression(f"FILL with {ast.unparse(filler)} is not computed in the sandbox")
        return {period: series.get(period, value) for period in self.periods}


def _paired(act: Callable[[float, float], float], left: Result, right: Result) -> Result:
    """For each period in which either has a value; the other's missing one is 0. A division by zero has no value."""
    if isinstance(left, float) and isinstance(right, float):
        return {} if act is operator.truediv and not right else float(act(left, right))
    found: Values = {}
    for period in sorted({period for each in (left, right) if isinstance(each, dict) for period in each}):
        one, other = (each if isinstance(each, float) else each.get(period, 0.0) for each in (left, right))
        if act is not operator.truediv or other:
            found[period] = float(act(one, other))
    return found


def _chosen(condition: Result, true: Result, false: Result | None = None) -> Result:
    """IF. What is missing in the series of a true condition is 0, in that of a false one it is missing."""
    if isinstance(condition, float):
        chosen = true if condition else false
        return {} if chosen is None else chosen
    found: Values = {}
    for period, holds in condition.items():
        if holds:
            found[period] = true if isinstance(true, float) else true.get(period, 0.0)
        elif isinstance(false, float):
            found[period] = false
        elif false is not None and period in false:
            found[period] = false[period]
    return found
