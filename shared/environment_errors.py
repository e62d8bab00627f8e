"""A validation error as one line: which field, which value, and what would be right."""

from __future__ import annotations

import difflib
import json
from typing import Any

from pydantic import BaseModel, ValidationError


def one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """What is wrong first, and the names of the other fields that are.

    An unknown field comes first: a slip of the pen also leaves the right name missing.
    """
    problems = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    others = dict.fromkeys(_field(each) for each in problems[1:])
    also = f" (also wrong: {', '.join(others)})" if others else ""
    return _describe(problems[0], model) + also


def _describe(problem: Any, model: type[BaseModel]) -> str:
    path, field = _path(problem), _field(problem)
    match problem["type"]:
        case "missing":
            return f"{field} is missing: add it"
        case "extra_forbidden":
            return f"{field} is not a field: {_known(path, model)}"
        case "value_error":
            message = str(problem["ctx"]["error"])
            if problem["input"] is None or isinstance(problem["input"], (dict, BaseModel)):  # a rule across fields
                return f"{field}: {message}" if field and not message.startswith(field) else message
            return f"{field}: {_show(problem['input'])}: {message}"
        case _:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            return f"{field}: {_show(problem['input'])} is wrong: {message}"


def _path(problem: Any) -> list[Any]:
    return [part for part in problem["loc"] if not _is_union_member(part)]


def _field(problem: Any) -> str:
    return ".".join(str(part) for part in _path(problem))


def _is_union_member(part: object) -> bool:
    """Pydantic puts the tried type's name, e.g. `constrained-str`, into the location of a union."""
    return isinstance(part, str) and ("[" in part or "-" in part)


def _known(path: list[Any], model: type[BaseModel]) -> str:
    """What may stand where the unknown field is."""
    for part in path[:-1]:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return "remove it"
        model = inner
    fields = [name for name in model.model_fields if name != "name" or len(path) > 1]
    close = difflib.get_close_matches(str(path[-1]), fields, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(fields)}"


def _show(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # YAML's fields may be dates, its numbers of any length
        text = ascii(value) if not isinstance(value, int) else "a number of thousands of digits"
    return text if len(text) <= 80 else text[:77] + "..."
