"""Which regions hear each other while faults are in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.faults.fault import ANY, InjectedFault

if TYPE_CHECKING:
    from collections.abc import Iterable

_OUT = frozenset({"refuse", "hang"})


@dataclass(frozen=True)
class Network:
    """The ways between regions, under these faults."""

    faults: tuple[InjectedFault, ...] = ()

    def is_out(self, region: str, service: str = "") -> bool:
        """Whether a region, or one service of it, is there for nobody, other regions included."""
        return any(
            fault.region == region
            and ((fault.kind in _OUT and fault.part in {"", "aws"}) or (fault.kind == "data" and service == "dynamodb"))
            for fault in self.faults
        )

    def delivers(self, sender: str, receiver: str, service: str = "") -> bool:
        """Whether what one region sends arrives in another; a region always hears itself."""
        if self.is_out(sender, service) or self.is_out(receiver, service):
            return False
        return sender == receiver or not any(
            {sender, ANY} & {start} and {receiver, ANY} & {end} for fault in self.faults for start, end in fault.cut
        )

    def reaches(self, one: str, other: str, service: str = "") -> bool:
        """Whether one region can ask the other and gets an answer: both directions work."""
        return self.delivers(one, other, service) and self.delivers(other, one, service)


def cuts(region: str, others: Iterable[str], how: str) -> tuple[tuple[str, str], ...]:
    """What a partition between a region and others cuts, in both directions or one."""
    found: list[tuple[str, str]] = []
    for other in others:
        found += [(region, other)] if how in {"both", "outbound"} else []
        found += [(other, region)] if how in {"both", "inbound"} else []
    return tuple(found)
