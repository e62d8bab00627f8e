"""The distances between regions: a table of what was measured."""

from __future__ import annotations

import itertools

import pytest

from sandbox.addresses import REGIONS
from sandbox.distances import ROUND_TRIPS, nearest, round_trip

STRONG = (
    ("us-east-1", "us-east-2", "us-west-2"),
    ("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"),
    ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
)
"""The regions among which strongly consistent global tables are."""


def test_every_region_of_the_table_is_one_and_knows_all_others_alike_in_both_directions():
    known = {one for one, _ in ROUND_TRIPS}
    assert known <= set(REGIONS)
    assert ROUND_TRIPS.keys() == set(itertools.permutations(known, 2))
    assert all(seconds == ROUND_TRIPS[other, one] > 0 for (one, other), seconds in ROUND_TRIPS.items())


@pytest.mark.parametrize("regions", STRONG)
def test_where_strong_consistency_is_the_distances_are_known(regions):
    assert all(0.009 <= round_trip(one, other) <= 0.07 for one, other in itertools.permutations(regions, 2))


def test_no_way_is_much_longer_than_a_detour():
    """A slip of the pen would be."""
    known = sorted({one for one, _ in ROUND_TRIPS})
    for one, other, by in itertools.permutations(known, 3):
        assert round_trip(one, other) <= 1.1 * (round_trip(one, by) + round_trip(by, other)), (one, other, by)


def test_the_nearest_counts_and_what_is_not_known_takes_no_time():
    assert nearest("us-east-1", ["us-west-2", "us-east-2"]) == round_trip("us-east-1", "us-east-2")
    assert nearest("us-east-1", []) == 0
    assert round_trip("us-east-1", "us-east-1") == round_trip("us-east-1", "me-south-1") == 0
