"""What is claimed of the latch, each as a failover that lasts always or never, and `./invoke simulate-failover`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from shared.environment import Environment
from shared.errors import Problem
from shared.failover_time import MINUTE
from simulation.failover import Outage, Scenario, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.failover_time import LatchTiming

HOUR: Final = 60 * MINUTE
BEGINS: Final = 120
"""Seconds until the outage."""


@dataclass(frozen=True, slots=True)
class Claim:
    """In every run of `scenario` the failover lasts, or in none."""

    text: str
    scenario: Scenario
    lasts: bool


def outage(length: int, *, clients: int = 200, grey: bool = False, rest: int = 10 * MINUTE) -> Scenario:
    """One of `length` seconds, and `rest` seconds after it."""
    return Scenario(BEGINS + length + rest, clients=clients, outages=(Outage(BEGINS, BEGINS + length, grey),))


def twice(length: int, between: int) -> Scenario:
    """Two of `length` seconds, `between` seconds apart."""
    second = BEGINS + length + between
    two = Outage(BEGINS, BEGINS + length), Outage(second, second + length)
    return Scenario(second + length + 10 * MINUTE, clients=200, outages=two)


def pinned(seconds: int, failing: float) -> Scenario:
    """Twenty clients that stay at the secondary, and a primary that loses a share of its requests."""
    return Scenario(seconds, pinned=20, failing=failing, every=MINUTE)


def restored(rule: Mapping[str, int]) -> Scenario:
    """Somebody says `run` just before the primary fails again; the grace is all the time there is."""
    return replace(outage(9 * MINUTE), restored=BEGINS - 30, seconds=rule["grace"] * MINUTE)


def claims(timing: LatchTiming, rule: Mapping[str, int], hours: int = 24) -> list[Claim]:
    """All of them. `hours`: how long nothing happens in those in which nothing happens."""
    short = timing.shortest - 1
    return [
        Claim(f"{hours} h, 20 pinned clients, 0.01 % of requests fail", pinned(hours * HOUR, 0.0001), lasts=False),
        Claim(f"{hours} h, 20 pinned clients, 1 % of requests fail", pinned(hours * HOUR, 0.01), lasts=False),
        Claim(f"outage of {short} s, 200 clients", outage(short), lasts=False),
        Claim(f"outage of {timing.by_probes - 1} s, 20 clients", outage(timing.by_probes - 1, clients=20), lasts=False),
        Claim(f"outage of {timing.certain} s, 200 clients", outage(timing.certain, rest=0), lasts=True),
        Claim(f"outage of {timing.certain} s, 5 clients", outage(timing.certain, clients=5, rest=0), lasts=True),
        Claim(
            "payments fail for 40 min, probes do not, 200 clients", outage(40 * MINUTE, grey=True, rest=0), lasts=True
        ),
        Claim(f"two outages of {short} s, 15 min apart", twice(short, 15 * MINUTE), lasts=True),
        Claim(f"two outages of {short} s, 60 min apart", twice(short, HOUR), lasts=False),
        Claim("an outage at once after a restoration, in its grace", restored(rule), lasts=False),
    ]


def simulate_failover(environment: str, seeds: int, hours: int, *, as_json: bool = False) -> int:
    """Play each claim `seeds` times and print how often the failover lasted; 1 when one does not hold.

    Raises Problem for an environment whose failovers end by themselves, and for nothing to play.
    """
    edge = Environment.load(environment).edge
    rule, timing = edge.latch_rule, edge.latch_timing
    if rule is None:
        raise Problem(f"environment {environment}: edge.failback is automatic, so no failover is made to last")
    if seeds < 1 or hours < 1:
        raise Problem(f"--seeds {seeds} --hours {hours} leaves nothing to play: give 1 or more of each")
    rows = []
    for claim in claims(timing, rule, hours):
        if not as_json:
            print(f"{claim.text} ...", file=sys.stderr, flush=True)
        lasted = sum(run(claim.scenario, rule, timing, seed) is not None for seed in range(seeds))
        rows.append({"scenario": claim.text, "lasts": claim.lasts, "lasted": lasted, "runs": seeds})
    holds = all(row["lasted"] == (seeds if row["lasts"] else 0) for row in rows)
    if as_json:
        print(json.dumps({"shortest_s": timing.shortest, "certain_s": timing.certain, "holds": holds, "runs": rows}))
    else:
        _print(rows, timing)
    return 0 if holds else 1


def _print(rows: Iterable[Mapping[str, object]], timing: LatchTiming) -> None:
    print(f"{'failover':<60} claim   lasted")
    for row in rows:
        holds = row["lasted"] == (row["runs"] if row["lasts"] else 0)
        lasts = "always" if row["lasts"] else "never"
        found = f"{row['lasted']} of {row['runs']}" + ("" if holds else ": does not hold")
        print(f"{row['scenario']:<60} {lasts:<6}  {found}")
    print(f"\nAn outage below {timing.shortest} s ends by itself; from {timing.certain} s on every one lasts.")
