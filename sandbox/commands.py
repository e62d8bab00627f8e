"""What the tasks `./invoke sandbox.*` do; each returns an exit code, results go to stdout."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

from sandbox.control import REGION_STATES
from sandbox.lifecycle import Sandbox, SandboxStatus
from sandbox.variables import shell
from shared.errors import Problem
from shared.root import ROOT


def up(*, as_json: bool = False) -> int:
    """Start the sandbox, or find it running, and say where it is."""
    return _tell(Sandbox(ROOT).up(_progress), as_json=as_json)


def down(*, wipe: bool = False) -> int:
    """Stop the sandbox; its state is kept unless it is to be wiped."""
    box = Sandbox(ROOT)
    if wipe:
        box.wipe()
        print("the sandbox is stopped and empty")
    else:
        print("the sandbox is stopped; its state is kept" if box.down() else "the sandbox was not running")
    return 0


def status(*, as_json: bool = False) -> int:
    """Say whether the sandbox runs and where; exit code 3 when it does not, as service managers do."""
    return _tell(Sandbox(ROOT).status(), as_json=as_json)


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


def set_region(region: str, state: str) -> int:
    """Take an AWS region out, or bring it back."""
    if not region:
        raise Problem("sandbox.region: say which --region, such as us-east-1; `./invoke sandbox.status` lists them")
    if state not in REGION_STATES:
        raise Problem(f"unknown --state {state!r}: choose one of {', '.join(REGION_STATES)}")
    Sandbox(ROOT).set_region(region, state)
    print(f"{region}: {state}")
    return 0


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _tell(found: SandboxStatus, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    elif not found.running:
        print("the sandbox is not running; ./invoke sandbox.up starts it")
    else:
        rows = {"AWS API": found.endpoint}
        for region, url in found.gateways.items():
            rows[region] = f"{url}  {found.closed_regions.get(region, '')}".rstrip()
        rows |= {"generation": found.generation, **{f"{name} pid": str(pid) for name, pid in found.pids.items()}}
        if found.trouble:
            rows["trouble"] = found.trouble
        for name, value in rows.items():
            print(f"{name:<14}{value}")
    return 0 if found.running else 3
