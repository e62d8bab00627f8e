"""The sandbox on this machine as a target."""

from __future__ import annotations

import atexit
import functools
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine import find
from engine.backend import FileBackend
from engine.cli import Cli
from engine.plugins.variables import NO_DEBUG
from orchestration.reach import Heard, Reach
from orchestration.target import StackBooks, Target, settings
from sandbox import Sandbox, SandboxStatus, checker_ranges, inbox
from sandbox.clock import SharedClock
from sandbox.faults.fault import InjectedFault
from sandbox.mail import Mailbox
from sandbox.plugins.install import install
from sandbox.tricks import Trick, on
from sandbox.variables import OPERATOR_CREDENTIALS, enter
from shared import files
from shared.root import ROOT

if TYPE_CHECKING:
    from sandbox.layout import Layout
    from shared.environment import Environment

FAST: Mapping[Trick, Mapping[str, str]] = {
    Trick.DEBUG_MESSAGES: {NO_DEBUG: "true"},  # no operation here is run with --debug
    # An engine lives for seconds: it ends before its garbage is worth collecting, unless its memory grows unusually.
    Trick.ENGINE_GARBAGE: {"GOGC": "off", "GOMEMLIMIT": "1GiB"},
}
"""Settings that make engines quicker, and change nothing that they do."""


def make(_: Environment, tell: Callable[[str], None]) -> Target:
    """Start the sandbox when it is not running, install the engine in it, and let this process work in it alone."""
    sandbox = Sandbox(ROOT)
    found = find.find(tell)  # by the user's own proxies and indexes, if it has to be got
    status = sandbox.up(tell)
    sandbox.require_passphrase()
    install(sandbox.layout, found.executable)
    enter(sandbox.variables())
    configuration = sandbox.layout.stack_configuration
    variables = {**os.environ, **settings(configuration)}
    for trick, fast in FAST.items():
        variables |= fast if on(trick) else {}
    if on(Trick.GARBAGE):
        atexit.register(gc.freeze)  # else the interpreter looks for some at its end, among all there is
    _start_empty_with_the_cloud(sandbox.layout.backend, status.generation, tell)
    return Target(
        name="sandbox",
        cli=Cli(sandbox.layout.bin / "pulumi", variables),
        backend=FileBackend(sandbox.layout.backend),
        state=_state(sandbox.layout),
        configuration=configuration,
        generation=_generation(status),
        adopts_creates=True,
        holds_programs=on(Trick.HELD_PROGRAMS),
        selects_stacks=True,
        gateways=status.gateways,
        where="the sandbox",
        after_destroy="sandbox.down",
        lost_passphrase=sandbox.lost_passphrase,
        ledger=sandbox.layout.processor_ledger,
        now=SharedClock(sandbox.layout.clock).now,
        trouble=functools.partial(_trouble, sandbox),
    )


def _state(layout: Layout) -> Path:
    return layout.state / "orchestration"


def books() -> StackBooks:
    """The stacks as the sandbox left them; it is not started when it is not running, and then has no generation."""
    sandbox = Sandbox(ROOT)
    status = sandbox.status()
    where = "the sandbox" if status.generation else "the sandbox, which is not running"
    return StackBooks(FileBackend(sandbox.layout.backend), _generation(status) if status.generation else None, where)


def _generation(status: SandboxStatus) -> str:
    return f"{status.generation}.{status.recoveries}"


def reach(tell: Callable[[str], None]) -> Reach:
    """The cloud as it is, without an engine; it is started when it is not running."""
    sandbox = Sandbox(ROOT)
    status = sandbox.up(tell)
    enter(sandbox.variables())
    return Reach(
        dict(os.environ),
        where="the sandbox",
        checkers=_checkers,
        operator=OPERATOR_CREDENTIALS,
        now=SharedClock(sandbox.layout.clock).now,
        heard=functools.partial(_heard, sandbox.layout),
        state=_state(sandbox.layout),
        gateways=status.gateways,
    )


def _heard(layout: Layout) -> Iterator[Heard]:
    for by, path in inbox.BOXES.items():
        for each in Mailbox(path(layout)).read():
            yield Heard(by, each.to, each.region, each.message, each.time)


def _checkers() -> Sequence[str]:
    return [cidr for cidr, _ in checker_ranges.IPV4]


def _trouble(sandbox: Sandbox, regions: Iterable[str], failed: str) -> str:
    status = sandbox.status()
    if not status.endpoint:
        log = os.path.relpath(sandbox.layout.run / "cloud.log")
        return f"the sandbox's cloud has ended (its log: {log}); run the same command again: it starts it and goes on"
    affected = set(regions)
    for told in status.faults:
        if told["region"] in affected:
            fault = InjectedFault.read(told)
            return (
                f"{fault.region} has a fault, as somebody wanted ({fault}): "
                f"./invoke heal --number {fault.number} ends it; what failed: {failed}"
            )
    return ""


def _start_empty_with_the_cloud(backend: Path, generation: str, tell: Callable[[str], None]) -> None:
    """Forget stacks whose resources went with an earlier generation of the sandbox's cloud.

    A refresh would come to the same, resource by resource; until then every update would build on what is not there.
    """
    kept = backend / "generation"
    known = kept.read_text(errors="replace") if kept.exists() else None
    if known == generation:
        return
    if known is not None and FileBackend(backend).forget():
        tell("the sandbox's cloud has started empty: its stacks are forgotten, and will be deployed anew")
    files.replace(kept, generation)
