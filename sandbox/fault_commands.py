"""What `./invoke fault` and `./invoke heal` do; each returns an exit code, results go to stdout."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox import addresses
from sandbox.fault_parts import part_of
from sandbox.faults.fault import ANY, InjectedFault, checked
from sandbox.faults.network import cuts
from sandbox.lifecycle import Sandbox
from shared.columns import columns
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_NUMBER = 19
"""Digits."""


@dataclass(frozen=True)
class Wanted:
    """A fault as it is typed."""

    kind: str
    region: str
    part: str
    how: str
    probability: str
    seconds: str
    environment: str


def fault(wanted: Wanted, *, as_json: bool = False) -> int:
    """Let a fault begin, or list those in force where no kind is named."""
    if not wanted.kind:
        if wanted.region or wanted.part or wanted.how or wanted.probability or wanted.seconds:
            raise Problem("fault: say which --kind; ./invoke --help fault lists them")
        box = Sandbox(ROOT)
        code = _tell(box.faults(), "no fault is in force", as_json=as_json)
        if not as_json:
            _tell_lost(box)
        return code
    begun = Sandbox(ROOT).begin_fault(injected(wanted))
    if as_json:
        print(json.dumps(begun.told()))
    else:
        print(f"fault {begun.number}: {begun.region}: {begun}; ./invoke heal --number {begun.number} ends it")
    return 0


def heal(region: str, number: str, environment: str, *, as_json: bool = False) -> int:
    """End faults: the one with a number, those of a region, or all."""
    if region and number:
        raise Problem("heal: say --region or --number, not both")
    if number and not (number.isascii() and number.isdecimal() and len(number) < LONGEST_NUMBER):
        raise Problem(f"--number {number!r} is none: ./invoke fault lists the faults with their numbers")
    named = _region(region, environment) if region else ""
    box = Sandbox(ROOT)
    wanted = int(number) if number else None
    if wanted is not None and wanted not in {each.number for each in box.faults()}:
        raise Problem(f"no fault {number} is in force; ./invoke fault lists those that are")
    code = _tell(box.heal(wanted, named), "no fault was in force", as_json=as_json)
    if not as_json:
        _tell_lost(box)
    return code


def injected(wanted: Wanted) -> InjectedFault:
    """What is wanted, with names of the environment in the place of roles. Raises Problem when it is none."""
    numbers = {"probability": _number("probability", wanted.probability), "seconds": _number("seconds", wanted.seconds)}
    found = checked(InjectedFault(wanted.kind, wanted.region, wanted.part, wanted.how), numbers)
    if not wanted.region:
        raise Problem(
            "fault: say which --region, by its role (primary, secondary, witness) or name (such as us-east-1)"
        )
    environment = Environment.load(wanted.environment, ROOT)
    region = _region(wanted.region, wanted.environment)
    found = replace(found, region=region)
    cut = _cut(found, region, environment) if found.kind == "partition" else found.cut
    return replace(found, part=part_of(found, environment), cut=cut)


def _region(named: str, environment: str) -> str:
    """The AWS region of a role or name."""
    regions = Environment.load(environment, ROOT).regions
    found: str = dict(regions).get(named, named)
    if found not in addresses.REGIONS:
        raise Problem(
            f"{named!r} is no role (primary, secondary, witness) and no AWS region; "
            f"known are {', '.join(addresses.REGIONS)}"
        )
    return found


def _cut(found: InjectedFault, region: str, environment: Environment) -> tuple[tuple[str, str], ...]:
    if found.part == "isolated":
        return cuts(region, (ANY,), found.how)
    regions = dict(environment.regions)
    peer = {regions["primary"]: regions["secondary"], regions["secondary"]: regions["primary"]}.get(region)
    if peer is None:
        raise Problem(
            f"--part {found.part}: {region} is neither primary nor secondary of {environment.name}: "
            "choose one of these, or --part isolated"
        )
    if found.part == "each":
        return (*cuts(region, (ANY,), found.how), *cuts(peer, (regions["witness"],), found.how))
    return cuts(region, (peer if found.part == "peer" else regions["witness"],), found.how)


def _number(option: str, text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise Problem(f"--{option} {text!r} is no number") from None


def _tell(faults: Sequence[InjectedFault], none: str, *, as_json: bool) -> int:
    """Print faults, a line each: number, region, what is broken, since when."""
    if as_json:
        print(json.dumps([each.told() for each in faults], indent=2))
    elif not faults:
        print(none)
    else:
        now = time.time()
        rows = [(str(each.number), each.region, str(each), _ago(now - each.since)) for each in faults]
        print("\n".join(columns(rows)))
    return 0


def _tell_lost(box: Sandbox) -> None:
    for table, number in box.status().lost_writes.items():
        print(f"{table}: {number} acknowledged writes were lost to later ones of another region")


def _ago(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"began {minutes} min {rest} s ago" if minutes else f"began {rest} s ago"
