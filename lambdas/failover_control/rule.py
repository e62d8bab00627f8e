"""When a failover is made to last: a rule over the last minutes, as the secondary has seen them.

It is a function of what was measured and of nothing else. So runs that are repeated, skipped, late or at once do no
harm, and whoever looks at the metrics sees what it saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MINUTE: Final = 60_000
"""Milliseconds."""

SEEN: Final = 3
"""Minutes that traffic counts as seen, the one that runs included: metrics may come a minute or two late."""
CALM: Final = 3
"""Minutes without a sign that end a failover."""


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute showed. Times in ms.

    `requests` and `sources` are of paying clients that came by the shared name; `failed` is of a probe of the primary,
    None when there was none.
    """

    start: int
    requests: float = 0
    sources: float = 0
    failed: bool | None = None


@dataclass(frozen=True, slots=True)
class LatchRule:
    """The environment's values; durations in minutes."""

    failed: int
    """So many failed probes ..."""
    probes: int
    """... of the last so many ..."""
    spread: int
    """... the first and the last of which are so far apart."""
    clients: int
    """Source addresses in a minute from which on traffic is that of a failover."""
    lasting: int
    """Such minutes in a row that no returning primary explains."""
    again: int
    """A second failover so soon after the first latches at once."""
    grace: int
    """After somebody has said `run`."""

    @classmethod
    def of(cls, values: Mapping[str, int]) -> LatchRule:
        """The rule from its fields. Raises KeyError for a missing one: a bug of the deployment."""
        return cls(**{name: int(values[name]) for name in cls.__slots__})

    @property
    def memory(self) -> int:
        """Minutes that it looks back: the first failover, the time between, and the second one."""
        return self.again + 2 * max(self.lasting, self.probes) + CALM

    def waits(self, now: int, since: int) -> bool:
        """Whether `run` was said so lately (`since`, ms) that clients are still on their way back."""
        return now < since + self.grace * MINUTE

    def seen(self, minutes: Sequence[Minute], now: int) -> bool:
        """Whether clients are served here, so that the primary is worth a probe."""
        return any(each.requests > 0 for each in minutes if each.start > now - SEEN * MINUTE)

    def reason(self, minutes: Sequence[Minute], now: int, since: int) -> str | None:
        """Why the failover shall last, or None. `minutes` in order of time, the last one may be incomplete."""
        if self.waits(now, since):
            return None
        counted = [each for each in minutes if each.start >= since + self.grace * MINUTE]
        return self._probes_failed(counted, now) or self._clients_stay(counted, now) or self._again(counted, now)

    def _probes_failed(self, minutes: Sequence[Minute], now: int) -> str | None:
        recent = [each for each in minutes if each.failed is not None and each.start > now - 2 * self.probes * MINUTE]
        failed = [each for each in recent[-self.probes :] if each.failed]
        if len(failed) < self.failed or failed[-1].start - failed[0].start < self.spread * MINUTE:
            return None
        return f"{len(failed)} of the last {len(recent[-self.probes :])} probes of the primary failed"

    def _clients_stay(self, minutes: Sequence[Minute], now: int) -> str | None:
        """Payments fail where probes do not, or clients would have gone back by now."""
        crowded = {each.start for each in minutes if each.sources >= self.clients}
        running = now // MINUTE * MINUTE
        for late in (1, 2):
            ends = running - late * MINUTE  # the minute that runs is not over, and the last one's metrics may come late
            if all(ends - ago * MINUTE in crowded for ago in range(self.lasting)):
                return f"{self.clients} source addresses or more were served here for {self.lasting} minutes"
        return None

    def _again(self, minutes: Sequence[Minute], now: int) -> str | None:
        *earlier, last = list(self._failovers(minutes)) or [(0, 0)]
        lately = last[1] > now - SEEN * MINUTE
        if not earlier or not lately or last[0] - earlier[-1][1] > self.again * MINUTE:
            return None
        return f"a second failover {(last[0] - earlier[-1][1]) // MINUTE} minutes after the first"

    def _failovers(self, minutes: Sequence[Minute]) -> Iterator[tuple[int, int]]:
        """First and last minute of each: signs with no calm between them. One failed probe alone is no failover."""
        together: list[Minute] = []
        for each in (*minutes, None):
            if each is not None and not (each.failed or each.sources >= self.clients):
                continue
            if together and (each is None or each.start - together[-1].start > CALM * MINUTE):
                if len(together) > 1 or together[0].sources >= self.clients:
                    yield together[0].start, together[-1].start
                together = []
            if each is not None:
                together.append(each)
