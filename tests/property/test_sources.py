"""The number of source addresses, counted without keeping one: right within its stated error, whoever sees what."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.telemetry.sources import METRICS, SIZE, estimate, marks


def addresses(number, seed=0):
    return [f"198.51.{(index + seed) // 250 % 250}.{(index + seed) % 250}-{seed}" for index in range(number)]


def minima(marked):
    return [min(each[name] for each in marked) for name in METRICS]


def counted(number, seed):
    return estimate(minima([marks(address, f"salt-{seed}") for address in addresses(number, seed)]))


@pytest.mark.parametrize("number", [1, 5, 20, 50, 200, 1000])
def test_the_estimate_is_unbiased_with_the_stated_error(number):
    found = [counted(number, seed) for seed in range(300)]
    mean = sum(found) / len(found)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in found) / len(found))
    assert mean == pytest.approx(number, rel=0.06, abs=0.2)
    assert deviation <= 1.35 * (number + 1) / math.sqrt(SIZE - 2)


def test_twenty_are_never_taken_for_fifty_nor_two_hundred_for_fewer():
    assert max(counted(20, seed) for seed in range(1000)) < 50
    assert min(counted(200, seed) for seed in range(1000)) > 50


@given(st.lists(st.ip_addresses().map(str), min_size=1, max_size=20), st.integers(1, 5), st.randoms())
def test_neither_repetition_nor_order_nor_the_number_of_functions_changes_it(seen, times, random):
    once = minima([marks(address, "s") for address in seen])
    again = [marks(address, "s") for address in seen * times]
    random.shuffle(again)
    half = len(again) // 2
    parts = [part for part in (again[:half], again[half:]) if part]
    merged = [min(values) for values in zip(*(minima(part) for part in parts), strict=True)]
    assert merged == once


def test_one_machine_s_ipv6_network_is_one_source():
    assert marks("2001:db8:1:2::1", "s") == marks("2001:db8:1:2:ffff::9", "s")
    assert marks("2001:db8:1:2::1", "s") != marks("2001:db8:1:3::1", "s")
    assert marks("192.0.2.1", "s") != marks("192.0.2.2", "s")


@pytest.mark.parametrize("address", ["", "::g", "fe80::1%eth0", "\N{SNOWMAN}", "1:2", "a" * 5000])
def test_whatever_an_entry_point_says_is_counted_and_raises_nothing(address):
    found = marks(address, "s")
    assert set(found) == set(METRICS)
    assert all(0 <= value < 1 for value in found.values())


def test_environments_hash_differently_and_no_address_is_in_a_metric():
    assert marks("192.0.2.1", "one") != marks("192.0.2.1", "other")


@pytest.mark.parametrize("incomplete", [[], [0.5], [0.1] * (SIZE - 1), [0.0] * SIZE])
def test_half_a_set_counts_nobody(incomplete):
    assert estimate(incomplete) == 0
