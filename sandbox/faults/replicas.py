"""The replicas of a global table while regions do not hear each other: who may answer, who has which write.

Both kinds forget everything as soon as all replicas have all writes. What they are told can be told again, in the same
order, to another one: that is how they survive a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Key = tuple[Any, Any]
    Item = Mapping[str, Any] | None


KEPT: Final = "_replicas"
"""Where a table, in the first of its regions, keeps what its replicas lack: it is saved with it."""


class Stamp(NamedTuple):
    """When and where a write was made: the greater one wins."""

    nanoseconds: int
    region: str


class ReplicatedWrite(NamedTuple):
    """One write that has yet to reach a replica."""

    key: Key
    item: Item
    """None: the item was deleted."""
    stamp: Stamp


@dataclass
class StrongReplicas:
    """Multi-Region strong consistency (MRSC): a write is acknowledged when a majority of the members has it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html: three members, of
    which one may be a witness. A region that hears one other goes on; alone it answers eventually consistent reads
    only, and after that it is brought up to date before it answers more.
    """

    members: frozenset[str]
    """The regions of the replicas and of the witness."""
    seen: dict[str, int] = field(default_factory=dict)
    """The number of the last write that a member has; 0 when nothing was missed since this began."""
    missed: dict[str, dict[Key, None]] = field(default_factory=dict)
    """The items of which a member lacks the last write."""

    def serves(self, heard: Iterable[str]) -> bool:
        """Whether a region that hears these others may write and read strongly."""
        return 2 * (1 + len(self.members & set(heard))) > len(self.members)

    def caught_up(self, region: str, heard: Iterable[str]) -> list[tuple[str, list[Key]]]:
        """Bring a region that serves, and those that it hears, up to date: each with the items that it must copy.

        What a majority knows is all that was ever acknowledged.
        """
        among = [region, *sorted(self.members & set(heard))]
        number = max(self.seen.get(member, 0) for member in among)
        found = []
        for member in among:
            if self.seen.get(member, 0) < number:
                found.append((member, list(self.missed.pop(member, ()))))
                self.seen[member] = number
        return found

    def wrote(self, key: Key, holders: Iterable[str]) -> None:
        """Note a write that these members have, and no others. They have caught up before."""
        number = max(self.seen.values(), default=0) + 1
        for member in self.members:
            if member in set(holders):
                self.seen[member] = number
            else:
                self.missed.setdefault(member, {})[key] = None

    def newest(self) -> list[str]:
        """The members that have every write."""
        number = max(self.seen.values(), default=0)
        return sorted(member for member in self.members if self.seen.get(member, 0) == number)

    def whole(self) -> bool:
        """Whether all members have all writes."""
        return len(self.newest()) == len(self.members)


@dataclass
class EventualReplicas:
    """Multi-Region eventual consistency (MREC): writes wait for the way to be free, and the last writer wins.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html: by the time of the
    write, item by item. What loses had been acknowledged; DynamoDB tells nobody.
    """

    waiting: dict[tuple[str, str], list[ReplicatedWrite]] = field(default_factory=dict)
    """By sender and receiver, in the order in which they were made."""
    stamps: dict[str, dict[Key, Stamp]] = field(default_factory=dict)
    """Of the write that an item of a region has, if it was made since this began."""
    lost: dict[tuple[Key, Stamp], Item] = field(default_factory=dict)
    """Acknowledged writes that another one has won against; with three replicas also those overtaken on a way."""

    def wrote(self, write: ReplicatedWrite, at_once: Iterable[str], later: Iterable[str]) -> list[str]:
        """Note a write in its region; return the receivers, of those that hear it at once, in which it wins."""
        self._has(write.stamp.region, write)
        for receiver in later:
            self.waiting.setdefault((write.stamp.region, receiver), []).append(write)
        return [receiver for receiver in at_once if self._arrives(receiver, write)]

    def delivered(self, sender: str, receiver: str) -> list[ReplicatedWrite]:
        """Note that the way is free; return the writes that the receiver is to apply, in their order."""
        found = self.waiting.pop((sender, receiver), [])
        applied = [write for write in found if self._arrives(receiver, write)]
        if not self.waiting:
            self.stamps.clear()  # whatever is written from now on is later than all that there is
        return applied

    def oldest(self, sender: str, receiver: str) -> Stamp | None:
        """The first write that waits on a way."""
        waiting = self.waiting.get((sender, receiver))
        return waiting[0].stamp if waiting else None

    def whole(self) -> bool:
        """Whether nothing waits."""
        return not self.waiting

    def _arrives(self, receiver: str, write: ReplicatedWrite) -> bool:
        there = self.stamps.get(receiver, {}).get(write.key)
        if there is not None and there > write.stamp:
            self.lost[write.key, write.stamp] = write.item
            return False
        self._has(receiver, write)
        return True

    def _has(self, region: str, write: ReplicatedWrite) -> None:
        self.stamps.setdefault(region, {})[write.key] = write.stamp


Told = tuple[frozenset[str] | None, str, tuple[Any, ...]]
"""The members of strong replicas, or None; what they were told, by its method; and the arguments."""


def retold(found: StrongReplicas | EventualReplicas | None, told: Told) -> StrongReplicas | EventualReplicas:
    """The replicas after they were told something again."""
    members, _, _ = told
    replicas = found or (EventualReplicas() if members is None else StrongReplicas(members))
    tell(replicas, told)
    return replicas


def is_over(replicas: StrongReplicas | EventualReplicas) -> bool:
    """Whether there is nothing to know of them any more."""
    return replicas.whole() and not (isinstance(replicas, EventualReplicas) and replicas.lost)


def tell(replicas: StrongReplicas | EventualReplicas, told: Told) -> Any:
    """Tell replicas something; return what they answer."""
    _, method, arguments = told
    return getattr(replicas, method)(*arguments)
