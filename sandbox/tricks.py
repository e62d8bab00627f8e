"""What the sandbox does for nothing but speed, each trick by its name, and the one switch that turns tricks off.

`SANDBOX_TRICKS=off` turns all of them off, `SANDBOX_TRICKS=-traces,-garbage` those two. A deployment writes the same
state without them; docs/speed.md says what each gains. On AWS there is none: nothing but the sandbox asks this module.
"""

from __future__ import annotations

import functools
import os
from enum import Enum

from shared.errors import Problem

VARIABLE = "SANDBOX_TRICKS"
OFF = "off"


class Trick(Enum):
    """A name that the switch knows."""

    WARM_PLUGINS = "warm_plugins"
    FORKED_PROGRAMS = "forked_programs"
    READ_AHEAD = "read_ahead"
    GARBAGE = "garbage"
    TRACES = "traces"
    DEBUG_MESSAGES = "debug_messages"
    ENGINE_GARBAGE = "engine_garbage"
    HELD_PROGRAMS = "held_programs"
    PROTOCOLS = "protocols"


def on(trick: Trick) -> bool:
    """Whether to do it. Raises Problem when the switch names what is no trick."""
    return trick not in _turned_off(setting())


def setting() -> str:
    """What the switch says; empty by default."""
    return os.environ.get(VARIABLE, "")


@functools.cache
def _turned_off(text: str) -> frozenset[Trick]:
    if text == OFF:
        return frozenset(Trick)
    known = {f"-{trick.value}": trick for trick in Trick}
    names = [name for name in text.split(",") if name]
    if wrong := [name for name in names if name not in known]:
        raise Problem(
            f"{VARIABLE}={text}: {wrong[0]} is unknown: it is `{OFF}`, or some of {','.join(known)} with commas between"
        )
    return frozenset(known[name] for name in names)
