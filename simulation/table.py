"""A DynamoDB global table's consistency, without its API: what which region sees, and when.

Sources: Amazon DynamoDB developer guide, "Global tables core concepts" (MRSC and MREC), "Read consistency".
"""

from __future__ import annotations

from functools import partial
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, Final, Protocol

from simulation.link import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulation.scheduler import Scheduler

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]

FLIGHT: Final = 12
"""A strong write is under way to its peer for so long (ms): another region's write of the item then conflicts."""
STALE: Final = 2_000
"""How far an eventually consistent read, and an index, may lag behind (ms)."""


class Conflict(Exception):
    """The same item was written in another region at that moment; this write did not happen."""


class CutOff(Exception):
    """The region cannot reach enough of its peers for a strongly consistent operation, and says so."""


class GlobalTable(Protocol):
    """A table with a replica in each region."""

    isolated: dict[str, int]
    """Regions that are cut off from the others, and since when."""

    def read(self, region: str, key: Key, *, strong: bool) -> Item | None:
        """The item as that region sees it. Raises Unreachable, CutOff."""
        ...

    def write(self, region: str, key: Key, change: Callable[[Item | None], Item | None]) -> None:
        """Replace the item by what `change` makes of the one there. Raises Unreachable, CutOff, Conflict."""
        ...

    def scan_stale(self, region: str) -> Iterator[Item]:
        """All items as an index of that region has them: each as it was at some moment of the last two seconds."""
        ...

    def truth(self, region: str) -> dict[Key, Item]:
        """All items in that region, for the checks."""
        ...

    def writes(self, key: Key) -> list[tuple[Item, Item]]:
        """Each change of an item, as (before, after), where there is one order of them; for the checks."""
        ...

    def first_with(self, key: Key, attribute: str) -> int | None:
        """When an item first had an attribute, where its writes have one order; None: never; for the checks."""
        ...


class Versions:
    """What an item was, since when: (time, stamp, region that wrote it, content or None)."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[tuple[int, tuple[int, int], str, Item | None]] = []

    def newest(self) -> Item | None:
        return self.entries[-1][3]

    def at(self, when: int) -> Item | None:
        for time, _, _, item in reversed(self.entries):
            if time <= when:
                return item
        return None


class StrongTable:
    """MRSC over two replicas and a witness: one order of writes for all; a region alone can neither write nor read so.

    `reachable` says whether a region is there at all, `isolated` whether it is without its peers.
    """

    def __init__(self, scheduler: Scheduler, regions: tuple[str, ...]) -> None:
        self._scheduler = scheduler
        self._items: dict[Key, Versions] = {}
        self._stamps = count()
        self.regions = regions
        self.lost: set[str] = set()
        self.isolated: dict[str, int] = {}

    def read(self, region: str, key: Key, *, strong: bool) -> Item | None:
        versions = self._items.get(key)
        if strong:
            self._require_quorum(region)
            return versions.newest() if versions else None
        return versions.at(self._horizon(region)) if versions else None

    def write(self, region: str, key: Key, change: Callable[[Item | None], Item | None]) -> None:
        self._require_quorum(region)
        now = self._scheduler.now
        versions = self._items.get(key)
        if versions is not None:
            when, _, writer, _ = versions.entries[-1]
            if writer != region and now - when < FLIGHT:
                raise Conflict
        item = change(versions.newest() if versions else None)
        if versions is None:
            versions = self._items[key] = Versions()
        versions.entries.append((now, (now, next(self._stamps)), region, item))

    def scan_stale(self, region: str) -> Iterator[Item]:
        if region in self.lost:
            raise Unreachable
        for versions in self._items.values():
            item = versions.at(self._horizon(region))
            if item is not None:
                yield item

    def truth(self, region: str) -> dict[Key, Item]:
        del region  # one truth for all
        return {key: item for key, versions in self._items.items() if (item := versions.newest()) is not None}

    def writes(self, key: Key) -> list[tuple[Item, Item]]:
        items = [entry[3] for entry in self._items[key].entries] if key in self._items else []
        return [(before, after) for before, after in pairwise(items) if before is not None and after is not None]

    def first_with(self, key: Key, attribute: str) -> int | None:
        entries = self._items[key].entries if key in self._items else []
        return next((when for when, _, _, item in entries if item is not None and attribute in item), None)

    def newest(self, key: Key) -> Item | None:
        """The item, for whoever looks from outside."""
        versions = self._items.get(key)
        return versions.newest() if versions else None

    def newest_change(self, key: Key) -> tuple[Item | None, Item | None]:
        """The last write of an item, as (before, after)."""
        entries = self._items[key].entries
        return entries[-2][3] if len(entries) > 1 else None, entries[-1][3]

    def _require_quorum(self, region: str) -> None:
        if region in self.lost:
            raise Unreachable
        if region in self.isolated:
            raise CutOff

    def _horizon(self, region: str) -> int:
        lag = int(self._scheduler.random.random() * STALE)
        return min(self._scheduler.now - lag, self.isolated.get(region, self._scheduler.now))


class EventualTable:
    """MREC: each region decides on what it has; writes reach the other later, the last one wins."""

    def __init__(self, scheduler: Scheduler, regions: tuple[str, ...], lag: int) -> None:
        self._scheduler = scheduler
        self._lag = lag
        self._replicas: dict[str, dict[Key, Versions]] = {region: {} for region in regions}
        self._held: dict[str, list[tuple[Key, tuple[int, int], Item | None]]] = {region: [] for region in regions}
        self._stamps = count()
        self.regions = regions
        self.lost: set[str] = set()
        self.isolated: dict[str, int] = {}

    def read(self, region: str, key: Key, *, strong: bool) -> Item | None:
        if region in self.lost:
            raise Unreachable
        versions = self._replicas[region].get(key)
        if versions is None:
            return None
        return versions.newest() if strong else versions.at(self._horizon())

    def write(self, region: str, key: Key, change: Callable[[Item | None], Item | None]) -> None:
        if region in self.lost:
            raise Unreachable
        versions = self._replicas[region].get(key)
        item = change(versions.newest() if versions else None)
        stamp = (self._scheduler.now, next(self._stamps))
        self._apply(region, key, stamp, region, item)
        for peer in self.regions:
            if peer != region:
                delay = 1 + int(self._scheduler.random.random() ** 3 * self._lag)
                self._scheduler.after(delay, partial(self._deliver, region, peer, key, stamp, item))

    def scan_stale(self, region: str) -> Iterator[Item]:
        if region in self.lost:
            raise Unreachable
        for versions in self._replicas[region].values():
            item = versions.at(self._horizon())
            if item is not None:
                yield item

    def truth(self, region: str) -> dict[Key, Item]:
        return {
            key: item for key, versions in self._replicas[region].items() if (item := versions.newest()) is not None
        }

    def writes(self, key: Key) -> list[tuple[Item, Item]]:
        del key  # each region has its own order
        return []

    def first_with(self, key: Key, attribute: str) -> int | None:
        del key, attribute
        return None

    def rejoin(self, region: str) -> None:
        """The region is connected again: what was written there, and for it, is delivered."""
        for peer in self.regions:
            held, self._held[peer] = self._held[peer], []
            for key, stamp, item in held:
                self._apply(peer, key, stamp, region, item)

    def _deliver(self, source: str, target: str, key: Key, stamp: tuple[int, int], item: Item | None) -> None:
        if source in self.lost | self.isolated.keys() or target in self.lost | self.isolated.keys():
            self._held[target].append((key, stamp, item))
        else:
            self._apply(target, key, stamp, source, item)

    def _apply(self, region: str, key: Key, stamp: tuple[int, int], writer: str, item: Item | None) -> None:
        versions = self._replicas[region].setdefault(key, Versions())
        if not versions.entries or versions.entries[-1][1] < stamp:
            versions.entries.append((self._scheduler.now, stamp, writer, item))

    def _horizon(self) -> int:
        return self._scheduler.now - int(self._scheduler.random.random() * STALE)
