"""Where the stacks go. The projects are the same everywhere; a target brings what differs."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.backend import Backend
from engine.cli import Cli
from shared.errors import Problem
from shared.stack import Stack

if TYPE_CHECKING:
    from shared.environment import Environment

TARGETS: Mapping[str, str] = {"sandbox": "orchestration.targets.sandbox", "aws": "orchestration.targets.aws"}
"""The module of each target, whose `make` makes it ready. None is imported before it is chosen."""


@dataclass(frozen=True)
class Target:
    """An engine, a backend and a cloud."""

    name: str
    cli: Cli
    backend: Backend
    state: Path
    """Folder of the runs and their locks."""
    configuration: Path
    """The stack configuration that all stacks of the target share: nothing but the encryption salt."""
    generation: str
    """Names the cloud that the stacks are in: their states mean nothing in another."""
    previews_new: bool = False
    """Whether new stacks are previewed before the first of them is made, as the others are."""
    asks_first: bool = False
    """Whether a person confirms what is about to be touched."""
    adopts_creates: bool = False
    """Whether a create that is asked for again answers with what the first one made."""
    account: str = ""
    """The AWS account, where it can be the wrong one."""
    programs_may_end_early: bool = False
    """Whether its language host may take a program that ended before its end for complete."""
    holds_programs: bool = False
    """Whether its language host holds a program back until it is told to go on."""
    selects_stacks: bool = False
    """Whether a bare `pulumi` in a project's folder finds the stacks, and so wants one selected."""
    gateways: Mapping[str, str] = field(default_factory=dict)
    """In the sandbox, where each AWS region's API answers."""
    where: str = ""
    """For a person: `AWS account 123456789012`."""
    destroying: Mapping[str, str] = field(default_factory=dict)
    """By layer: what destroying it waits for, told while it waits."""
    keeps: str = ""
    """What its cloud itself keeps when everything is destroyed, and for how long."""
    after_destroy: str = "preview-all"
    """The task that comes next when everything is destroyed."""
    lost_passphrase: str = ""
    """What to do about a passphrase that is not the stacks', where that is more than to give another one."""
    ledger: Path | None = None
    """What the card processor has decided, line by line, where it can be read without asking its owner."""
    now: Callable[[], float] = time.time
    """The time by which its functions work, in seconds since 1970."""
    trouble: Callable[[Iterable[str], str], str] = lambda _, __: ""
    """Why its cloud, or one of these regions, cannot be worked with, and what to do, for what has failed there; empty
    when it can."""


@dataclass(frozen=True)
class StackBooks:
    """What is known of a target's stacks without asking its cloud."""

    backend: Backend
    generation: str | None
    """The cloud that the stacks are in, where that can be known without asking it."""
    where: str
    """For a person."""


def books(name: str) -> StackBooks:
    """Open a target's books: nothing is started, and no cloud is asked. Raises Problem for an unknown name."""
    opened: StackBooks = module(name).books()
    return opened


def choose(name: str, environment: Environment, tell: Callable[[str], None]) -> Target:
    """Make a target ready: the sandbox is started when it is not running. Raises Problem for an unknown name."""
    made: Target = module(name).make(environment, tell)
    return made


def module(name: str) -> Any:
    """Import a target's module. Raises Problem for an unknown name."""
    if name not in TARGETS:
        raise Problem(f"unknown target {name!r}: choose one of {', '.join(TARGETS)}")
    return importlib.import_module(TARGETS[name])


def published(target: Target, stack: Stack, name: str) -> Any:
    """Return what a stack publishes under a name. Raises Problem when it is not deployed, or not to its end."""
    checkpoint = target.backend.checkpoint(stack)
    if checkpoint is None or not checkpoint.outputs:
        raise Problem(f"{stack} is not deployed in {target.where}: run ./invoke deploy-all")
    if name not in checkpoint.outputs:
        raise Problem(f"{stack} does not publish {name}: run ./invoke deploy --layer {stack.layer}")
    return checkpoint.outputs[name]


def health_checks(target: Target, environment: str) -> dict[str, str]:
    """Return the ids of the environment's health checks by what they watch. Raises Problem as `published` does."""
    found: dict[str, str] = {}
    for name, identifier in published(target, Stack("edge", environment), "health_check_ids").items():
        found |= identifier if isinstance(identifier, dict) else {name: identifier}
    return found


def settings(configuration: Path) -> dict[str, str]:
    """Variables of every engine that a run starts: --config-file for each command, and the option --event-log."""
    return {"PULUMI_OPTION_CONFIG_FILE": str(configuration), "PULUMI_DEBUG_COMMANDS": "true"}
