"""What a person chooses for a run. It passes whole from the tasks to where each part of it is used."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from shared.errors import Problem

LONGEST_BAKE = 7 * 24 * 60
"""Minutes."""


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
    refresh: bool = False
    """Compare with the cloud first, and repair what differs."""
    discard_data: str = ""
    """Names of what holds data and may be replaced or deleted, with commas between."""
    bake: str = ""
    """Minutes for which the secondary's release is watched before the primary gets it; empty: as before, or none."""
    production: str = ""
    """The suffix of an environment that may go through the one-way door to production (door.py)."""
    plan: str = ""
    """A file that `plan` has saved: the deployment does just what it says."""
    json: bool = False
    yes: bool = False

    @property
    def discarded(self) -> frozenset[str]:
        return frozenset(name.strip() for name in self.discard_data.split(",") if name.strip())

    @property
    def bake_minutes(self) -> float | None:
        """The number of them; None where nothing was said. Raises Problem."""
        if not self.bake:
            return None
        try:
            minutes = float(self.bake)
        except ValueError:
            minutes = math.nan
        if not 0 <= minutes <= LONGEST_BAKE:
            raise Problem(f"--bake {self.bake!r} is no number of minutes from 0 to {LONGEST_BAKE}")
        return minutes

    def options(self) -> str:
        """Return the options that say which environment and target this is, as a user types them."""
        named = {"environment": self.environment, "target": self.target}
        return "".join(f" --{name} {value}" for name, value in named.items() if value != _DEFAULTS[name])


_DEFAULTS = {field.name: field.default for field in fields(Choice)}
