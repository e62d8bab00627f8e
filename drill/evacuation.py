"""The two moves of a drill that people make too: clients leave the primary, and come back. On AWS as in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from drill import records
from drill.records import Event
from orchestration.fence import PrimaryFence
from orchestration.lever import Lever
from orchestration.moves import seconds_to_move
from orchestration.operator import act
from orchestration.reach import Reach, reach
from shared import stop_switch
from shared.errors import Problem
from shared.failover_time import MINUTE
from shared.roles import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.environment import Environment

TRIES = 3
SAYS: Final[Mapping[str, str]] = {
    records.EVACUATION: "clients are moved out of a primary that serves, and fenced off when DNS has moved",
    records.UNFENCED: "clients are moved out of a primary that serves, and may stay",
}
"""What each of `records.MOVES` does."""


@dataclass(frozen=True)
class PrimaryEvacuation:
    """The stop switch and the fence before the primary, moved under the operations role."""

    environment: Environment
    place: Reach
    now: Callable[[], float]

    @staticmethod
    def of(environment: Environment, target: str, now: Callable[[], float]) -> PrimaryEvacuation:
        """By the way that leads to a target's cloud. Raises Problem."""
        return PrimaryEvacuation(environment, reach(target, lambda _: None), now)

    def begin(self, fault: str) -> Event:
        """Take the primary out of DNS; unless it is to stay unfenced, fence it from when DNS has moved on."""
        lever, fence = self._hands()
        at = self.now()
        lever.say(stop_switch.STOPPED)
        if fault == records.EVACUATION:
            fence.put_up(self.now() + seconds_to_move(self.environment))
        return Event(at, "fault", self.environment.region(PRIMARY), fault, SAYS[fault])

    def restore(self) -> Event:
        """Let clients back: the fence first, and the switch whatever becomes of that. Raises Problem after tries."""
        lever, fence = self._hands()
        failures = [
            failure
            for move in (partial(_take_down, fence), partial(lever.say, stop_switch.RUN))
            if (failure := _tried(move)) is not None
        ]
        if failures:
            raise failures[0]
        return Event(self.now(), "restore", self.environment.region(PRIMARY), stop_switch.RUN)

    def require(self) -> None:
        """See, before anything is broken, that the role reaches the switch and the fence. Raises Problem."""
        lever, fence = self._hands()
        lever.said()
        fence.standing()

    def grace(self) -> float:
        """Seconds in which no failover lasts yet, as clients were let back lately."""
        words, since = self._hands()[0].said()
        if since is None or words == stop_switch.DEPLOYED:
            return 0.0
        return max(0.0, since.timestamp() + self.environment.edge.latch.grace_minutes * MINUTE - self.now())

    def _hands(self) -> tuple[Lever, PrimaryFence]:
        """Under the role anew each time: its session ends after an hour, and a drill may take longer."""
        acting = act(self.environment, self.place, lambda _: None)
        return Lever.of(self.environment, acting.aws, acting.account), PrimaryFence.of(self.environment, acting.aws)


def _take_down(fence: PrimaryFence) -> None:
    """Also what a write that was given up has put up since. Raises Problem."""
    fence.take_down()
    if fence.standing() is not None:
        raise Problem(f"the fence before {fence.primary} stands again")


def _tried(move: Callable[[], object]) -> Problem | None:
    """Do it, by several tries; the last one's problem, if none has done it."""
    failure: Problem | None = None
    for _ in range(TRIES):
        try:
            move()
        except Problem as problem:
            failure = problem
        else:
            return None
    return failure
