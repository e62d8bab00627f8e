"""The two roles a region can have, and values that exist once for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Role = Literal["primary", "secondary"]
PRIMARY: Role = "primary"
SECONDARY: Role = "secondary"
ROLES: tuple[Role, ...] = (PRIMARY, SECONDARY)

T = TypeVar("T")
U = TypeVar("U")


def other(role: Role) -> Role:
    """The role of the peer region."""
    return SECONDARY if role == PRIMARY else PRIMARY


@dataclass(frozen=True)
class PerRole(Generic[T]):
    """One value for the primary region and one for the secondary."""

    primary: T
    secondary: T

    @staticmethod
    def build(make: Callable[[Role], U]) -> PerRole[U]:
        """Call `make` for both roles: how a program does a thing in both regions without writing it twice."""
        return PerRole(primary=make(PRIMARY), secondary=make(SECONDARY))

    def of(self, role: Role) -> T:
        """The value for `role`."""
        return self.primary if role == PRIMARY else self.secondary

    def map(self, change: Callable[[T], U]) -> PerRole[U]:
        """The same pair with `change` applied to both values."""
        return PerRole(primary=change(self.primary), secondary=change(self.secondary))

    def whole(self: PerRole[U | None]) -> PerRole[U]:
        """The same pair, of which neither value is None. Raises ValueError."""
        if self.primary is None or self.secondary is None:
            raise ValueError("there is none for one of the regions")
        return PerRole(self.primary, self.secondary)

    def items(self) -> Iterator[tuple[Role, T]]:
        """Both (role, value) pairs, primary first."""
        return iter(((PRIMARY, self.primary), (SECONDARY, self.secondary)))
