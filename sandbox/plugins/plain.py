"""A plugin in a process of its own, where the sandbox's host is not there: `python -m sandbox.plugins.plain KIND`."""

from __future__ import annotations

from engine.plugins.plain import run
from sandbox.plugins.providers import PROVIDERS

if __name__ == "__main__":
    run(PROVIDERS)
