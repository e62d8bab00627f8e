"""Names say what a thing is and whose it is, and fit."""

from __future__ import annotations

import pytest

from shared import naming
from shared.stack import Stack


def test_a_name_is_kind_role_suffix():
    assert naming.PAYMENT_FUNCTION.of("x7k2", "primary") == "payment-processor-primary-x7k2"
    assert naming.PAYMENTS_TABLE.of("x7k2") == "payments-x7k2"
    assert naming.DATA_KEY.of("x7k2") == "alias/payments-data-x7k2"
    assert naming.PARAMETERS.of("x7k2", tail="/table") == "/payments-x7k2/table"


def test_a_bucket_also_says_the_account_and_must():
    assert naming.AUDIT_BUCKET.of("x7k2", "secondary", account="123456789012") == (
        "payment-audit-secondary-x7k2-123456789012"
    )
    with pytest.raises(ValueError, match="needs the account's id"):
        naming.AUDIT_BUCKET.of("x7k2", "secondary")


def test_the_longest_suffix_is_what_the_tightest_name_leaves():
    room, kind = naming.longest_suffix()
    assert len(kind.of("x" * room, "secondary", account="0" * 12)) == kind.limit.characters
    assert all(
        len(each.of("x" * room, "secondary", account="0" * 12)) <= each.limit.characters for each in naming.kinds()
    )


def test_no_two_kinds_of_one_service_share_a_name():
    named = [(kind.limit.what, kind.prefix, kind.name) for kind in naming.kinds() if kind.limit is not naming.TAG]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("region", "short"),
    [("us-east-1", "use1"), ("us-west-2", "usw2"), ("ap-northeast-1", "apne1"), ("eu-central-1", "euc1")],
)
def test_regions_shorten(region, short):
    assert naming.short_region(region) == short


@pytest.mark.parametrize(
    ("environment", "role", "stack"),
    [("payments", "primary", "payments-primary"), ("payments", "secondary", "payments-secondary"), ("a", None, "a")],
)
def test_a_stack_names_its_environment_and_role(environment, role, stack):
    assert Stack("compute", environment, role).name == stack
    assert Stack.parse("compute", stack) == Stack("compute", environment, role)
