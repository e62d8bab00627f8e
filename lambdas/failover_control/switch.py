"""The stop switch: while it says `stop`, no traffic goes to the primary.

It is a parameter in the secondary, served at the function's URL and watched by an inverted string-match check: the
check is unhealthy, and takes the primary out, only while the text can be read. A secondary that is out of reach, or a
switch that cannot be read, leaves the primary where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from lambdas.domain.errors import Unavailable
from lambdas.web.answer import Answer

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry

STOP: Final = "stop"
RUN: Final = "run"
CACHED: Final = 1_000
"""Sixteen checkers ask, and a parameter may be read 40 times a second in an account (ms)."""


class ParameterClient(Protocol):
    """What is used of Systems Manager: operations of the SDK's client."""

    def get_parameter(self, **arguments: Any) -> dict[str, Any]: ...
    def put_parameter(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(slots=True)
class Switch:
    """The switch named `parameter`."""

    parameters: ParameterClient
    parameter: str
    retry: Retry
    _stopped: bool = False
    _read_at: int | None = None

    def stopped(self) -> bool:
        """Whether the primary is stopped, at most a second old. Raises Unavailable."""
        now = self.retry.clock.now()
        if self._read_at is None or now - self._read_at >= CACHED:
            answer = self.retry(self.parameters.get_parameter, Name=self.parameter)
            self._stopped, self._read_at = answer["Parameter"]["Value"] == STOP, now
        return self._stopped

    def stop(self) -> None:
        """Take the primary out, until a person restores it. Raises Unavailable."""
        self.retry(self.parameters.put_parameter, Name=self.parameter, Value=STOP, Type="String", Overwrite=True)
        self._read_at = None

    def page(self) -> Answer:
        """What the health checkers read: `primary: stop` or `primary: run`."""
        try:
            state = STOP if self.stopped() else RUN
        except Unavailable:
            return Answer(503, "the switch cannot be read", {"Content-Type": "text/plain"})
        return Answer(200, f"primary: {state}", {"Content-Type": "text/plain"})
