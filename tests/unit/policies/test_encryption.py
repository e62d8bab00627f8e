"""A listener or a domain name passes only by the name of a policy that takes TLS 1.2 and later."""

from __future__ import annotations

import pytest

from policies.asked import UNKNOWN, AskedResource
from policies.encryption import unencrypted
from policies.facts import Facts

FACTS = Facts("x7k2", {"primary": "us-east-1", "secondary": "us-east-2"}, {})
BALANCER, API, HTTP_API = (
    "aws:lb/listener:Listener",
    "aws:apigateway/domainName:DomainName",
    "aws:apigatewayv2/domainName:DomainName",
)
REST_API = "aws:apigateway/restApi:RestApi"


def said(kind, **properties):
    return list(unencrypted(AskedResource(kind, "example", properties), FACTS))


@pytest.mark.parametrize(
    "policy",
    [
        "TLS13-1-0-2021-06",
        "TLS13-1-0-FIPS-2023-04",
        "TLS13-1-0-PQ-2025-09",
        "TLS13-1-1-2021-06",
        "TLS13-1-1-FIPS-2023-04",
        "FS-2018-06",
        "FS-1-1-2019-08",
        "TLS-1-0-2015-04",
        "TLS-1-1-2017-01",
        "2015-05",
        "2016-08",
        "2031-01",
        "",
    ],
)
def test_a_listener_whose_policy_takes_older_tls_is_found(policy):
    assert any(
        "TLS below 1.2" in each for each in said(BALANCER, protocol="HTTPS", sslPolicy=f"ELBSecurityPolicy-{policy}")
    )


@pytest.mark.parametrize(
    "policy",
    [
        "TLS13-1-2-2021-06",
        "TLS13-1-2-Res-2021-06",
        "TLS13-1-2-Ext2-FIPS-2023-04",
        "TLS13-1-2-Res-FIPS-PQ-2025-09",
        "TLS13-1-3-2021-06",
        "TLS13-1-3-FIPS-2023-04",
        "TLS-1-2-2017-01",
        "TLS-1-2-Ext-2018-06",
        "FS-1-2-2019-08",
        "FS-1-2-Res-2020-10",
    ],
)
def test_a_listener_whose_policy_begins_at_tls_1_2_is_right(policy):
    assert said(BALANCER, protocol="HTTPS", sslPolicy=f"ELBSecurityPolicy-{policy}") == []


@pytest.mark.parametrize("protocol", ["HTTP", "TCP", "UDP", None])
def test_a_listener_in_the_clear_is_found_also_when_it_leaves_the_protocol_to_aws(protocol):
    found = said(BALANCER, protocol=protocol, sslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")
    assert any("in the clear" in each for each in found)


@pytest.mark.parametrize("value", [min(UNKNOWN)])
def test_a_listener_that_is_not_known_yet_is_not_judged(value):
    assert said(BALANCER, protocol=value, sslPolicy=value) == []


OLD = ["TLS_1_0", "TLS_1_1", "SecurityPolicy_TLS13_1_0_2031_01", "SecurityPolicy_TLS10_2031_EDGE", "TLS_1_20", "other"]
NEW = [
    "TLS_1_2",
    "SecurityPolicy_TLS13_1_3_2025_09",
    "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
    "SecurityPolicy_TLS13_1_2_2021_06",
    "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
    "SecurityPolicy_TLS13_2025_EDGE",
    "SecurityPolicy_TLS12_PFS_2025_EDGE",
    "SecurityPolicy_TLS12_2018_EDGE",
]


@pytest.mark.parametrize(("policy", "right"), [*((each, False) for each in OLD), *((each, True) for each in NEW)])
def test_a_domain_name_and_an_api_take_tls_1_2_and_later_alone(policy, right):
    for found in (
        said(API, securityPolicy=policy),
        said(HTTP_API, domainNameConfiguration={"securityPolicy": policy}),
        said(REST_API, securityPolicy=policy),
    ):
        assert (found == []) is right, found


def test_a_name_or_an_api_that_leaves_its_tls_to_aws_is_found():
    assert said(API)
    assert said(REST_API)
    assert said(HTTP_API, domainNameConfiguration={"endpointType": "REGIONAL"})
