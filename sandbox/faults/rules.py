"""What faults do to one request, and to one invocation of a function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from sandbox.faults.fault import COLD, DEPENDENCIES, InjectedFault
from sandbox.faults.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

GATEWAY: Final = "gateway"
"""The service of a request to a region's gateway."""

Act = Literal["answer", "refuse", "hang", "fail"]


@dataclass(frozen=True)
class Asked:
    """Who asks what of whom."""

    region: str
    """That is asked; empty for global services."""
    service: str
    """As requests are signed for it; GATEWAY for a region's gateway."""
    operation: str = ""
    """Of AWS's API, such as PutItem; empty where it is not known."""
    origin: str = ""
    """The region in which the function runs that asks; empty when nobody in AWS does."""


@dataclass(frozen=True)
class Consequence:
    """What becomes of a request."""

    act: Act = "answer"
    seconds: float = 0.0
    """That the answer is late."""
    status: int = 0
    code: str = ""
    """An AWS error's, of a request that fails."""
    loses_answer: bool = False
    """It is done, and nobody hears of it."""


ANSWERED: Final = Consequence()
REFUSED: Final = Consequence("refuse")
HANGS: Final = Consequence("hang")
UNAVAILABLE: Final = Consequence("fail", status=503, code="ServiceUnavailable")

_SERVER_ERRORS: Final = {
    "InternalServerError": 500,
    "InternalError": 500,
    "InternalFailure": 500,
    "InternalServiceError": 500,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "SlowDown": 503,
}


def lasting(faults: Iterable[InjectedFault], asked: Asked) -> Consequence:
    """What becomes of a request as long as the faults last: refused, left hanging or answered. Nothing is drawn."""
    faults = tuple(faults)
    for fault in faults:
        blocked = _blocked(fault, asked)
        if blocked:
            return REFUSED if blocked == "refuse" else HANGS
    if asked.origin and asked.region and not Network(faults).reaches(asked.origin, asked.region):
        return HANGS  # packets are lost: nothing tells the sender
    return ANSWERED


def consequence(faults: Iterable[InjectedFault], asked: Asked, chance: Callable[[], float]) -> Consequence:
    """What becomes of a new request; `chance` draws numbers from 0 up to 1."""
    faults = tuple(faults)
    found = lasting(faults, asked)
    if found is not ANSWERED:
        return found
    late, loses = 0.0, False
    for fault in faults:
        failed = _failure(fault, asked)
        if failed and _hit(fault, chance):
            return failed
        if fault.kind == "lossy" and _concerns(fault, asked) and _hit(fault, chance):
            if chance() < 0.5:
                return HANGS
            loses = True
        if fault.kind == "slow" and _concerns(fault, asked):
            late += fault.seconds
    return Consequence(seconds=late, loses_answer=loses) if late or loses else ANSWERED


def resolves(faults: Iterable[InjectedFault], name: str) -> bool:
    """Whether a DNS name still leads anywhere: DNS and the functions' resolver ask this first."""
    name = name.rstrip(".").lower()
    return not any(fault.kind == "name" and fault.part.rstrip(".").lower() == name for fault in faults)


def function_failure(faults: Iterable[InjectedFault], region: str, name: str, chance: Callable[[], float]) -> str:
    """How an invocation of a function fails: error, crash or timeout; empty when it does not."""
    for fault in faults:
        if fault.kind in {"function", "grey"} and (fault.region, fault.part) == (region, name) and _hit(fault, chance):
            return fault.how
    return ""


def throttled(faults: Iterable[InjectedFault], region: str, part: str, chance: Callable[[], float]) -> bool:
    """Whether a call of the region's API or functions comes too often."""
    return any(
        fault.kind == "throttle" and (fault.region, fault.part) == (region, part) and _hit(fault, chance)
        for fault in faults
    )


def dependency(faults: Iterable[InjectedFault], origin: str, service: str) -> str:
    """How functions of a region are kept from a service: refuse, hang or not at all (empty)."""
    for fault in faults:
        if fault.kind == "dependency" and fault.region == origin and DEPENDENCIES[fault.part] == service:
            return fault.how.removesuffix(COLD)
    return ""


def operations(faults: Iterable[InjectedFault]) -> Iterator[str]:
    """The services of whose requests the operation has to be known."""
    return (fault.part.partition(":")[0] for fault in faults if fault.kind == "operation")


def _blocked(fault: InjectedFault, asked: Asked) -> str:
    """How a fault keeps a request from being answered as long as it lasts: refuse, hang or not (empty)."""
    if fault.kind in {"refuse", "hang"} and _concerns(fault, asked):
        return fault.kind
    if fault.kind == "data" and fault.how != "5xx" and _of(fault, asked, "dynamodb"):
        return fault.how
    if asked.origin and (how := dependency((fault,), asked.origin, asked.service)):
        return how
    if not resolves((fault,), f"{asked.service}.{asked.region}.amazonaws.com"):
        return "refuse"
    return ""


def _failure(fault: InjectedFault, asked: Asked) -> Consequence | None:
    """With what error a fault answers a request, if it hits it."""
    if fault.kind == "5xx" and _concerns(fault, asked):
        return UNAVAILABLE
    if fault.kind == "data" and fault.how == "5xx" and _of(fault, asked, "dynamodb"):
        return Consequence("fail", status=500, code="InternalServerError")
    if fault.kind == "throttle" and fault.part == "table" and _of(fault, asked, "dynamodb"):
        return Consequence("fail", status=400, code="ProvisionedThroughputExceededException")
    if fault.kind == "operation":
        service, _, operation = fault.part.partition(":")
        if _of(fault, asked, service) and asked.operation == operation:
            return Consequence("fail", status=_SERVER_ERRORS.get(fault.how, 400), code=fault.how)
    return None


def _concerns(fault: InjectedFault, asked: Asked) -> bool:
    """Whether a fault of a region as a whole is one of this request's region."""
    is_gateway = asked.service == GATEWAY
    return fault.region == asked.region and fault.part in {"", GATEWAY if is_gateway else "aws"}


def _of(fault: InjectedFault, asked: Asked, service: str) -> bool:
    return (fault.region, service) == (asked.region, asked.service)


def _hit(fault: InjectedFault, chance: Callable[[], float]) -> bool:
    return fault.probability >= 1 or chance() < fault.probability
