"""What an authoritative server answers for the zones' names: records, chains within a zone, and why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sandbox.records import RecordSet, chosen, plain
from sandbox.regional_names import region_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

AWS_TTL = 60
"""Seconds: what AWS's own regional names are answered with."""
LONGEST_CHAIN = 8
"""CNAMEs that are followed in one answer, and aliases of aliases."""
ANY = "ANY"

Outcome = Literal["NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL"]


@dataclass(frozen=True)
class Resolution:
    """An answer: its records in order, and where there is none, whether the name exists and whose zone says so."""

    outcome: Outcome
    records: tuple[RecordSet, ...] = ()
    authority: RecordSet | None = None
    """The zone's SOA with the TTL of a negative answer."""
    chosen_sets: tuple[str, ...] = ()
    """The identifiers of the sets that a routing policy chose, in order."""
    trouble: str = ""

    @property
    def region(self) -> str:
        """The region that the last name leads into; empty when it leads into none."""
        names = [value for each in self.records if each.kind == "CNAME" for value in each.values]
        names += [each.name for each in self.records]
        return next((region for name in reversed(names) if (region := region_of(plain(name)))), "")


@dataclass(frozen=True)
class HostedZone:
    """A public hosted zone and its record sets."""

    name: str
    sets: tuple[RecordSet, ...]
    by_name: dict[str, dict[str, list[RecordSet]]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for each in self.sets:
            self.by_name.setdefault(each.name, {}).setdefault(each.kind, []).append(each)

    def at(self, name: str) -> dict[str, list[RecordSet]] | None:
        """The sets at a name by their type: none for a name that only has others below it, None for none at all.

        An asterisk stands for names below its parent that are not there themselves (RFC 4592).
        """
        if name in self.by_name:
            return self.by_name[name]
        if self._is_above_another(name):
            return {}
        parent = name
        while parent != self.name:
            parent = parent.partition(".")[2]
            if f"*.{parent}" in self.by_name:
                return self.by_name[f"*.{parent}"]
            if parent in self.by_name or self._is_above_another(parent):
                return None
        return None

    @property
    def negative(self) -> RecordSet | None:
        """The SOA with the TTL that a resolver keeps a negative answer for: the least of two (RFC 2308)."""
        found = self.by_name.get(self.name, {}).get("SOA")
        if not found:
            return None
        minimum = int(found[0].values[0].split()[-1])
        return RecordSet(self.name, "SOA", min(found[0].ttl, minimum), found[0].values)

    def _is_above_another(self, name: str) -> bool:
        return any(each.endswith(f".{name}") for each in self.by_name)


class HostedZones:
    """All zones, the names of AWS's regions, and which checks are healthy as far as DNS has heard."""

    def __init__(
        self,
        zones: Iterable[HostedZone],
        healthy: Callable[[str], bool],
        addresses: Callable[[str], str | None],
        resolves: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`healthy` tells a check's status by its id, `addresses` where a region's names lead.

        `resolves` may say of a name that it is gone, as a fault does.
        """
        self._zones = {zone.name: zone for zone in zones}
        self._healthy = healthy
        self._addresses = addresses
        self._resolves = resolves

    def resolve(self, name: str, kind: str) -> Resolution:
        """Answer a question for a name in any spelling; `kind` is a record type such as CNAME, or ANY."""
        return self._resolve(name, kind, ())

    def _resolve(self, name: str, kind: str, aliases: tuple[str, ...]) -> Resolution:
        """The same for what the names `aliases` stand for, each for the next."""
        asked = plain(name)
        records: list[RecordSet] = []
        policies: list[str] = []
        for step in range(LONGEST_CHAIN):
            zone = self._zone(asked)
            if not self._resolves(asked):
                return Resolution("NXDOMAIN", tuple(records), zone.negative if zone else None, tuple(policies))
            if zone is None:
                outcome, found = self._of_aws(asked, kind)
                if outcome == "REFUSED" and step:
                    outcome = "NOERROR"  # the chain leaves what is known here: a resolver asks on elsewhere
                return Resolution(outcome, (*records, *found), chosen_sets=tuple(policies))
            there = zone.at(asked)
            if there is None:
                return Resolution("NXDOMAIN", tuple(records), zone.negative, tuple(policies))
            try:
                answered = [self._choose(sets) for sets in _of_kind(there, kind)]
                followed = self._choose(there["CNAME"]) if not answered and "CNAME" in there else None
                taken = [expanded for each in answered for expanded in self._expanded(each, asked, aliases)]
            except _Unimitated as trouble:
                return Resolution("SERVFAIL", trouble=f"{asked}: {trouble}")
            policies += [each.identifier for each in (*answered, *([followed] if followed else [])) if each.failover]
            if followed is None:
                negative = None if taken else zone.negative
                return Resolution("NOERROR", (*records, *taken), negative, tuple(policies))
            records.append(_named(followed, asked))
            asked = plain(followed.values[0])
        return Resolution("SERVFAIL", trouble=f"{name}: more than {LONGEST_CHAIN} CNAMEs in a row")

    def unimitated(self) -> list[str]:
        """A line for each name that is not answered, as its routing policy is not imitated."""
        found = {
            f"{each.name} {each.kind} is answered SERVFAIL: its policy {each.unknown_policy} is not imitated"
            for zone in self._zones.values()
            for each in zone.sets
            if each.unknown_policy
        }
        return sorted(found)

    def _zone(self, name: str) -> HostedZone | None:
        """The zone that has most of a name."""
        while name:
            if name in self._zones:
                return self._zones[name]
            name = name.partition(".")[2]
        return None

    def _of_aws(self, name: str, kind: str) -> tuple[Outcome, tuple[RecordSet, ...]]:
        region = region_of(name)
        address = self._addresses(region) if region else None
        if address is None:
            return "REFUSED", ()
        return "NOERROR", (RecordSet(name, "A", AWS_TTL, (address,)),) if kind in {"A", ANY} else ()

    def _choose(self, sets: list[RecordSet]) -> RecordSet:
        for each in sets:
            if each.unknown_policy:
                raise _Unimitated(f"the routing policy {each.unknown_policy} is not imitated")
        return chosen(sets, self._is_healthy)

    def _is_healthy(self, record: RecordSet) -> bool:
        return (not record.check or self._healthy(record.check)) and self._target_is_healthy(record, LONGEST_CHAIN)

    def _target_is_healthy(self, record: RecordSet, depth: int) -> bool:
        """An alias that evaluates its target is healthy while any record is that it stands for.

        An API's regional name always is: its service would have to be down in the region, not the API.
        """
        if record.alias is None or not record.alias.evaluates or not depth:
            return True
        zone = self._zone(record.alias.target)
        targets = (zone.at(record.alias.target) or {}).get(record.kind, []) if zone else []
        return not targets or any(
            (not each.check or self._healthy(each.check)) and self._target_is_healthy(each, depth - 1)
            for each in targets
        )

    def _expanded(self, record: RecordSet, asked: str, aliases: tuple[str, ...]) -> Iterator[RecordSet]:
        """The record as it is answered: an alias as what it stands for, with the target's TTL and the alias's name."""
        if record.alias is None:
            yield _named(record, asked)
            return
        if asked in aliases or record.alias.target == asked:
            raise _Unimitated("it is an alias of itself")
        if len(aliases) == LONGEST_CHAIN:
            raise _Unimitated(f"more than {LONGEST_CHAIN} aliases in a row")
        target = self._resolve(record.alias.target, record.kind, (*aliases, asked))
        if target.outcome == "SERVFAIL":
            raise _Unimitated(target.trouble)
        for each in target.records:
            if each.kind == record.kind:
                yield _named(each, asked)


class _Unimitated(Exception):
    """The sandbox does not know what AWS would answer."""


def _of_kind(there: dict[str, list[RecordSet]], kind: str) -> Iterator[list[RecordSet]]:
    if kind == ANY:
        yield from there.values()
    elif kind in there:
        yield there[kind]


def _named(record: RecordSet, name: str) -> RecordSet:
    """With the name that was asked for: a wildcard's answer has it."""
    return RecordSet(name, record.kind, record.ttl, record.values, record.identifier, record.failover, record.check)
