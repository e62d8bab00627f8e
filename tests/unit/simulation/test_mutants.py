"""Mistakes that have been made in payment code, and that the simulation must find."""

from __future__ import annotations

import pytest

from lambdas.adapters.store import DynamoPayments
from simulation.mutants import BOUND, MUTANTS
from simulation.run import play
from tests.sampling import sampled


@pytest.mark.parametrize("name", sampled(MUTANTS, 3))
def test_a_mistake_is_found_and_its_seed_shows_it_again(name):
    found = next((verdict for seed in range(BOUND) if (verdict := play(seed, "mrsc", name)[1]).findings), None)
    assert found is not None, f"{MUTANTS[name].mistake}: not found in {BOUND} seeds"
    _, again = play(found.seed, "mrsc", name)
    assert again == found
    _, right = play(found.seed, "mrsc")
    assert right.findings == ()


def test_there_are_enough_of_them_and_none_stays_behind():
    assert len(MUTANTS) >= 8
    right = DynamoPayments.create
    with MUTANTS["create-unconditional"].applied():
        assert DynamoPayments.create is not right
    assert DynamoPayments.create is right
