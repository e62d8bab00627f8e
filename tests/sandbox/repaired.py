"""The repaired emulator without a server: in a process of its own, as repairs are for good."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

REPAIR = """
from types import SimpleNamespace
from sandbox.cloud.watch.here import Here
Here.clock = SimpleNamespace(now=lambda: 0)  # a cloud has one before it is repaired

from sandbox.cloud import repairs
repairs.apply()
"""


def printed(script: str, state: Path, before: str = "") -> str:
    """What a script prints in it. `before`: what is done before anything of the emulator is there."""
    environment = {**os.environ, "STATE_DIR": str(state)}
    command = [sys.executable, "-c", before + REPAIR + script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
