"""An option of the sandbox: AWS's quotas for making and changing APIs. `sandbox/cloud/quotas.py` has the quotas."""

from __future__ import annotations

import os

from shared.errors import Problem

VARIABLE = "SANDBOX_QUOTAS"


def setting() -> str:
    """What the variable says; empty by default."""
    return os.environ.get(VARIABLE, "")


def on() -> bool:
    """Whether the cloud holds to the quotas. Raises Problem when the variable says anything but on or off."""
    if setting() not in ("on", "off", ""):
        raise Problem(f"{VARIABLE}={setting()}: it is `on` or `off`")
    return setting() == "on"
