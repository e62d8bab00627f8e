"""Asks the plugin host whether it is there, and whether it is still the code that is in the checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.plugins import client
from engine.plugins.client import HostStatus
from sandbox import sources
from sandbox.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def status(root: Path) -> HostStatus | None:
    """The host of the checkout at `root`, or None when none answers. Takes about a millisecond."""
    return client.status(Layout(root).plugins_socket)


def is_current(status: HostStatus) -> bool:
    """False when the host runs other code than the checkout and its virtualenv have now: start it again."""
    return status.sources == source_digest()


def source_digest() -> str:
    """Of what a host has imported: plugins, provider and policies."""
    return sources.digest("sandbox/plugins", "sandbox/provider", "engine/plugins", "policies", "shared/packaging")
