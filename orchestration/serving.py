"""Which regions serve clients, and whether a deployment may touch the only one that does.

A bad release to one of two regions costs nothing, as the other one serves. To the only one it is an outage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY, Role, other

if TYPE_CHECKING:
    from shared.stack import Stack

WAY_BACK: Final = "./invoke restore lets clients back to it"


class OnlyServingRegion(Problem):
    """A run that has changed nothing, because it would have changed the only region that serves."""

    def __init__(self, text: str, stacks: Collection[Stack]) -> None:
        super().__init__(text)
        self.stacks = tuple(stacks)


@dataclass(frozen=True)
class WhoServes:
    """What is known of both regions."""

    healthy: Collection[Role]
    """The roles whose /health answered 200; one that is not known to be healthy is not in it."""
    evacuated: bool
    """Whether the stop switch keeps the primary out. It does not bring a secondary that is out back."""

    @property
    def only(self) -> Role | None:
        """The role that serves alone; None when both serve, or neither: then a deployment may be the cure."""
        serving = [role for role in ROLES if role in self.healthy and not (role == PRIMARY and self.evacuated)]
        return serving[0] if len(serving) == 1 else None


def require_another(found: WhoServes, released: Collection[Stack], regions: Callable[[Role], str]) -> None:
    """Raise OnlyServingRegion when what is released changes the only region that serves: its stacks, or global ones.

    regions: the AWS region of a role.
    """
    role = found.only
    if role is None:
        return
    touching = [stack for stack in released if stack.role in {role, None}]
    if not touching:
        return
    out = other(role)
    why = f"{regions(out)} ({out}) " + ("is evacuated" if out in found.healthy else "does not answer /health")
    first = WAY_BACK if role == SECONDARY and found.evacuated else f"bring {regions(out)} back first"
    raise OnlyServingRegion(
        f"{', '.join(map(str, touching))} would change in {regions(role)} ({role}), the only region that serves, as "
        f"{why}; nothing was changed: {first}, or add --force to go on anyway",
        touching,
    )
