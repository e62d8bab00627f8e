"""Puts the engine and its plugins where only this checkout's sandbox uses them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING

from engine import launchers
from sandbox import tricks, variables
from sandbox.plugins.providers import PROVIDERS
from sandbox.tricks import Trick
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.layout import Layout

PLAIN = "sandbox.plugins.plain"
"""The module that is a plugin in a process of its own."""


def install(layout: Layout, engine: Path) -> None:
    """Fill `.sandbox/bin` and PULUMI_HOME for the engine's executable. Quick, and writes nothing, when all is there.

    The engine takes a provider from the folder of its home that is named after the version that the SDK asks for. With
    SANDBOX_PLUGINS=official it finds none of ours there, and fetches Pulumi's own.
    """
    with _refusals(layout):
        for package in PROVIDERS.serve:
            if variables.official_plugins():
                _remove_provider(layout, package)
            else:
                _install_provider(layout, package)
        launchers.place_engine(engine, layout.bin, _launcher(layout, "language"), _analyzer(layout))


@contextmanager
def _refusals(layout: Layout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(
            f"cannot install the engine's plugins in {layout.state}: {error.strerror}; "
            "free some space, or make that folder writable",
        ) from error


def _install_provider(layout: Layout, package: str) -> None:
    plugins = layout.pulumi_home / "plugins"
    current = plugins / f"resource-{package}-v{metadata.version(f'pulumi-{package}')}"
    for outdated in plugins.glob(f"resource-{package}-v*"):
        if outdated != current:
            shutil.rmtree(outdated)
    launchers.write(current / f"pulumi-resource-{package}", _launcher(layout, package))


def _remove_provider(layout: Layout, package: str) -> None:
    """Take ours away, and leave an official one that is there already."""
    for executable in layout.pulumi_home.glob(f"plugins/resource-{package}-v*/pulumi-resource-{package}"):
        if executable.read_bytes().startswith(launchers.FIRST_LINE.encode()):
            shutil.rmtree(executable.parent)


def _launcher(layout: Layout, kind: str) -> str:
    if not tricks.on(Trick.WARM_PLUGINS):
        return launchers.plain(PLAIN, kind)
    return launchers.warm(layout.plugins_socket, PLAIN, kind, plain_if=variables.PLAIN_PLUGINS_ASKED_FOR)


def _analyzer(layout: Layout) -> str:
    """The launcher of the policy analyzer; empty for the one that every engine gets."""
    if not tricks.on(Trick.WARM_PLUGINS):
        return ""
    pack = layout.root / "policies"
    return launchers.warm_policies(layout.plugins_socket, PLAIN, pack, plain_if=variables.PLAIN_PLUGINS_ASKED_FOR)
