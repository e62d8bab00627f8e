"""CloudWatch's requests and answers in its protocols: Query with XML, JSON, and CBOR."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ministack.services import cloudwatch

from sandbox.cloud.repairs.xml import element

if TYPE_CHECKING:
    from collections.abc import Callable

    Request = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]
    Action = Callable[..., Answer]

_NUMBERS = frozenset({"Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold"})
_BOOLEANS = frozenset({"ActionsEnabled", "ReturnData"})
_TIMES = re.compile("Timestamp(s|)$")


def as_query(operation: str, describe: Action) -> Action:
    """The operation, which answers the Query protocol with what it tells in JSON."""

    def described(parameters: Any, request: Request, is_cbor: bool, is_json: bool = False) -> Answer:
        if is_cbor or is_json:
            return describe(parameters, request, is_cbor, is_json)
        status, _, body = describe({}, from_query(parameters), False, True)
        if status != 200:
            return describe(parameters, request, is_cbor, is_json)
        return _xml(operation, json.loads(body))

    return described


def as_told(operation: str, found: Request, *, is_cbor: bool, is_json: bool) -> Answer:
    """An answer, its times in seconds since the epoch, in the protocol of its request."""
    if is_cbor:
        in_cbor: Answer = cloudwatch._cbor_ok(_tagged(found))
        return in_cbor
    if is_json:
        in_json: Answer = cloudwatch._json_ok(found)
        return in_json
    return _xml(operation, found)


def _xml(operation: str, found: Request) -> Answer:
    inside = "".join(element(name, value, "member") for name, value in _with_times(found).items())
    result = f"<{operation}Result>{inside}</{operation}Result>"
    answer: Answer = cloudwatch._xml(200, f"{operation}Response", result)
    return answer


def _tagged(value: Any, name: str = "") -> Any:
    """The same with times as CBOR has them."""
    if isinstance(value, dict):
        return {key: _tagged(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_tagged(each, name) for each in value]
    return cloudwatch._cbor_timestamp(value) if isinstance(value, int | float) and _TIMES.search(name) else value


def _with_times(value: Any, name: str = "") -> Any:
    """The same with times as texts, as XML has them."""
    if isinstance(value, dict):
        return {key: _with_times(each, key) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_with_times(each, name) for each in value]
    return cloudwatch._ts_iso(value) if isinstance(value, int | float) and _TIMES.search(name) else value


def from_query(parameters: Any) -> Request:
    """A Query request as JSON has it: `A.member.1.B=x` is `{"A": [{"B": "x"}]}`."""
    found: Request = {}
    for name in parameters:
        place: Any = found
        *folders, last = name.replace(".member.", ".#").split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = _typed(last, cloudwatch._p(parameters, name))
    listed: Request = _with_lists(found)
    return listed


def _typed(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return float(text) if name == "Threshold" else int(text)
    return text == "true" if name in _BOOLEANS else text


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.startswith("#") for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=lambda key: int(key[1:]))]
    return {key: _with_lists(each) for key, each in value.items()}
