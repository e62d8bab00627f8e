"""What a plan says of dangers, of who reads what, and of values that were left open."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backend import STACK_TYPE, Checkpoint
from engine.events import Events, ResourceChange
from orchestration.foreseen import (
    ADDRESSES,
    SIGNATURE,
    UNKNOWN,
    Forecast,
    ForeseenResource,
    ForeseenStack,
    changed_outputs,
    danger,
    leaves,
    published_ids,
    readers_of,
    resources,
    share_unknown,
)
from orchestration.holdings import classified
from shared import reads
from shared.contracts import LAYERS
from shared.root import ROOT
from shared.stack import Stack

READ = {name: reads.of(ROOT, name) for name in LAYERS}
DATA, NETWORK, EDGE = Stack("data", "payments"), Stack("network", "payments", "primary"), Stack("edge", "payments")
GROUP = "aws:ec2/securityGroup:SecurityGroup"


def change(operation, kind, known="", **outputs):
    return ResourceChange(operation, f"urn::{kind}::a", kind, before={"id": known, "outputs": outputs})


@pytest.mark.parametrize(
    ("stack", "changed", "published", "told"),
    [
        (DATA, change("replace", "aws:dynamodb/table:Table", "t", name="t"), (), "holds data (table/t)"),
        (DATA, change("update", "aws:dynamodb/table:Table", "t", name="t"), ("table_name",), ""),
        (EDGE, change("delete", "aws:route53/zone:Zone", "Z1"), (), "its name servers are delegated to by others"),
        (
            NETWORK,
            change("replace", GROUP, "sg-1"),
            ("function_security_group_id", "vpc_id"),  # nobody reads the other one
            "compute reads its id as function_security_group_id",
        ),
        (NETWORK, change("replace", GROUP, "sg-1"), ("vpc_id",), ""),
    ],
)
def test_what_goes_is_dangerous_by_its_data_its_address_and_its_id(stack, changed, published, told):
    assert danger(stack, changed, {changed.urn: published}, READ) == told


def test_an_id_is_that_of_the_resource_and_not_of_its_settings_or_its_role():
    bucket, role = "aws:s3/bucket:Bucket", "aws:iam/role:Role"
    state = Checkpoint(
        [
            {
                "type": STACK_TYPE,
                "urn": "stack",
                "outputs": {"names": {"primary": "b"}, "function": "arn:f", "vpc": "none"},
            },
            {"type": bucket, "urn": "bucket", "id": "b"},
            {"type": "aws:s3/bucketVersioning:BucketVersioning", "urn": "set", "id": "b", "dependencies": ["bucket"]},
            {"type": role, "urn": "role", "id": "b", "outputs": {"arn": "arn:r"}},
            {"type": "aws:lambda/function:Function", "urn": "function", "id": "f", "outputs": {"arn": "arn:f"}},
        ]
    )
    assert published_ids(state) == {"bucket": ["names"], "function": ["function"]}
    assert published_ids(None) == {}


def test_every_address_is_of_a_type_that_is_known():
    assert [kind for kind in ADDRESSES if not classified(kind)] == []


def test_outputs_differ_by_field_and_their_readers_are_found():
    before = {"table_name": "a", "consistency": "MRSC", "gone": 1}
    after = {"table_name": "b", "consistency": "MRSC", "key_arns": {"primary": UNKNOWN}, "new": 1}
    found = changed_outputs(before, after)
    assert found == {"table_name": "changes", "key_arns": "is new, unknown as yet", "new": "is new", "gone": "goes"}
    assert readers_of("data", found, READ) == {
        "compute": ["table_name", "key_arns"],
        "edge": ["key_arns"],
        "observability": ["table_name", "key_arns"],
    }


def seen(**inputs):
    return ForeseenResource.of(ResourceChange("update", "urn::a", "aws:x", inputs=inputs))


@pytest.mark.parametrize(
    ("foreseen", "now", "excess"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": UNKNOWN}, {"a": 2}, ""),
        ({"a": UNKNOWN}, {"a": [{"b": 1}]}, ""),
        ({"a": {"b": UNKNOWN, "c": 1}}, {"a": {"b": 3, "c": 2}}, "a.c"),
        ({"a": [1, UNKNOWN]}, {"a": [1, 5]}, ""),
        ({"a": 1}, {"a": 1, "more": 1}, "more"),
        ({"a": 1, "less": 1}, {"a": 1}, "less"),
        ({"ab": UNKNOWN}, {"ab": 1, "abc": 1}, "abc"),
    ],
)
def test_a_value_that_was_known_must_come_and_only_an_open_one_may_be_anything(foreseen, now, excess):
    assert seen(**foreseen).excess(seen(**now)) == excess


def test_an_archive_counts_by_its_content_wherever_it_lies():
    def archive(path, content):
        return seen(code={SIGNATURE: "0def", "hash": content, "path": path})

    assert archive("/a", "1").excess(archive("/b", "1")) == ""
    assert archive("/a", "1").excess(archive("/a", "2")) == "code.hash"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_path_for_each_value_and_an_unknown_one_has_no_digest(value):
    found = list(leaves(value))
    assert len({path for path, _ in found}) == len(found)
    assert [told for _, told in found].count("") == json.dumps(value).count(UNKNOWN)


def test_what_the_engine_brings_along_is_no_part_of_a_plan():
    events = Events()
    urn = "urn:pulumi:payments::data::pulumi:providers:{}::{}"
    lines = [
        ("pulumi:providers:pulumi", urn.format("pulumi", "default")),
        ("pulumi:providers:random", urn.format("random", "default_4_18_0")),
        ("pulumi:providers:aws", urn.format("aws", "primary")),
    ]
    for kind, each in lines:
        new = {"inputs": {"region": "us-east-1", "later": UNKNOWN}}
        metadata = {"op": "create", "urn": each, "type": kind, "old": None, "new": new}
        events.read([json.dumps({"resourcePreEvent": {"metadata": metadata}})])
    assert [each.name for each in resources(events)] == ["primary"]
    assert share_unknown(events) == (2, 1)
    events.outputs = {}
    assert share_unknown(events) == (2, 1)


def test_a_plan_comes_back_from_its_file_and_says_all_in_a_line():
    danger_ = ForeseenResource("replace", "urn::t", "aws:x", "t", ["name"], ["name"], {"name": "1"}, "holds data")
    stacks = [
        ForeseenStack("data/p", "data", True, "changes", "new", [danger_], {"a": "changes"}, {}, (), 10, 3),
        ForeseenStack("edge/p", "edge", False, "changes", "outputs of data/p changed"),
        ForeseenStack("compute/p", "compute", True, "refused", "new", refused=["rule"]),
    ]
    forecast = Forecast("payments", "sandbox", "data", "", "ann", "now", stacks, [])
    assert forecast.summary() == (
        "1 of 2 stacks change (1 replace); edge/p would be stale then; 1 dangerous; refused: compute/p; "
        "30 % of 10 values are known only then"
    )
    assert not forecast.good
    back = Forecast.from_json(json.loads(json.dumps(forecast.to_json())))
    assert back.to_json() == json.loads(json.dumps(forecast.to_json()))
    for other in ({}, {"format": 2}, {**forecast.to_json(), "stacks": [{"stack": 1}]}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Forecast.from_json(other)
