"""The sandbox on this machine as a target."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine import find
from engine.backend import FileBackend
from engine.cli import Cli
from engine.plugins.variables import NO_DEBUG
from orchestration.target import Target, settings
from sandbox import Sandbox
from sandbox.environment import REMOVED
from sandbox.plugins.install import install
from shared import files
from shared.root import ROOT

if TYPE_CHECKING:
    from shared.environment import Environment

FAST = {
    NO_DEBUG: "true",  # no operation here is run with --debug
    # An engine lives for seconds: it ends before its garbage is worth collecting, unless its memory grows unusually.
    "GOGC": "off",
    "GOMEMLIMIT": "1GiB",
}
"""Settings that make engines quicker, and change nothing that they do."""


def make(_: Environment, tell: Callable[[str], None]) -> Target:
    """Start the sandbox when it is not running, and install the engine in it."""
    sandbox = Sandbox(ROOT)
    found = find.find(tell)
    status = sandbox.up(tell)
    install(sandbox.layout, found.executable)
    inherited = {name: value for name, value in os.environ.items() if name not in REMOVED}
    configuration = sandbox.layout.stack_configuration
    variables = {**inherited, **sandbox.environment(), **settings(configuration), **FAST}
    _start_empty_with_the_cloud(sandbox.layout.backend, status.generation, tell)
    return Target(
        name="sandbox",
        cli=Cli(sandbox.layout.bin / "pulumi", variables),
        backend=FileBackend(sandbox.layout.backend),
        state=sandbox.layout.state / "orchestration",
        configuration=configuration,
        generation=f"{status.generation}.{status.recoveries}",
        adopts_creates=True,
        holds_programs=True,
        selects_stacks=True,
        gateways=status.gateways,
        where="the sandbox",
        after_destroy="sandbox.down",
    )


def _start_empty_with_the_cloud(backend: Path, generation: str, tell: Callable[[str], None]) -> None:
    """Forget stacks whose resources went with an earlier generation of the sandbox's cloud.

    A refresh would come to the same, resource by resource; until then every update would build on what is not there.
    """
    kept = backend / "generation"
    known = kept.read_text() if kept.exists() else None
    if known == generation:
        return
    if known is not None and FileBackend(backend).forget():
        tell("the sandbox's cloud has started empty: its stacks are forgotten, and will be deployed anew")
    files.replace(kept, generation)
