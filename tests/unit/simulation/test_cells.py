"""Where workers die: all cells are enumerated, each is visited or excluded by a rule, and the exclusion is watched."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import pytest

from lambdas.domain.payment import PaymentStatus
from shared.root import ROOT
from simulation import aim, census, commands, invariants
from simulation.cells import (
    ABSENT,
    CELLS,
    KINDS,
    NONE,
    RULES,
    Cell,
    LastEffect,
    Rule,
    Successor,
    kind_of,
    neither,
    possible,
    why_impossible,
)
from simulation.faults import Faults
from simulation.run import Batch, play, play_batch
from simulation.world import World
from tests.sampling import sampled

REACHED = Cell(PaymentStatus.AUTHORIZING, LastEffect.CREATED, NONE, Successor.REQUEST_THERE)


def seed_aimed_at(cell: Cell) -> int:
    return next(seed for seed in range(10_000) if aim.target_of(seed) == cell)


def test_the_cells_are_all_that_domain_and_faults_can_give():
    assert set(CELLS) == {
        Cell(state, effect, fault, successor)
        for state in (ABSENT, *PaymentStatus)
        for effect in LastEffect
        for fault in {NONE, *(kind_of(each.name) for each in fields(Faults))}
        for successor in Successor
    }
    assert len(CELLS) == len(set(CELLS))
    assert 100 < len(possible()) < 1_000


def test_the_readme_counts_them():
    text = (ROOT / "simulation/README.md").read_text()
    for count in (len(CELLS), len(possible()), len(CELLS) - len(possible())):
        assert f"{count:,}" in text


def test_a_fault_that_nobody_has_placed_is_a_kind_of_its_own():
    assert kind_of("flood") == "flood"
    assert {kind_of(each.name) for each in fields(Faults)} == set(KINDS)


def test_each_rule_excludes_something_that_no_other_does_and_gives_its_reason():
    for rule in RULES:
        others = [other for other in RULES if other is not rule]
        assert any(why_impossible(cell, others) is None for cell in CELLS if rule.holds(cell)), rule.reason
    assert all(len(rule.reason) > 40 for rule in RULES)
    assert len({rule.reason for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("seeds", sampled([60, 300]))
def test_no_seed_reaches_what_a_rule_excludes_and_most_aimed_seeds_reach_their_cell(seeds):
    reached, aimed = 0, 0
    for seed in range(seeds):
        world, verdict = play(seed, "mrsc")
        assert verdict.findings == ()
        assert all(why_impossible(cell) is None for cell in world.census.cells)
        target = aim.target_of(seed)
        if target is not None:
            aimed += 1
            reached += target in world.census.cells
    assert aimed == seeds // 2
    assert reached > 0.93 * aimed


def test_every_state_effect_fault_and_successor_is_met_within_few_seeds():
    visited = play_batch(0, 200, "mrsc").cells
    assert {cell.state for cell in visited} == {ABSENT, *PaymentStatus} - {PaymentStatus.AUTHORIZED}
    assert {cell.effect for cell in visited} == set(LastEffect)
    assert {cell.fault for cell in visited} == set(KINDS)
    assert {cell.successor for cell in visited} == set(Successor)


def test_reaching_an_impossible_cell_fails_the_seed(monkeypatch):
    wrong = (*RULES, Rule("somebody believes so", lambda cell: cell == REACHED))
    seed = seed_aimed_at(REACHED)
    monkeypatch.setattr(invariants, "why_impossible", lambda cell: why_impossible(cell, wrong))
    _, verdict = play(seed, "mrsc")
    assert [finding.kind for finding in verdict.findings] == ["impossible"]
    assert "somebody believes so" in verdict.findings[0].text
    assert verdict.failures("mrsc")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason.partition(":")[0])
def test_without_a_rule_its_cells_are_neither_visited_nor_impossible(rule):
    others = [other for other in RULES if other is not rule]
    assert neither(possible()) == []
    assert neither(possible(), others)


def test_cells_that_are_neither_end_the_command_with_code_1_and_are_listed(monkeypatch, capsys):
    whole = Counter(dict.fromkeys(possible(), 1))
    left = whole - Counter([REACHED])
    for visited, code in ((whole, 0), (left, 1)):
        monkeypatch.setattr(
            commands, "play_all", lambda *_, cells=visited: (each for each in [Batch(10_000, 1, 1, [], cells)])
        )
        assert commands.simulate(10_000) == code
        assert (str(REACHED) in capsys.readouterr().out) == bool(code)
        assert commands.simulate(100) == 0, "few seeds need not visit all"
        capsys.readouterr()


def test_a_call_that_is_not_placed_is_found(monkeypatch):
    monkeypatch.delitem(census._EFFECTS, "s3 PutObject")
    kinds = {finding.text for seed in range(20) for finding in play(seed, "mrsc")[1].findings}
    assert any("s3 PutObject" in text for text in kinds)


def test_a_worker_s_death_is_taken_down_as_it_was():
    """One known day: a worker dies after it has asked for the money, and the other region's sweep comes."""
    cell = Cell(PaymentStatus.AUTHORIZING, LastEffect.CHARGED, NONE, Successor.SWEEP_THERE)
    world, _ = play(seed_aimed_at(cell), "mrsc")
    (death,) = world.census.deaths
    assert death.cells == [cell]
    lines = list(world.history.lines())
    crash = next(number for number, line in enumerate(lines) if " crash " in line)
    assert any("PutItem" in line for line in lines[:crash])
    touched = [line.split()[1:3] for line in lines[crash + 1 :] if " pay_" in line and "sweep" in line]
    assert touched[0] == [next(region.name for region in world.regions if region.name != death.region), "sweep"]


def test_eventual_consistency_has_no_cells():
    assert play_batch(0, 10, "mrec").cells == Counter()


def test_what_befalls_a_worker_on_its_way_to_the_payment_counts():
    """It takes of the worker's time: too little may be left to ask the processor, and the outcome stays unknown."""
    world = World(0, "mrsc")
    taken_down = world.census
    taken_down.skew = 0

    def work():
        taken_down.begins("secrets GetSecretValue", "").faults.add("stall")
        assert taken_down.begins("dynamodb PutItem", "pay_1").faults == {"stall"}
        assert taken_down.begins("dynamodb PutItem", "pay_2").faults == set(), "another payment, another turn"

    process = world.scheduler.spawn("somebody", work)
    taken_down.employs(process, "east", sweeps=False)
    world.scheduler.run(world.scheduler.now + 1)
    assert not process.alive
