"""What can be broken, and how it is said. A fault is data: `rules` and `network` say what follows from it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY: Final = "*"
"""In `InjectedFault.cut`: every other region."""


@dataclass(frozen=True)
class InjectedFault:
    """One thing that is broken."""

    kind: str
    region: str
    """An AWS region."""
    part: str = ""
    """What of the region; its kind says what that may be."""
    how: str = ""
    probability: float = 1.0
    """Of each request to be hit."""
    seconds: float = 0.0
    """By which an answer is late."""
    cut: tuple[tuple[str, str], ...] = ()
    """Of a partition: from where to where nothing comes through."""
    number: int = 0
    """Given when it begins, and never again to another one."""
    since: float = 0.0
    """When it began, in seconds since 1970."""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> InjectedFault:
        """From JSON."""
        return cls(**{**told, "cut": tuple((a, b) for a, b in told.get("cut", ()))})

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "cut": [list(pair) for pair in self.cut]}

    def __str__(self) -> str:
        words = [self.kind, self.part, self.how]
        words += [f"{self.probability * 100:g} %"] if self.probability != 1 else []
        words += [f"{self.seconds:g} s"] if self.seconds else []
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class FaultKind:
    """What may be said of one kind of fault."""

    says: str
    """What it does, for people."""
    parts: tuple[str, ...] = ("",)
    """What `part` may be, the default first; "*" for any text, which must then be given."""
    part_is: str = ""
    """What a free `part` names, with an example."""
    hows: tuple[str, ...] = ("",)
    """What `how` may be, the default first; "*" for any text after the default."""
    seconds: float | None = None
    """The default; None where there is nothing to say of time."""
    probability: float | None = None
    """The default; None where all requests are hit."""


WHOLE = ("", "gateway", "aws")
"""A region's gateway and its AWS API, or one of them."""
FUNCTION_FAILURES = ("error", "crash", "timeout")
BLOCKED = ("refuse", "hang")
DEPENDENCIES: Final[Mapping[str, str]] = {
    "secrets": "secretsmanager",
    "parameters": "ssm",
    "keys": "kms",
    "logs": "logs",
    "bucket": "s3",
    "table": "dynamodb",
    "processor": "processor",
}
"""What functions stand on, and the service behind it."""
COLD: Final = "-cold"
"""At the end of how a dependency is blocked: functions' processes end too, and start anew without it."""

KINDS: Final[Mapping[str, FaultKind]] = {
    "refuse": FaultKind("connections are refused, open ones reset", WHOLE),
    "hang": FaultKind("requests are taken and never answered, open ones too", WHOLE),
    "5xx": FaultKind("every answer is 503", WHOLE, probability=1.0),
    "slow": FaultKind("answers are late by --seconds", WHOLE, seconds=3.0),
    "lossy": FaultKind("of requests and answers --probability are lost on their way", WHOLE, probability=0.3),
    "grey": FaultKind("payments fail, health answers", hows=FUNCTION_FAILURES, probability=1.0),
    "data": FaultKind("DynamoDB alone is out", hows=("5xx", *BLOCKED)),
    "function": FaultKind(
        "one function raises an error, crashes or runs into its time-out",
        ("*",),
        part_is="a function, such as health or its whole name",
        hows=FUNCTION_FAILURES,
        probability=1.0,
    ),
    "operation": FaultKind(
        "one AWS operation answers --how, an error's code",
        ("*",),
        part_is="an operation, such as dynamodb:PutItem",
        hows=("InternalServerError", "*"),
        probability=1.0,
    ),
    "dependency": FaultKind(
        "functions do not reach one thing that they stand on; with …-cold their processes start anew without it",
        ("*",),
        part_is=", ".join(DEPENDENCIES),
        hows=(*BLOCKED, *(how + COLD for how in BLOCKED)),
    ),
    "name": FaultKind(
        "a name resolves to nothing, for functions and in DNS",
        ("*",),
        part_is="a DNS name, such as dynamodb.us-east-1.amazonaws.com",
    ),
    "throttle": FaultKind(
        "the REST API (429), the functions (500 at the API, 502 at a load balancer) or the table are throttled",
        ("api", "functions", "table"),
        probability=1.0,
    ),
    "zone": FaultKind(
        "the functions' environments in a zone end, and start in the others", ("*",), part_is="a zone's id"
    ),
    "partition": FaultKind(
        "the region is alive and cut off from the others: isolated, from its peer or the witness alone, or each from "
        "each; in both directions or one",
        ("isolated", "peer", "witness", "each"),
        hows=("both", "outbound", "inbound"),
    ),
}


def checked(fault: InjectedFault, given: Mapping[str, float | None]) -> InjectedFault:
    """The fault with its kind's defaults in the place of what was not said. `given`: probability and seconds or None.

    Raises Problem when the kind knows no such part, way, probability or time. A free part is `fault_parts`' to judge.
    """
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise Problem(f"unknown --kind {fault.kind!r}: choose one of {', '.join(KINDS)}")
    return replace(
        fault,
        part=_part(fault, kind),
        how=_how(fault, kind),
        probability=_probability(fault.kind, kind, given["probability"]),
        seconds=_seconds(fault.kind, kind, given["seconds"]),
    )


def _part(fault: InjectedFault, kind: FaultKind) -> str:
    if kind.parts == ("*",):
        if not fault.part:
            raise Problem(f"--kind {fault.kind}: say which --part ({kind.part_is})")
        known = {"dependency": tuple(DEPENDENCIES)}.get(fault.kind)
        if known and fault.part not in known:
            raise Problem(f"unknown --part {fault.part!r} of --kind {fault.kind}: choose one of {', '.join(known)}")
        return fault.part
    if fault.part and fault.part not in kind.parts:
        choose = ", ".join(filter(None, kind.parts))
        instead = f"choose one of {choose}, or leave it out" if choose else "leave it out"
        raise Problem(f"unknown --part {fault.part!r} of --kind {fault.kind}: {instead}")
    return fault.part or kind.parts[0]


def _how(fault: InjectedFault, kind: FaultKind) -> str:
    if not fault.how:
        return kind.hows[0]
    if fault.how in kind.hows:
        return fault.how
    if "*" in kind.hows and fault.how.isalnum():
        return fault.how
    ways = ", ".join(filter(None, kind.hows)) if "*" not in kind.hows else ""
    raise Problem(
        f"unknown --how {fault.how!r} of --kind {fault.kind}: "
        + (
            f"choose one of {ways}"
            if ways
            else "an error's code has letters only"
            if "*" in kind.hows
            else "leave it out"
        )
    )


def _probability(name: str, kind: FaultKind, given: float | None) -> float:
    if given is None:
        return 1.0 if kind.probability is None else kind.probability
    if kind.probability is None:
        raise Problem(f"--kind {name} hits all: leave --probability out")
    if not 0 < given <= 1:
        raise Problem(f"--probability {given:g}: it is more than 0 and at most 1")
    return given


LONGEST: Final = 900.0
"""Seconds by which an answer may be late."""


def _seconds(name: str, kind: FaultKind, given: float | None) -> float:
    if given is None:
        return kind.seconds or 0.0
    if kind.seconds is None:
        raise Problem(f"--kind {name} knows no time: leave --seconds out (./invoke heal ends it)")
    if not (math.isfinite(given) and 0 < given <= LONGEST):
        raise Problem(f"--seconds {given:g}: it is more than 0 and at most {LONGEST:g}")
    return given
