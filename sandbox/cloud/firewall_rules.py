"""What a web ACL's rules say of a request: pure, by AWS's rules.

https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-rule-evaluation-order.html. What the stacks do not
declare is refused by its name, so that no rule is passed over in silence.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import json
from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from sandbox.cloud.managed_rules import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sandbox.cloud.web_requests import WebRequest

    Statement = Mapping[str, Any]

Act: TypeAlias = Literal["Allow", "Block", "Count"]

CHECKED_EVERY = 10
"""Seconds between two looks at the rates; what came before the last one counts.

Published by the provider's documentation of evaluation windows: AWS's own says that it is usually below 30 s,
https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based-caveats.html.
"""
_TRANSFORMATIONS: Mapping[str, Callable[[str], str]] = {"NONE": str, "LOWERCASE": str.lower}
_CONSTRAINTS: Mapping[str, Callable[[str, str], bool]] = {
    "EXACTLY": lambda text, wanted: text == wanted,
    "STARTS_WITH": lambda text, wanted: text.startswith(wanted),
    "ENDS_WITH": lambda text, wanted: text.endswith(wanted),
    "CONTAINS": lambda text, wanted: wanted in text,
}
_PARTS = ("UriPath", "QueryString", "Method", "SingleHeader")
_BLOCK: Statement = {"Block": {}}
_COUNT: Statement = {"Count": {}}
_KEPT = 10_000
"""Keys of a rate-based rule that are counted at once."""


class UnknownRule(ValueError):
    """A rule that nothing here judges. The text says which part of it."""


class Acted(NamedTuple):
    """What a rule did with a request that it matches."""

    rule: Mapping[str, Any] | None
    """None: no rule, but the default action."""
    act: Act
    response: Mapping[str, Any] | None = None
    """The custom response of what is blocked, if the action has one."""


@dataclass
class Rates:
    """How many requests each key of each rate-based rule sent, by the ten seconds in which they came."""

    now: Callable[[], float]
    _counts: dict[tuple[str, str], Counter[int]] = field(default_factory=dict)

    def exceeds(self, rule: str, key: str, limit: int, window: int) -> bool:
        """Count a request of a key, and say whether its rate was over the limit at the last look."""
        turn = int(self.now()) // CHECKED_EVERY
        oldest = turn - window // CHECKED_EVERY
        counts = self._counts.setdefault((rule, key), Counter())
        for each in [each for each in counts if each < oldest]:
            del counts[each]
        over = sum(count for each, count in counts.items() if each < turn) > limit
        counts[turn] += 1
        if len(self._counts) > _KEPT:
            del self._counts[next(iter(self._counts))]
        return over


@dataclass(frozen=True)
class Judge:
    """Judges requests. `addresses` are those of an IP set by its ARN."""

    addresses: Callable[[str], Sequence[str]]
    rates: Rates

    def acts(self, acl: Mapping[str, Any], request: WebRequest) -> Iterator[Acted]:
        """What each rule that matches does, in the order of priorities, and then the default action.

        The first that allows or blocks is the last.
        """
        for rule in sorted(acl["Rules"], key=lambda each: int(each["Priority"])):
            action = self._act(f"{acl['ARN']} {rule['Name']}", rule, request)
            if action is not None:
                yield (acted := Acted(rule, *_action(action)))
                if acted.act in {"Allow", "Block"}:
                    return
        yield Acted(None, *_action(acl["DefaultAction"]))

    def _act(self, place: str, rule: Mapping[str, Any], request: WebRequest) -> Statement | None:
        """The action of a rule that matches."""
        statement = rule["Statement"]
        if group := statement.get("ManagedRuleGroupStatement"):
            action = _of_group(group, request) if self._in_scope(group, request) else None
            return _COUNT if action and "Count" in rule.get("OverrideAction", {}) else action
        if rate := statement.get("RateBasedStatement"):
            key = _key(rate, request) if self._in_scope(rate, request) else None
            told = f"{place} {json.dumps(rate, sort_keys=True)}"  # a changed setting counts anew
            limit, window = int(rate["Limit"]), int(rate.get("EvaluationWindowSec", 300))
            matches = key is not None and self.rates.exceeds(told, key, limit, window)
        else:
            matches = self._matches(statement, request)
        return rule["Action"] if matches else None

    def _in_scope(self, statement: Statement, request: WebRequest) -> bool:
        scope = statement.get("ScopeDownStatement")
        return scope is None or self._matches(scope, request)

    def _matches(self, statement: Statement, request: WebRequest) -> bool:
        ((kind, told),) = statement.items()
        match kind:
            case "AndStatement":
                return all(self._matches(each, request) for each in told["Statements"])
            case "OrStatement":
                return any(self._matches(each, request) for each in told["Statements"])
            case "NotStatement":
                return not self._matches(told["Statement"], request)
            case "IPSetReferenceStatement":
                return _within(request.source, tuple(self.addresses(told["ARN"])))
            case _:
                return _has_bytes(told, request)


def check(acl: Mapping[str, Any]) -> None:
    """Raises UnknownRule where a rule of the ACL, as CreateWebACL is told it, is none that is judged here."""
    bodies = acl.get("CustomResponseBodies") or {}
    for rule in acl.get("Rules") or ():
        try:
            _check_rule(rule, bodies)
        except UnknownRule as unknown:
            raise UnknownRule(f"{rule.get('Name')}: {unknown} is not judged in the sandbox") from None
    _plain(acl.get("DefaultAction") or {}, ("Allow", "Block"), bodies)


def _check_rule(rule: Mapping[str, Any], bodies: Mapping[str, Any]) -> None:
    statement = rule["Statement"]
    if group := statement.get("ManagedRuleGroupStatement"):
        if group.get("VendorName") != "AWS" or group.get("Name") not in GROUPS:
            raise UnknownRule(f"the rule group {group.get('Name')}")
        _only(group, "VendorName", "Name", "RuleActionOverrides", "ScopeDownStatement")
        for each in group.get("RuleActionOverrides") or ():
            _plain(each["ActionToUse"], ("Allow", "Block", "Count"), bodies)
        _plain(rule.get("OverrideAction") or {}, ("Count", "None"))
        _check_scope(group)
        return
    _plain(rule.get("Action") or {}, ("Allow", "Block", "Count"), bodies)
    if rate := statement.get("RateBasedStatement"):
        _only(rate, "Limit", "EvaluationWindowSec", "AggregateKeyType", "CustomKeys", "ScopeDownStatement")
        if rate["AggregateKeyType"] not in {"IP", "CUSTOM_KEYS"}:
            raise UnknownRule(f"AggregateKeyType {rate['AggregateKeyType']}")
        for each in rate.get("CustomKeys") or ():
            _only(each, "Header", "IP", "HTTPMethod")
            _check_transformations(each.get("Header") or {})
        _check_scope(rate)
        return
    _check_statement(statement)


def _check_scope(statement: Statement) -> None:
    if scope := statement.get("ScopeDownStatement"):
        _check_statement(scope)


def _check_statement(statement: Statement) -> None:
    _only(statement, "AndStatement", "OrStatement", "NotStatement", "IPSetReferenceStatement", "ByteMatchStatement")
    ((kind, told),) = statement.items()
    for each in told.get("Statements") or ([told["Statement"]] if "Statement" in told else ()):
        _check_statement(each)
    if kind == "IPSetReferenceStatement":
        _only(told, "ARN")
    if kind == "ByteMatchStatement":
        _only(told["FieldToMatch"], *_PARTS)
        if told["PositionalConstraint"] not in _CONSTRAINTS:
            raise UnknownRule(f"PositionalConstraint {told['PositionalConstraint']}")
        _check_transformations(told)


def _check_transformations(told: Statement) -> None:
    for each in told.get("TextTransformations") or ():
        if each["Type"] not in _TRANSFORMATIONS:
            raise UnknownRule(f"the transformation {each['Type']}")


def _only(told: Statement, *known: str) -> None:
    for name in told:
        if name not in known:
            raise UnknownRule(name)


def _plain(action: Statement, known: Sequence[str], bodies: Mapping[str, Any] = MappingProxyType({})) -> None:
    """An action of these, with nothing of its own but the response to what is blocked: one of the ACL's `bodies`."""
    _only(action, *known)
    for name, more in action.items():
        response = more.get("CustomResponse", {}) if name == "Block" else {}
        if other := next((each for each in more if each != "CustomResponse" or name != "Block"), None):
            raise UnknownRule(f"{name} with {other}")
        if (key := response.get("CustomResponseBodyKey")) is not None and key not in bodies:
            raise UnknownRule(f"the response {key}, which is none of CustomResponseBodies,")


def _action(told: Statement) -> tuple[Act, Mapping[str, Any] | None]:
    """What an action does, and the response that it has of its own."""
    ((name, more),) = told.items()
    return name, more.get("CustomResponse")  # type: ignore[return-value]


def _of_group(group: Statement, request: WebRequest) -> Statement | None:
    """The action of the first rule of a group that ends it; Count when rules matched that only count."""
    overrides = {each["Name"]: each["ActionToUse"] for each in group.get("RuleActionOverrides") or ()}
    counted = False
    for name, test in GROUPS[group["Name"]].items():
        if test(request):
            action: Statement = overrides.get(name, _BLOCK)
            if "Count" not in action:
                return action
            counted = True
    return _COUNT if counted else None


def _key(rate: Statement, request: WebRequest) -> str | None:
    """What a request is counted under. One that lacks a part of it is not counted, and not limited.

    https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatementCustomKey.html
    """
    if rate["AggregateKeyType"] == "IP":
        return request.source
    parts = []
    for each in rate["CustomKeys"]:
        if header := each.get("Header"):
            value = request.header(header["Name"])
            if value is None:
                return None
            parts.append(_transformed(value, header))
        else:
            parts.append(request.source if "IP" in each else request.method)
    return json.dumps(parts)


def _has_bytes(told: Statement, request: WebRequest) -> bool:
    ((part, more),) = told["FieldToMatch"].items()
    parts = {"UriPath": request.path, "QueryString": request.query, "Method": request.method}
    text = request.header(more["Name"]) if part == "SingleHeader" else parts[part]
    if text is None:
        return False
    wanted = base64.b64decode(told["SearchString"]).decode("latin-1")
    return _CONSTRAINTS[told["PositionalConstraint"]](_transformed(text, told), wanted)


def _transformed(text: str, told: Statement) -> str:
    for each in sorted(told.get("TextTransformations") or (), key=lambda each: int(each["Priority"])):
        text = _TRANSFORMATIONS[each["Type"]](text)
    return text


def _within(source: str, addresses: tuple[str, ...]) -> bool:
    address = ipaddress.ip_address(source)
    return any(address in network for network in _networks(addresses))


@functools.lru_cache(maxsize=64)
def _networks(addresses: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in addresses)
