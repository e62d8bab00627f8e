"""Rules across fields hold for any values: what loads is consistent, and what is not is refused."""

from __future__ import annotations

import copy
import re
from ipaddress import IPv4Network
from itertools import combinations

import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared import naming
from shared.environment import REGION_SETS, Environment
from shared.environment_errors import one_line
from shared.failover_time import Fault, bound
from shared.roles import ROLES
from shared.root import ROOT

PAYMENTS = yaml.safe_load((ROOT / "environments/payments.yaml").read_text(encoding="utf-8")) | {"name": "payments"}

SELDOM = {"managed": "count", "rate": {"mode": "count", "requests": 100, "window_seconds": 600}}
"""A firewall whose rate even the slowest throttle exceeds."""

regions = st.sampled_from(sorted(set().union(*REGION_SETS)))
private = st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]).map(IPv4Network)


@st.composite
def cidrs(draw):
    """A range within the private ones, as large as a VPC may be here."""
    whole = draw(private)
    prefix = draw(st.integers(max(16, whole.prefixlen), 24))
    step = 2 ** (32 - prefix)
    return str(
        IPv4Network((int(whole.network_address) + step * draw(st.integers(0, 40)) % whole.num_addresses, prefix))
    )


def load(**changes):
    content = copy.deepcopy(PAYMENTS)
    for section, values in changes.items():
        if isinstance(values, dict):
            content[section] = content[section] | values
        else:
            content[section] = values
    try:
        return Environment.model_validate(content)
    except ValidationError as error:
        said = one_line(error, Environment)
        assert "\n" not in said
        return said


@given(cidrs(), cidrs())
def test_ranges_are_disjoint_or_refused(primary, secondary):
    loaded = load(network={"cidrs": {"primary": primary, "secondary": secondary}})
    if IPv4Network(primary).overlaps(IPv4Network(secondary)):
        assert loaded.startswith("network.cidrs: primary")
    else:
        subnets = [subnet for role in ROLES for subnet in loaded.network.private_subnets(role).values()]
        assert not any(one.overlaps(two) for one, two in combinations(subnets, 2))
        assert all(
            subnet.subnet_of(loaded.network.cidrs.of(role))
            for role in ROLES
            for subnet in loaded.network.private_subnets(role).values()
        )


@given(regions, regions, regions)
def test_regions_differ_and_can_share_a_table_or_are_refused(primary, secondary, witness):
    zones = {
        role: [f"{naming.short_region(region)}-az{number}" for number in (1, 2)]
        for role, region in (("primary", primary), ("secondary", secondary))
    }
    loaded = load(regions={"primary": primary, "secondary": secondary, "witness": witness}, network={"zones": zones})
    chosen = {primary, secondary, witness}
    if len(chosen) == 3 and any(chosen <= known for known in REGION_SETS):
        assert loaded.region("primary") == primary
    else:
        assert loaded.startswith("regions: ")


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=40))
def test_every_name_fits_what_aws_allows_or_the_suffix_is_refused(suffix):
    loaded = load(suffix=suffix)
    if isinstance(loaded, str):
        assert loaded.startswith(("suffix: ", "domain: "))
        return
    assert len(suffix) != 6  # a secret's ARN ends in a hyphen and six characters, so no secret's name may
    for kind in loaded.names.kinds():
        for role in ROLES:
            assert len(loaded.names.of(kind, role, account="0" * 12)) <= kind.limit.characters


@given(
    st.sampled_from([10, 30]),
    st.integers(1, 10),
    st.integers(1, 300),
    st.integers(30, 400),
)
def test_no_environment_loads_that_cannot_keep_its_promise(interval, threshold, ttl, objective):
    checks = PAYMENTS["edge"]["checks"] | {"fast": {"interval": interval, "threshold": threshold}}
    loaded = load(edge={"checks": checks, "ttl": ttl}, objectives={"failover": objective, "grey_failure": 1000})
    if isinstance(loaded, str):
        assert loaded.startswith(f"objectives.failover: {objective} s cannot be reached")
    else:
        entry = loaded.edge.checks.of_the_entry_point
        assert all(bound(entry, loaded.edge.dns, fault).total <= objective for fault in Fault)


LEAST = {"requests_per_second": 1, "burst": 1}
QUIET = {"payments": LEAST, "lookups": LEAST, "heads": LEAST, "health": {"requests_per_second": 1, "burst": 48}}
reservation = st.one_of(st.none(), st.integers(52, 700))
"""At least what the quiet throttle lets be under way."""


@given(payment=reservation, health=reservation, audit=reservation, control=reservation, account=st.integers(1, 2500))
def test_reservations_leave_enough_unreserved(payment, health, audit, control, account):
    reserved = {"payment": payment, "health": health, "audit": audit}
    compute = {name: PAYMENTS["compute"][name] | {"reserved_concurrency": value} for name, value in reserved.items()}
    compute |= {"account_concurrency": account, "throttle": QUIET}
    edge = {"failover_control": {"memory_mb": 128, "reserved_concurrency": control}, "firewall": SELDOM}
    loaded = load(compute=compute, edge=edge)
    total = sum(value or 0 for value in (*reserved.values(), control))
    assert isinstance(loaded, str) == bool(total and account - total < 100)


@given(
    name=st.sampled_from(["payment", "health"]),
    reserved=st.integers(1, 700),
    rate=st.integers(1, 2000),
    burst=st.integers(48, 400),
    milliseconds=st.integers(1, 3000),
)
def test_what_the_throttle_lets_through_finds_a_function(name, reserved, rate, burst, milliseconds):
    """All of a burst, and what is let through while it is under way; and what a refusal suggests loads."""
    other = {"payment": "health", "health": "payment"}[name]
    method = {"payment": "payments", "health": "health"}[name]

    def environment(reserved):
        function = {"reserved_concurrency": reserved, "expected_seconds": milliseconds / 1000}
        return load(
            compute={
                name: PAYMENTS["compute"][name] | function,
                other: PAYMENTS["compute"][other] | {"reserved_concurrency": None},
                "throttle": QUIET | {method: {"requests_per_second": rate, "burst": burst}},
                "account_concurrency": 10_000,
            },
            edge={"firewall": SELDOM},
        )

    quiet = {"payment": 2, "health": 1}[name] * (1 + -(-milliseconds // 1000))
    needed = burst + -(-rate * milliseconds // 1000) + quiet
    loaded = environment(reserved)
    assert isinstance(loaded, str) == (reserved < needed)
    if isinstance(loaded, str):
        assert f"{name}.reserved_concurrency: {reserved} is less than the {needed} requests" in loaded
        (enough,) = map(int, re.findall(r": reserve (\d+)", loaded))
        assert not isinstance(environment(enough), str)
        assert isinstance(environment(enough - 1), str)
