"""Payments come into a serving table without replacing anything, as often as it takes."""

from __future__ import annotations

import copy

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from drill.bring_in import Destination, left_behind
from lambdas.domain.payment import FINAL, PaymentStatus
from shared.errors import Problem


def payment(key="p", status="CAPTURED", **attributes):
    return {
        "pk": {"S": key},
        "sk": {"S": "payment"},
        "client": {"S": "storefront"},
        "fingerprint": {"S": f"f-{key}"},
        "minor_units": {"N": "100"},
        "currency": {"S": "USD"},
        "customer": {"S": "c"},
        "region": {"S": "us-east-1"},
        "created": {"N": "1"},
        "status": {"S": status},
        **attributes,
    }


class ConditionalTable:
    """DynamoDB as far as an item is put on the condition that there is none."""

    def __init__(self, items=(), *, error=""):
        self.items = {each["pk"]["S"]: copy.deepcopy(each) for each in items}
        self.error = error

    def put_item(self, *, TableName, Item, ConditionExpression, ReturnValuesOnConditionCheckFailure):  # noqa: N803
        assert (TableName, ReturnValuesOnConditionCheckFailure) == ("payments", "ALL_OLD")
        there = self.items.get(Item["pk"]["S"])
        if self.error or (there and ConditionExpression == "attribute_not_exists(pk)"):
            code = self.error or "ConditionalCheckFailedException"
            error = ClientError({"Error": {"Code": code, "Message": "no"}}, "PutItem")
            error.response["Item"] = copy.deepcopy(there)
            raise error
        self.items[Item["pk"]["S"]] = copy.deepcopy(Item)


def brought(table, items, *, unfinished=False):
    return Destination(table, "us-east-1", "payments").bring_in(items, unfinished=unfinished, progress=lambda _: None)


keys = st.sets(st.text("abcdef", min_size=1, max_size=3), max_size=30)


@given(keys, keys)
def test_all_that_is_missing_comes_and_nothing_is_replaced(there, coming):
    before = [payment(key, reason={"S": "ours"}) for key in sorted(there)]
    table, source = ConditionalTable(before), [payment(key) for key in sorted(coming)]
    found = brought(table, source)
    assert table.items.keys() == there | coming
    assert all(table.items[each["pk"]["S"]] == each for each in before)
    assert found.counts.get("brought in", 0) == len(coming - there)
    assert found.counts.get("gone on here", 0) == len(coming & there)
    again = brought(table, source)
    assert "brought in" not in again.counts
    assert again.contradictions == ()


@pytest.mark.parametrize("status", list(PaymentStatus))
@pytest.mark.parametrize("more", [{}, {"lease_holder": {"S": "x"}}, {"audit_pending": {"BOOL": True}}])
def test_what_still_changes_where_it_is_waits_until_nobody_works_there(status, more):
    item = payment(status=status.value, **more)
    assert left_behind(item, unfinished=True) == ""
    assert left_behind(item, unfinished=False) == ("" if status in FINAL and not more else "not finished")


def test_what_is_no_customers_payment_stays_behind():
    fence = {"pk": {"S": "fence"}, "sk": {"S": "us-east-1"}}
    assert brought(ConditionalTable(), [fence, payment(client={"S": "canary"})], unfinished=True).counts == {
        "a canary's": 1,
        "no payment": 1,
    }


def test_a_payment_that_was_asked_for_again_here_is_that_payment():
    here = payment(region={"S": "us-east-2"}, created={"N": "9"}, endpoint={"S": "other"})
    assert brought(ConditionalTable([here]), [payment()]).counts == {"gone on here": 1}


@pytest.mark.parametrize("differs", ["client", "fingerprint", "minor_units", "currency", "customer"])
def test_one_key_with_two_payments_is_told(differs):
    found = brought(ConditionalTable([payment(**{differs: {"S": "other"}})]), [payment()])
    assert found.counts == {"another payment": 1}
    assert [each.key for each in found.contradictions] == [("p", "payment")]


def test_another_refusal_of_the_table_ends_it_in_one_line():
    with pytest.raises(Problem, match="cannot write a payment into payments in us-east-1"):
        brought(ConditionalTable(error="AccessDeniedException"), [payment()])
