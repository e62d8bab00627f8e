"""Names say what a thing is and whose it is, and fit."""

from __future__ import annotations

import pytest

from shared import naming
from shared.naming import PROFILES, Kind, Limit, Names
from shared.roles import PerRole
from shared.stack import Stack

PAYMENTS = Names(PROFILES["payments"], "payments", "x7k2", PerRole("us-east-1", "us-east-2"))
TRADING = Names(PROFILES["trading"], "production", "x7k2", PerRole("us-east-1", "us-west-2"))


@pytest.mark.parametrize(
    ("kind", "role", "name"),
    [
        (naming.PAYMENTS_TABLE, None, "payment-transactions-x7k2"),
        (naming.PAYMENT_FUNCTION, "primary", "payment-processor-primary-x7k2"),
        (naming.PAYMENT_API, "secondary", "payment-api-secondary-x7k2"),
        (naming.NOTIFICATION_TOPIC, "secondary", "payment-failover-topic-secondary-x7k2"),
        (naming.API_KEYS_SECRET, None, "payment-api-secret-x7k2"),
        (naming.DATA_KEY, None, "alias/payment-data-x7k2"),
        (naming.ACCESS_LOG_GROUP, "primary", "/aws/apigateway/payment-api-primary-x7k2"),
        (naming.alarm("latency"), "primary", "payment-latency-primary-x7k2"),
    ],
)
def test_payments_are_service_purpose_role_suffix(kind, role, name):
    assert PAYMENTS.of(kind, role) == name


def test_parameters_lie_in_a_folder_of_the_suffix():
    assert PAYMENTS.of(naming.PARAMETERS, tail="/endpoint") == "/payment-processing/x7k2/endpoint"
    assert TRADING.of(naming.PARAMETERS, tail="/endpoint") == "/trading-production-processing/x7k2/endpoint"


def test_a_bucket_also_says_the_account_and_must():
    assert PAYMENTS.of(naming.AUDIT_BUCKET, "secondary", account="123456789012") == (
        "payment-audit-logs-secondary-x7k2-123456789012"
    )
    with pytest.raises(ValueError, match="needs the account's id"):
        PAYMENTS.of(naming.AUDIT_BUCKET, "secondary")


@pytest.mark.parametrize(
    ("kind", "role", "name"),
    [
        (naming.PAYMENTS_TABLE, None, "trading-production-transactions-x7k2"),
        (naming.PAYMENT_FUNCTION, "primary", "trading-us-east-1-production-processor-x7k2"),
        (naming.PAYMENT_FUNCTION, "secondary", "trading-us-west-2-production-processor-x7k2"),
        (Kind("alb", Limit("load balancer", 32)), "primary", "trading-use1-production-alb-x7k2"),
        (Kind("alb", Limit("load balancer", 32)), "secondary", "trading-usw2-production-alb-x7k2"),
    ],
)
def test_another_profile_is_another_pattern(kind, role, name):
    assert TRADING.of(kind, role) == name
    assert len(name) <= kind.limit.characters


@pytest.mark.parametrize("names", [PAYMENTS, TRADING], ids=["payments", "trading"])
def test_the_longest_suffix_is_what_the_tightest_name_leaves(names):
    room, kind = names.room()
    longest = Names(names.profile, names.environment, "x" * room, names.regions)
    lengths = {each: len(longest.of(each, "secondary", account="0" * 12)) for each in names.kinds()}
    assert lengths[kind] == kind.limit.characters
    assert all(length <= each.limit.characters for each, length in lengths.items())


@pytest.mark.parametrize("names", [PAYMENTS, TRADING], ids=["payments", "trading"])
def test_no_two_things_of_one_service_share_a_name(names):
    named = [
        (kind.limit, names.of(kind, role, account="0" * 12))
        for kind in names.kinds()
        for role in ("primary", "secondary")
        if kind.limit is not naming.TAG
    ]
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
