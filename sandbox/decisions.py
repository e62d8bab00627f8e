"""An option of the sandbox: IAM's decisions are written down. `sandbox/cloud/decisions.py` writes them."""

from __future__ import annotations

import os

from shared.errors import Problem

VARIABLE = "SANDBOX_DECISIONS"


def setting() -> str:
    """What the variable says; empty by default."""
    return os.environ.get(VARIABLE, "")


def on() -> bool:
    """Whether decisions are written down. Raises Problem when the variable says anything but on or off."""
    if setting() not in ("on", "off", ""):
        raise Problem(f"{VARIABLE}={setting()}: it is `on` or `off`")
    return setting() == "on"
