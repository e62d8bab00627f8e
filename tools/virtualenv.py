"""The checkout's virtualenv: where it is, and whether it is whole. Imported before anything is installed."""

from __future__ import annotations

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib takes longer than all of this
LOCK = f"{ROOT}/requirements.lock"
VENV = f"{ROOT}/.venv"
PYTHON = f"{VENV}/bin/python"
PACKAGES = f"{VENV}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
"""Where an interpreter of this version looks for packages; another version looks elsewhere, and finds none."""
STAMP = f"{VENV}/requirements.lock"
"""The copy of the lock, written when all else is there: what was interrupted has none."""
SETTINGS = f"{VENV}/pyvenv.cfg"
"""Where the interpreter finds its home."""
INSTALLED = f"{VENV}/installed.txt"
"""The names in PACKAGES when it was made."""

MADE = "INVOKE_MADE_VIRTUALENV"
"""The variable by which tools/bootstrap.py tells tools/start.py that it has just run."""


def whole() -> bool:
    """Whether everything is there that a finished set-up made: it may have been copied in part, or moved to."""
    try:
        with open(INSTALLED, encoding="utf-8") as file:  # noqa: PTH123 - as above
            expected = set(file.read().splitlines())
    except OSError:
        expected = {"checkout.pth"}  # a benchmark's copy of the checkout borrows its packages (tools/checkout.py)
    try:
        with open(SETTINGS, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            if not any(line.startswith("home") for line in file):
                return False
        return os.path.exists(STAMP) and expected <= set(os.listdir(PACKAGES))  # noqa: PTH110, PTH208 - as above
    except OSError:
        return False


def current() -> bool:
    """Whether it is whole and holds what the lock names now."""
    try:
        with open(LOCK, "rb") as lock, open(STAMP, "rb") as stamp:  # noqa: PTH123 - as above
            same = lock.read() == stamp.read()
    except OSError:
        return False
    return same and whole()
