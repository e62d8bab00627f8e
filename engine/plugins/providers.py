"""What a host is given to lend beside its language host: providers and policies of somebody above the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Serve = Callable[[Path, Mapping[str, str]], tuple[Any, int]]
"""Starts a gRPC server of its own for an engine, of its working folder and variables; returns it and its port."""


POLICIES = "policies"
"""The kind of plugin that judges resources by a policy pack."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Providers:
    """Providers by the names of their packages. Nothing is imported before it is needed."""

    serve: Mapping[str, Serve]
    policies: Serve | None = None
    """Starts an analyzer of the one policy pack that is lent."""
    prepare: Callable[[], None] = _nothing
    """Imports what serving needs, while nobody waits for it."""
    settle: Callable[[], None] = _nothing
    """Called before the process ends: what a provider has begun for an engine that is gone comes to its end."""
