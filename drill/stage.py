"""What a drill plays on: a system that can be broken, watched and mended, and the clock by which all of it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Iterator, Mapping, Sequence

    from drill.records import DrillPlan, Event, PlannedStep

T = TypeVar("T")


class DrillClock(Protocol):
    """Virtual time, in seconds."""

    @property
    def speed(self) -> float: ...
    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...
    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T: ...


@dataclass(frozen=True)
class Standing:
    """Where things stand at one moment."""

    answered: str
    """The role whose record the failover name is answered with; empty when nobody knows."""
    gate: bool | None
    """Whether the primary's health check, all of it, is well."""
    checks: Mapping[str, bool]
    """Each health check by its name."""


class Stage(Protocol):
    """The system, and what can be done to it."""

    name: str
    """For a person."""
    clock: DrillClock
    dns: tuple[str, int]
    """The resolver that clients ask."""
    port: int
    tls: ssl.SSLContext | None
    regions: Mapping[str, str]
    """Role of the region that an address leads to, or of the region by its name where addresses change."""
    probed: Sequence[tuple[str, str]]
    """Where the primary's health route is asked: address and host name."""
    looks_every: float
    """Seconds between two looks at the health checks: so late it may see a change. 0 where they tell when it was."""

    def standing(self) -> Standing: ...
    def set_speed(self, speed: float) -> None: ...
    def too_fast(self) -> str:
        """Why this machine does not keep up with the speed, after an idle virtual minute; empty when it does."""

    def doubts(self) -> str:
        """Why nothing that is measured here could be believed, by a self-test; empty when there is no doubt."""

    def lies(self, plan: DrillPlan, begun: float, healed: float) -> Iterator[str]:
        """Why what was measured while something was broken is not to be believed, each in a sentence."""

    def grace(self) -> float:
        """Virtual seconds in which no failover lasts yet, as clients were let back to the primary lately."""

    def begin(self, fault: str) -> Event: ...
    def require(self, steps: Sequence[PlannedStep]) -> None:
        """Refuse, by a Problem, steps of which something cannot be played here."""

    def enact(self, step: PlannedStep) -> Event:
        """Break what a step breaks, and mend what it does not."""

    def heal(self) -> Event: ...
    def restore(self) -> Event: ...
    def broken(self) -> Sequence[str]:
        """Faults that are in force, for people."""

    def life(self) -> Mapping[str, int]:
        """The processes that play AWS, by name: another id means that one has ended meanwhile."""

    def events(self, since: float) -> Iterator[Event]:
        """What health checks, DNS and alarms have done since then."""
