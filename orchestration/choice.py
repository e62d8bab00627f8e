"""What a person chooses for a run. It passes whole from the tasks to where each part of it is used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """The options that tasks about stacks share. tasks.py says which task has which, and tells what they are for."""

    environment: str = "payments"
    target: str = "sandbox"
    layer: str = ""
    """Empty: all of them."""
    region: str = ""
    """A role; empty: both, or, where it must be one, the primary."""
    force: bool = False
    json: bool = False
    yes: bool = False
