"""The simulation as a whole: one seed is one history, the code passes, the mode's price is found, verdicts are true."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from shared.errors import Problem
from simulation.commands import simulate
from simulation.run import MAY_LOSE, play, play_batch
from tests.sampling import sampled

DIGESTS = "from simulation.run import play; print([play(s, m)[1].digest for m in ('mrsc', 'mrec') for s in range(5)])"


def digests(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", DIGESTS], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_the_same_seed_gives_the_same_history_in_every_process():
    assert digests("1") == digests("2")


def test_each_seed_gives_another_history():
    assert len({play(seed, "mrsc")[1].digest for seed in range(20)}) == 20


@pytest.mark.parametrize("seeds", sampled([60, 300]))
def test_a_sample_of_seeds_loses_doubles_and_contradicts_nothing(seeds):
    batch = play_batch(0, seeds, "mrsc")
    assert batch.verdicts == []
    assert batch.payments > seeds
    assert batch.requests > 10 * seeds


def test_seeds_meet_every_kind_of_fault_and_answer():
    unseen = {
        *(f"answered {status}" for status in (200, 201, 202, 402, 404, 409, 422, 503)),
        "no answer",
        "crash  before",
        "crash  after",
        "stall  after",
        "lost:",
        "unanswered:",
        "applied, unheard",
        "refused:",
        "denied: AccessDenied",
        "sweep_stuck",
        "UNDECIDED",
        "contradiction",
        "stranger",
        "health",
        "repeated",
        "function timed out",
        "ReplicatedWriteConflictException",
        "region lost",
        "isolated",
        "returned",
        "released  next",
        "API keys rotated",
        "audited=",
        "resolved=",
        "forgotten=",
        "deleted=",
        "processor find",
        "processor charge",
        "processor cancel",
    }
    for seed in range(1_000):
        text = "\n".join(play(seed, "mrsc")[0].history.lines())
        unseen -= {mark for mark in unseen if mark in text}
        if not unseen:
            break
    assert not unseen


def test_eventual_consistency_loses_payments_and_that_is_found_but_none_is_made_twice():
    kinds: set[str] = set()
    for first in range(0, 2_000, 50):
        verdicts = play_batch(first, 50, "mrec").verdicts
        assert not [failure for verdict in verdicts for failure in verdict.failures("mrec")]
        kinds |= {finding.kind for verdict in verdicts for finding in verdict.findings}
        if {"lost", "contradicted", "unbooked"} <= kinds:
            break
    assert {"lost", "contradicted", "unbooked"} <= kinds
    assert "doubled" not in MAY_LOSE["mrec"]


def test_a_failure_ends_with_code_1_and_the_command_that_replays_it(capsys):
    assert simulate(40, mutant="silence-is-refusal", as_json=True) == 1
    failure = json.loads(capsys.readouterr().out)["failure"]
    assert failure["replay"] == f"./invoke simulate --seed {failure['seed']} --mutant silence-is-refusal"
    assert simulate(seed=failure["seed"], mutant="silence-is-refusal", as_json=True) == 1
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["findings"] == failure["findings"]
    assert replayed["history_digest"] == failure["history_digest"]
    assert any("POST to" in line for line in replayed["history"])
    assert simulate(seed=failure["seed"]) == 0
    assert "POST to" in capsys.readouterr().out


def test_the_report_says_what_was_played_and_what_the_mode_costs(capsys):
    assert simulate(30) == 0
    assert "30 seeds, mrsc" in capsys.readouterr().out
    assert simulate(30, mode="mrec") == 0
    assert "What eventual consistency lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "named"), [({"mode": "strong"}, "--mode"), ({"mutant": "none"}, "--mutant"), ({"seeds": 0}, "--seeds")]
)
def test_wrong_options_are_named(options, named):
    with pytest.raises(Problem, match=named):
        simulate(**options)


@pytest.mark.prove
def test_ten_thousand_seeds_pass_in_two_minutes_of_two_processors(capsys):
    """In processor time: what else the machine does is no matter."""
    before = os.times()
    assert simulate(10_000) == 0
    assert sum(os.times()[:4]) - sum(before[:4]) < 2 * 120
