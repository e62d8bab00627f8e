"""What replicas hold, whatever is cut and healed between the writes: MRSC loses nothing, MREC agrees afterwards."""

from __future__ import annotations

import copy
import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sandbox.faults.fault import InjectedFault as Fault
from sandbox.faults.network import Network
from sandbox.faults.replicas import EventualReplicas, ReplicatedWrite, Stamp, StrongReplicas

ONE, TWO, THREE = "us-east-1", "us-east-2", "us-west-2"
REGIONS = (ONE, TWO, THREE)
KEYS = st.sampled_from(["a", "b", "c"])
ANYWHERE = st.sampled_from(REGIONS)
WAYS = st.sets(st.sampled_from(list(itertools.permutations(REGIONS, 2))))


class Regions(RuleBasedStateMachine):
    """Three regions, of which some do not hear others."""

    def __init__(self):
        super().__init__()
        self.cut = set()
        self.out = set()
        self.clock = itertools.count(1)

    @property
    def network(self):
        faults = [Fault("refuse", region) for region in self.out]
        return Network((*faults, Fault("partition", ONE, cut=tuple(self.cut))))

    def heard(self, region):
        return [other for other in REGIONS if other != region and self.network.reaches(region, other)]

    @rule(ways=WAYS, out=st.sets(ANYWHERE))
    def fail(self, ways, out):
        self.cut, self.out = ways, out

    @rule()
    def heal(self):
        self.cut, self.out = set(), set()


class Strongly(Regions):
    """MRSC, with two replicas and a witness or with three replicas, as the cloud drives it."""

    @initialize(witness=st.booleans())
    def begin(self, witness):
        self.places = REGIONS[:2] if witness else REGIONS
        self.tables = {region: {} for region in self.places}
        self.replicas = StrongReplicas(frozenset(REGIONS))
        self.acknowledged = {}

    def asked(self, region):
        """Whether the region answers; it is up to date then."""
        heard = self.heard(region)
        if not self.replicas.serves(heard):
            return False
        source = next(each for each in self.replicas.newest() if each in self.tables)
        for member, keys in self.replicas.caught_up(region, heard):
            for key in keys if member in self.tables else ():
                self.tables[member][key] = self.tables[source][key]
        return True

    @rule(key=KEYS, region=ANYWHERE)
    def write(self, key, region):
        if region in self.tables and self.asked(region):
            holders = [region, *self.heard(region)]
            value = next(self.clock)
            for each in holders:
                if each in self.tables:
                    self.tables[each][key] = value
            self.replicas.wrote(key, holders)
            self.acknowledged[key] = value

    @rule(key=KEYS, region=ANYWHERE)
    def read(self, key, region):
        if region in self.tables and self.asked(region):
            assert self.tables[region].get(key) == self.acknowledged.get(key)

    @rule()
    def restart(self):
        self.replicas = copy.deepcopy(self.replicas)

    @invariant()
    def two_sides_never_both_serve(self):
        serving = [region for region in REGIONS if self.replicas.serves(self.heard(region))]
        assert all(
            set(self.heard(one)) & {other, *self.heard(other)} or one == other for one in serving for other in serving
        )

    @precondition(lambda self: not self.cut and not self.out)
    @rule()
    def all_are_whole_again(self):
        for region in self.places:
            assert self.asked(region)
        assert self.replicas.whole()
        assert all(table == self.acknowledged for table in self.tables.values())


class Eventually(Regions):
    """MREC: each region goes on alone."""

    def __init__(self):
        super().__init__()
        self.tables = {region: {} for region in REGIONS}
        self.replicas = EventualReplicas()
        self.made = {}

    def deliver(self):
        for sender, receiver in list(self.replicas.waiting):
            if self.network.delivers(sender, receiver):
                for write in self.replicas.delivered(sender, receiver):
                    self.tables[receiver][write.key] = write.item

    @rule(key=KEYS, region=ANYWHERE)
    def write(self, key, region):
        self.deliver()
        write = ReplicatedWrite(key, {"value": next(self.clock)}, Stamp(next(self.clock), region))
        hears = [other for other in REGIONS if other != region and self.network.delivers(region, other)]
        later = [other for other in REGIONS if other != region and other not in hears]
        self.tables[region][key] = write.item
        for receiver in self.replicas.wrote(write, hears, later):
            self.tables[receiver][key] = write.item
        self.made[key] = max(self.made.get(key, write), write, key=lambda each: each.stamp)

    @precondition(lambda self: not self.cut and not self.out)
    @rule()
    def all_agree_on_the_last_writer(self):
        self.deliver()
        assert self.replicas.whole()
        expected = {key: write.item for key, write in self.made.items()}
        assert all(table == expected for table in self.tables.values())

    @invariant()
    def a_lost_write_is_not_the_last(self):
        assert all(self.made[key].stamp != stamp for key, stamp in self.replicas.lost)


TestStrongly = Strongly.TestCase
TestEventually = Eventually.TestCase
TestStrongly.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestEventually.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


A = ("a", "-")


def write(key, value, at, region):
    return ReplicatedWrite(key, {"value": value}, Stamp(at, region))


def test_the_later_of_two_writes_wins_on_both_sides_and_the_other_is_counted_once():
    rules = EventualReplicas()
    early, late = write(A, 1, 1, TWO), write(A, 2, 2, ONE)
    rules.wrote(early, [], [ONE])
    rules.wrote(late, [], [TWO])
    assert rules.delivered(ONE, TWO) == [late]
    assert rules.delivered(TWO, ONE) == []
    assert list(rules.lost.items()) == [((A, early.stamp), {"value": 1})]
    assert rules.whole()


def test_a_write_that_is_overtaken_on_its_way_changes_nothing():
    rules = EventualReplicas()
    assert rules.wrote(write(A, 1, 1, ONE), [TWO], [THREE]) == [TWO]
    assert rules.wrote(write(A, 2, 2, TWO), [ONE, THREE], []) == [ONE, THREE]
    assert rules.delivered(ONE, THREE) == []
    assert rules.whole()


def test_a_witness_keeps_two_regions_going_that_do_not_hear_each_other():
    rules = StrongReplicas(frozenset(REGIONS))
    assert rules.serves([THREE])
    rules.wrote(A, [ONE, THREE])
    assert rules.newest() == [ONE, THREE]
    assert list(rules.caught_up(TWO, [THREE])) == [(TWO, [A])]
    assert not rules.serves([])
