"""The number of source addresses, counted without telling one: right within its stated error, whoever sees what."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.telemetry.sources import METRICS, RANKS, SIZE, estimate, mark


def addresses(number, seed=0):
    random = Random(seed)
    return [".".join(str(random.randrange(256)) for _ in range(4)) for _ in range(number)]


def largest(marked):
    """What CloudWatch keeps of a minute."""
    kept = {}
    for each in marked:
        for name, rank in each.items():
            kept[name] = max(rank, kept.get(name, 0))
    return kept


def counted(number, seed):
    marked = [mark(address, f"salt-{seed}") for address in addresses(number, seed)]
    return estimate(list(largest(marked).values()))


@pytest.mark.parametrize("number", [1, 5, 20, 50, 200, 1000, 10_000])
def test_the_estimate_has_the_stated_error(number):
    found = [counted(number, seed) for seed in range(60 if number > 200 else 300)]
    mean = sum(found) / len(found)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in found) / len(found))
    assert mean == pytest.approx(number, rel=0.08)
    assert deviation <= 1.3 * 1.04 / math.sqrt(SIZE) * number + 0.1


def test_twenty_are_never_taken_for_fifty_nor_two_hundred_for_fewer():
    assert max(counted(20, seed) for seed in range(1000)) < 50
    assert min(counted(200, seed) for seed in range(1000)) > 50


@given(st.lists(st.ip_addresses().map(str), min_size=1, max_size=20), st.integers(1, 5), st.randoms())
def test_neither_repetition_nor_order_nor_the_number_of_functions_changes_it(seen, times, random):
    once = largest(mark(address, "s") for address in seen)
    again = [mark(address, "s") for address in seen * times]
    random.shuffle(again)
    half = len(again) // 2
    assert largest([largest(again[:half]), largest(again[half:])]) == once


def test_what_is_told_of_an_address_is_told_of_very_many():
    """The kind: a value from which the address can be found again by hashing them all, as there are only 2^32."""
    seen = Counter(str(mark(address, "s")) for address in addresses(100_000))
    assert len(seen) <= SIZE * RANKS
    rarest = min(2.0 ** -min(rank, RANKS - 1) for rank in range(1, RANKS + 1)) / SIZE
    assert 2**32 * rarest >= 32_768
    halves = Counter(next(iter(mark(address, "s").values())) for address in addresses(100_000))
    for rank in range(1, 8):
        assert halves[rank] == pytest.approx(100_000 / 2**rank, rel=0.2)


def test_one_machine_s_ipv6_network_is_one_source():
    machine = {str(mark(f"2001:db8:1:2::{number}", "s")) for number in range(50)}
    networks = {str(mark(f"2001:db8:1:{number}::1", "s")) for number in range(50)}
    assert len(machine) == 1
    assert len(networks) > 30


@pytest.mark.parametrize("address", ["", "::g", "fe80::1%eth0", "\N{SNOWMAN}", "1:2", "a" * 5000])
def test_whatever_an_entry_point_says_is_counted_and_raises_nothing(address):
    ((name, rank),) = mark(address, "s").items()
    assert name in METRICS
    assert 1 <= rank <= RANKS


def test_environments_hash_differently():
    assert [mark(each, "one") for each in addresses(20)] != [mark(each, "other") for each in addresses(20)]


def test_nobody_is_nobody():
    assert estimate([]) == 0
