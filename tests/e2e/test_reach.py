"""What somebody with a stolen role can do is what the documentation lists, tried with the services' API models."""

from __future__ import annotations

import random

import pytest

from shared.environment import Environment
from tests.e2e.grants import Roles
from tests.sampling import sampled
from tools import reach

pytestmark = pytest.mark.xdist_group("spare")

SAMPLE = 150
"""Requests of each role that each run makes; `prove` makes them all."""
LISTED = reach.lists(reach.DOCUMENT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def deployed(spare):
    """A thief changes what he reaches."""
    endpoint = spare.ok("sandbox.status", "--json").json["endpoint"]
    made = reach.ReachedDeployment(Environment.load("payments", spare.root), endpoint)
    made.add_somebodys()
    return made


def let_through(deployed, loot, tried):
    return {str(attempt) for attempt, through in reach.reached(deployed, loot, tried) if through}


def test_the_lists_are_of_roles_that_can_be_stolen_and_none_is_empty():
    assert LISTED.keys() == set(reach.ROLES_STOLEN)
    assert all(LISTED.values())


@pytest.mark.parametrize("purpose", sampled(reach.ROLES_STOLEN))
def test_a_sample_of_what_a_stolen_role_tries_is_let_through_as_listed(deployed, purpose):
    loot = deployed.loot(purpose)
    tried = list(reach.attempts(deployed, loot.home))
    listed = [each for each in tried if str(each) in LISTED[purpose]]
    assert {str(each) for each in listed} == set(LISTED[purpose]), "listed and not tried: python -m tools.reach"
    chance = random.Random(purpose)
    some = chance.sample(listed, min(len(listed), SAMPLE // 5)) + chance.sample(tried, SAMPLE)
    assert let_through(deployed, loot, some) == {str(each) for each in some} & set(LISTED[purpose])


@pytest.mark.prove
@pytest.mark.parametrize("purpose", reach.ROLES_STOLEN)
def test_a_stolen_role_reaches_exactly_what_is_listed(deployed, purpose):
    loot = deployed.loot(purpose)
    assert sorted(let_through(deployed, loot, reach.attempts(deployed, loot.home))) == LISTED[purpose]


def test_a_wildcard_that_is_added_is_seen(deployed):
    purpose = "processor"
    loot = deployed.loot(purpose)
    roles = Roles(deployed.client("iam", loot.home), deployed.environment.suffix)
    (role,) = [each for each in roles.names() if "processor-primary" in each]
    tried = list(reach.attempts(deployed, loot.home, ["secretsmanager"]))
    listed = {each for each in LISTED[purpose] if " secretsmanager:" in each}
    assert let_through(deployed, loot, tried) == listed
    with roles.allowed(role, "secretsmanager:DescribeSecret", f"arn:aws:secretsmanager:{loot.home}:*:secret:*"):
        more = let_through(deployed, loot, tried) - listed
    assert {each.partition(":")[2].split()[0] for each in more} == {"DescribeSecret"}
    assert any("somebody-elses" in each for each in more)
