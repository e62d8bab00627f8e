"""A cloud without engine, backend and stacks: what moves clients out of a region must not wait for any of these."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestration import target


@dataclass(frozen=True)
class Heard:
    """What one of them was told, `by` mail or pager. `time` by the target's clock."""

    by: str
    to: str
    region: str
    """Of the topic."""
    message: str
    time: float


@dataclass(frozen=True)
class Reach:
    """A way to a cloud's own APIs, and to the API that is deployed there."""

    variables: Mapping[str, str]
    """Of the AWS SDK: credentials, profile, endpoint."""
    where: str
    """For a person: `AWS`, `the sandbox`."""
    checkers: Callable[[], Sequence[str]]
    """The CIDRs that are published for Route 53's health checkers. Raises Problem."""
    operator: Mapping[str, str] = field(default_factory=dict)
    """The operator's own variables, where they differ: in the sandbox those above are the administrator's."""
    asks_first: bool = False
    """Whether a person confirms what is about to be changed."""
    now: Callable[[], float] = time.time
    """The time by which what is deployed there works, in seconds since 1970."""
    heard: Callable[[], Iterable[Heard]] | None = None
    """What people have been told by mail and pager; None where nobody can see that."""
    state: Path | None = None
    """Folder of this checkout's runs against it, drills beside it."""
    gateways: Mapping[str, str] = field(default_factory=dict)
    """In the sandbox, where each AWS region's API answers."""


def reach(name: str, tell: Callable[[str], None]) -> Reach:
    """Return the way to a target's cloud; the sandbox is started when it is not running. Raises Problem."""
    made: Reach = target.module(name).reach(tell)
    return made
