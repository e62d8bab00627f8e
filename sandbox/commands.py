"""What the tasks `./invoke sandbox.*` do; each returns an exit code, results go to stdout."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from sandbox import clock
from sandbox.faults.fault import InjectedFault
from sandbox.lifecycle import Sandbox, SandboxStatus
from sandbox.variables import shell
from shared.environment import Environment, environment_names
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection


def up(speed: str = "", *, as_json: bool = False) -> int:
    """Start the sandbox, or find it running, and say where it is. Its time passes at `speed` then, if that says one."""
    wanted = clock.checked(speed) if speed else None
    box = Sandbox(ROOT)
    found = box.up(_progress)
    if wanted is not None:
        clock.set_speed(box.layout.clock, wanted)
        found = box.status()
    return _tell(found, as_json=as_json, every_region=False)


def down(*, wipe: bool = False) -> int:
    """Stop the sandbox; its state is kept unless it is to be wiped."""
    box = Sandbox(ROOT)
    if wipe:
        box.wipe()
        print("the sandbox is stopped and empty")
    else:
        print("the sandbox is stopped; its state is kept" if box.down() else "the sandbox was not running")
    return 0


def status(*, as_json: bool = False, every_region: bool = False) -> int:
    """Say whether the sandbox runs and where; exit code 3 when it does not, as service managers do.

    Of the regions it lists those that an environment uses and those that are out; `every_region` lists all.
    """
    return _tell(Sandbox(ROOT).status(), as_json=as_json, every_region=every_region)


def logs(*, follow: bool = False) -> int:
    """Print what the daemons wrote."""
    found = Sandbox(ROOT).logs()
    if not found:
        raise Problem("the sandbox has written no log yet; ./invoke sandbox.up starts it")
    words = ["tail", "-n", "100", *(["-F"] if follow else []), *map(str, found.values())]
    return subprocess.run(words, check=False).returncode


def variables() -> int:
    """Print the sandbox's settings as shell commands, for `eval`."""
    print(shell(Sandbox(ROOT).variables()))
    return 0


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _tell(found: SandboxStatus, *, as_json: bool, every_region: bool) -> int:
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    elif not found.running:
        print("the sandbox is not running; ./invoke sandbox.up starts it")
    else:
        print("\n".join(_rows(found, found.gateways if every_region else _in_use() | _broken(found).keys())))
    return 0 if found.running else 3


def _rows(found: SandboxStatus, regions: Collection[str]) -> list[str]:
    """What is told of a running sandbox, a line each, their values below each other."""
    broken = _broken(found)
    rows = {"AWS API": found.endpoint}
    if found.speed != 1:
        rows["speed of time"] = f"{found.speed:g}"
    if found.dns:
        rows["DNS"] = found.dns
    for region, url in found.gateways.items():
        if region in regions:
            rows[region] = f"{url}  {', '.join(broken.get(region, ()))}".rstrip()
    rows |= {"generation": found.generation, **{f"{name} process": str(pid) for name, pid in found.pids.items()}}
    if found.trouble:
        rows["trouble"] = found.trouble
    width = max(map(len, rows))
    lines = [f"{name:<{width}}  {value}" for name, value in rows.items()]
    if len(regions) < len(found.gateways):
        lines.append(f"{len(found.gateways) - len(regions)} more regions: ./invoke sandbox.status --all")
    return lines


def _broken(found: SandboxStatus) -> dict[str, list[str]]:
    """What is broken on purpose, by region."""
    broken: dict[str, list[str]] = {}
    for told in found.faults:
        fault = InjectedFault.read(told)
        broken.setdefault(fault.region, []).append(f"{fault} (fault {fault.number})")
    return broken


def _in_use() -> set[str]:
    """The regions of the checkout's environments, those that cannot be loaded left out."""
    found = set()
    for name in environment_names():
        with suppress(Problem):
            found |= {region for _, region in Environment.load(name).regions}
    return found
