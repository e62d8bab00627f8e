"""What goes wrong in a seed, and how often.

Every seed draws its own mixture (swarm testing, Groce et al. 2012): a history in which everything fails at once hides
what a history with one kind of fault shows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_RATES: Final = (0.0, 0.0, 0.0, 0.01, 0.03, 0.1, 0.2)
_SLUGGISH: Final = 0.05
"""So many seeds are slow throughout."""
SKEW: Final = 20_000
"""Clocks of the regions differ by no more (ms)."""
_LOSSES: Final = ("none", "none", "function", "region", "isolated", "flapping")


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities for each call between two parts, and the larger events of a seed."""

    lost: float = 0.0
    """The request never arrives."""
    unanswered: float = 0.0
    """It has its effect, the answer is lost."""
    late: float = 0.0
    """It arrives, and has its effect, after its caller has given up."""
    refused: float = 0.0
    """The service says no at once: throttled, an internal error, a conflict. No effect."""
    denied: float = 0.0
    """AWS says that the function may not do this, or that its credentials are out of date."""
    repeated: float = 0.0
    """It arrives twice."""
    slow: float = 0.0
    """It takes seconds."""
    crash: float = 0.0
    """The calling function dies before the call, or after it."""
    stall: float = 0.0
    """The calling function stands still, for longer than a lease at worst, and then goes on as if nothing had been."""
    pending: float = 0.0
    """The card processor takes the request and decides only later."""
    lies: float = 0.0
    """The card processor tells another outcome than the one that it has."""
    skew: int = 0
    """How far the two regions' clocks are apart, in milliseconds."""
    loss: str = "none"
    """What befalls a region: its functions die at once, all of it is gone, it is cut off, or this again and again."""

    @classmethod
    def draw(cls, random: Random) -> Faults:
        """A seed's mixture."""
        rates = {field.name: random.choice(_RATES) for field in fields(cls) if field.type == "float"}
        rates["lies"] = random.choice((0.0,) * 7 + (0.9,))
        skew = random.choice((0, 0, 50, 2_000, SKEW))
        if random.random() < _SLUGGISH:
            # Nobody stands still or dies: it is up to the functions to be over in time.
            return cls(lost=0.3, unanswered=0.2, slow=0.5, skew=skew)
        if rates["lies"]:
            # It shows only where two ask at once, one of whom has a clock that says that the other's lease is over.
            return cls(lies=rates["lies"], skew=SKEW)
        return cls(**rates, skew=skew, loss=random.choice(_LOSSES))
