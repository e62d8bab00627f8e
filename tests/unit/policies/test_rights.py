"""Whatever a policy document looks like, a right that is too wide is found in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import access
from policies.asked import AskedResource, statements
from policies.facts import Facts
from policies.rights import EXEMPTIONS, too_wide, wide
from policies.rules import violations

FACTS = Facts("x7k2", {"primary": "us-east-1", "secondary": "us-east-2"}, {})
ACCOUNT = "123456789012"
NAMED = ["arn:aws:s3:::bucket-x7k2/key", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/payments-x7k2"]
UNDER = ["arn:aws:s3:::bucket-x7k2/*", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/x7k2:*"]
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:keys-x7k2-??????"
ACTIONS = ["s3:GetObject", "dynamodb:PutItem", "kms:Decrypt"]

words = st.sampled_from
one_or_more = lambda each: st.one_of(each, st.lists(each, min_size=1, max_size=3))  # noqa: E731


def cased(text):
    """A text with the case of its letters at random: element names and actions are the same to AWS in any case."""
    flips = st.lists(st.booleans(), min_size=len(text), max_size=len(text))
    return flips.map(lambda on: "".join(c.swapcase() if flip else c for c, flip in zip(text, on, strict=True)))


good = st.fixed_dictionaries(
    {
        "Effect": st.just("Allow"),
        "Action": one_or_more(words(ACTIONS).flatmap(cased)),
        "Resource": one_or_more(words([*NAMED, *UNDER, SECRET])),
    }
)

starred = st.tuples(words(NAMED + ACTIONS), st.integers(0, 60), words("*?")).map(
    lambda drawn: f"{drawn[0][: drawn[1]]}{drawn[2]}{drawn[0][drawn[1] + 1 :]}"
)
"""A wildcard at any place of a name, its end included."""


def wild_action(statement, text):
    return {**statement, "Action": [*as_list(statement["Action"]), text]}


def as_list(value):
    return value if isinstance(value, list) else [value]


def under_a_full_name(text):
    return text[:-2] in {each[:-2] for each in UNDER} or (text.endswith(("/*", ":*")) and "x7k2" in text[:-2])


too_much = st.one_of(
    st.tuples(good, starred).map(lambda drawn: wild_action(*drawn)),
    st.tuples(good, words(["s3:*", "*", "s3:Get*", "S3:*Object", "*:GetObject"])).map(
        lambda drawn: wild_action(*drawn)
    ),
    st.tuples(good, starred.filter(lambda text: not under_a_full_name(text))).map(
        lambda drawn: {**drawn[0], "Resource": [*as_list(drawn[0]["Resource"]), drawn[1]]}
    ),
    st.tuples(good, words(["*", "arn:aws:s3:::*", "arn:aws:s3:::bucket/*", "arn:*:s3:::bucket-x7k2"])).map(
        lambda drawn: {**drawn[0], "Resource": drawn[1]}
    ),
    st.tuples(good, words(["NotAction", "NotResource", "NotPrincipal"]).flatmap(cased)).map(
        lambda drawn: {**drawn[0], drawn[1]: ["s3:DeleteBucket"]}
    ),
    st.tuples(good, words(["*", "arn:aws:iam::*:role/a", f"arn:aws:iam::{ACCOUNT}:role/*"])).map(
        lambda drawn: {**drawn[0], "Principal": {"AWS": [drawn[1]]}}
    ),
    good.map(lambda statement: {**statement, "Effect": "allow", "Action": "*"}),
)


def written(document):
    """A document as programs hand it over: as text or as an object, in whatever property, with names in any case."""
    names = {name: cased(name) for name in ("Statement", "Action", "Resource")}
    return st.fixed_dictionaries(names).flatmap(
        lambda new: words(
            [
                {"policy": json.dumps(_renamed(document, new))},
                {"policy": _renamed(document, new)},
                {"inlinePolicies": [{"name": "a", "policy": json.dumps(_renamed(document, new), indent=2)}]},
                {"assumeRolePolicy": json.dumps(_renamed(document, new))},
            ]
        )
    )


def _renamed(document, names):
    if isinstance(document, dict):
        return {names.get(key, key): _renamed(value, names) for key, value in document.items()}
    return [_renamed(each, names) for each in document] if isinstance(document, list) else document


def asked(properties, kind="aws:iam/rolePolicy:RolePolicy", name="example"):
    return AskedResource(kind, name, properties)


@given(st.data(), st.lists(good, min_size=1, max_size=3))
def test_what_is_named_in_full_is_right(data, allowed):
    document = {"Version": "2012-10-17", "Statement": allowed if len(allowed) > 1 else allowed[0]}
    assert list(too_wide(asked(data.draw(written(document))), FACTS)) == []


@given(st.data(), st.lists(good, max_size=2), too_much)
def test_a_statement_that_allows_too_much_is_found_wherever_it_stands(data, before, bad):
    document = {"Statement": [*before, bad]}
    assert list(too_wide(asked(data.draw(written(document))), FACTS))


@given(too_much.filter(lambda statement: statement["Effect"] == "Allow"))
def test_what_is_denied_may_be_all(statement):
    assert list(too_wide(asked({"policy": {"Statement": [{**statement, "Effect": "Deny"}]}}), FACTS)) == []


@pytest.mark.parametrize("element", ["NotAction", "NotResource", "NotPrincipal", "notaction", "NOTRESOURCE"])
def test_what_allows_all_but_something_is_found(element):
    statement = {"Effect": "Allow", "Action": ACTIONS, "Resource": NAMED}
    assert list(too_wide(asked({"policy": {"Statement": [statement]}}), FACTS)) == []
    assert list(too_wide(asked({"policy": {"Statement": [{**statement, element: NAMED}]}}), FACTS))


def unlimiting(key):
    """Conditions that name a key and keep nobody out by it."""
    for operator in ("StringNotEquals", "StringNotLike", "ArnNotEquals", "StringEqualsIfExists", "Null", "Bool"):
        yield {operator: {key: "known"}}
    yield {"ForAllValues:StringEquals": {key: "known"}}
    yield {"ForAllValues:StringEquals": {key: "known"}, "Null": {key: "true"}}
    for value in ("*", "k*", "kno?n", "", ["known", "*"], [], f"${{{key}}}"):
        yield {"ForAnyValue:StringLike": {key: value}}
        yield {"StringLike": {key: value}}


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"cloudwatch:namespace": "known"}},
        {"ForAnyValue:StringEquals": {"CloudWatch:Namespace": ["known"]}},
        {"ForAllValues:ArnEquals": {"cloudwatch:namespace": "known"}, "Null": {"cloudwatch:namespace": "false"}},
        {"StringLike": {"cloudwatch:namespace": "*"}, "StringEquals": {"cloudwatch:namespace": "known"}},
    ],
)
def test_an_exemption_takes_each_condition_that_demands_a_name(condition):
    statement = {"effect": "Allow", "action": ["cloudwatch:PutMetricData"], "resource": ["*"], "condition": condition}
    assert list(wide(statement, FACTS, "synthetics")) == []


@pytest.mark.parametrize("exemption", EXEMPTIONS, ids=lambda each: each.name)
def test_an_exemption_is_for_its_own_statement_and_nothing_more(exemption):
    resource = exemption.resource.replace(r"[a-z0-9-]+", "us-east-1").replace(r"\d{12}", ACCOUNT).replace("\\", "")
    statement = {"effect": "Allow", "action": sorted(exemption.actions), "resource": [resource]}
    if exemption.condition:
        for condition in ({}, *unlimiting(exemption.condition)):
            assert list(wide({**statement, "condition": condition}, FACTS, exemption.name)), condition
        statement["condition"] = {"StringEquals": {exemption.condition: "known"}}
    assert list(wide(statement, FACTS, exemption.name)) == []
    assert list(wide(statement, FACTS, "another"))
    assert list(wide({**statement, "action": [*statement["action"], "s3:GetObject"]}, FACTS, exemption.name))
    assert list(wide({**statement, "resource": [resource, "arn:aws:s3:::*"]}, FACTS, exemption.name))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({"action": ["cloudwatch:GetMetricData"], "resource": ["*"]}, []),
        ({"action": ["CloudWatch:getmetricdata"], "resource": "*"}, []),
        ({"action": ["cloudwatch:GetMetricData", "cloudwatch:PutMetricData"], "resource": ["*"]}, ["resource *"]),
        ({"action": [], "resource": ["*"]}, ["resource *"]),
        ({"action": "kms:Decrypt", "resource": "arn:aws:kms:r:a:key/*"}, ["resource arn:aws:kms:r:a:key/*"]),
        ({"action": "s3:GetObject", "resource": "arn:aws:s3:::xx7k2x/*"}, ["resource arn:aws:s3:::xx7k2x/*"]),
    ],
)
def test_what_is_found_is_named(statement, found):
    assert list(wide({"effect": "Allow", **statement}, FACTS)) == found


def test_only_a_keys_own_policy_may_say_all_resources():
    statement = {
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": "*",
        "Principal": {"AWS": "arn:aws:iam::1:root"},
    }
    policy = {"policy": json.dumps({"Statement": statement})}
    assert list(too_wide(asked(policy, "aws:kms/key:Key"), FACTS)) == []
    assert list(too_wide(asked(policy, "aws:sqs/queuePolicy:QueuePolicy"), FACTS))


READER = {"effect": "Allow", "principal": "*", "action": ["s3:GetObject"], "resource": ["arn:aws:s3:::bucket/key"]}


def addresses(*ranges, operator="IpAddress", key="aws:SourceIp"):
    return {**READER, "condition": {operator: {key: list(ranges)}}}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (READER, True),
        ({**READER, "principal": {"AWS": "*"}}, True),
        ({**READER, "principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/a", "*"]}}, True),
        ({**READER, "effect": "Deny"}, False),
        ({**READER, "principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/a"}}, False),
        ({**READER, "condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, False),
        ({**READER, "condition": {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}}}, True),
        ({**READER, "condition": {"StringLike": {"aws:PrincipalAccount": "*"}}}, True),
        (addresses("15.177.0.0/18"), False),
        (addresses("15.177.0.0/18", key="AWS:sourceip"), False),
        (addresses("0.0.0.0/0"), True),
        (addresses("15.177.0.0/18", "128.0.0.0/1"), True),
        (addresses("::/0"), True),
        (addresses("10.0.0.0/16"), True),
        (addresses("15.177.0.0/18", operator="NotIpAddress"), True),
    ],
)
def test_the_rule_finds_what_is_open_to_the_world(statement, found):
    assert access.open_to_the_world(statement) is found
    (name,) = access.BY_ADDRESS
    asked_for = asked({"policy": json.dumps({"Statement": [statement]})}, "aws:sqs/queuePolicy:QueuePolicy", name)
    said = [each.said for each in violations(asked_for, FACTS) if each.rule.name == "no-public-access"]
    assert bool(said) is found


@pytest.mark.parametrize("width", [16, 18, 26, 32])
def test_addresses_of_the_internet_limit_only_what_is_listed(width):
    policy = {"policy": json.dumps({"Statement": [addresses(f"15.177.0.0/{width}")]})}
    assert list(access.public(asked(policy, "aws:sqs/queuePolicy:QueuePolicy"), FACTS))


def test_what_is_no_document_is_none():
    for text in ("", "{", "[1]", '{"a": "statement"', "statement", '["Statement"]'):
        assert list(statements(asked({"policy": text}))) == []
