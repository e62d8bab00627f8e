"""Faults of functions: how their invocations fail, where their processes run, and from which address they call."""

from __future__ import annotations

import itertools
import random
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sandbox import addresses
from sandbox.faults import rules
from sandbox.faults.fault import COLD

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.faults.fault import InjectedFault


class AvailabilityZone(NamedTuple):
    """An availability zone."""

    name: str
    id: str


class FunctionProcess(Protocol):
    """An execution environment of a function."""

    config: dict[str, Any]
    region: str
    zone: AvailabilityZone | None

    def crash(self) -> None:
        """End its process."""


class NoZoneError(Exception):
    """All zones that a function has subnets in are lost."""


class FunctionFaults:
    """What the execution environments ask. Their threads do: nothing here changes what they read."""

    def __init__(self, in_force: Callable[[], tuple[InjectedFault, ...]]) -> None:
        self._in_force = in_force
        self._chance = random.SystemRandom().random
        self._known: weakref.WeakSet[FunctionProcess] = weakref.WeakSet()
        self._started = itertools.count()
        self._addresses = addresses.of_functions()
        self.regions = {address: region for region, address in self._addresses.items()}
        """The region whose functions call from an address."""
        self.keys: dict[str, str] = {}
        """The region of the function that signs with a key."""

    def know(self, environment: FunctionProcess) -> None:
        self._known.add(environment)

    def address(self, region: str) -> str:
        """From where the functions of a region call; empty where that cannot be chosen."""
        return self._addresses.get(region, "")

    def failure(self, environment: FunctionProcess) -> str:
        """How an invocation fails that comes now; empty when it does not."""
        if not (faults := self._in_force()):
            return ""
        return rules.function_failure(faults, environment.region, environment.config["FunctionName"], self._chance)

    def throttled(self, region: str, part: str) -> bool:
        """Whether a call of the region's api or functions comes too often."""
        return bool(faults := self._in_force()) and rules.throttled(faults, region, part, self._chance)

    def zone(self, environment: FunctionProcess) -> AvailabilityZone | None:
        """Where a process starts: in each zone of the function's subnets in turn, but in none that is lost.

        None for a function that is in no VPC. Raises NoZoneError.
        """
        zones = _zones(environment.config)
        lost = {fault.part for fault in self._in_force() if (fault.kind, fault.region) == ("zone", environment.region)}
        left = [zone for zone in zones if not lost & set(zone)]
        if zones and not left:
            raise NoZoneError(f"no subnet of {environment.config['FunctionName']} is in a zone that works")
        return left[next(self._started) % len(left)] if left else None

    def missing(self, fault: InjectedFault) -> str:
        """What is wrong with a fault of a function or an API that is not there; empty when it is."""
        if (fault.kind, fault.part) == ("throttle", "api"):
            return _unlimited(fault.region)
        from ministack.services import lambda_svc  # noqa: PLC0415 - as late as the emulator's own import of it

        if fault.kind not in {"function", "grey"}:
            return ""
        there = sorted(name for _, region, name in lambda_svc._functions._data if region == fault.region)
        if fault.part in there:
            return ""
        known = f"there are {', '.join(there)}" if there else "there is none; ./invoke deploy-all deploys them"
        return f"no function {fault.part!r} in {fault.region}: {known}"

    def begun(self, fault: InjectedFault) -> None:
        """End the processes that a fault takes with it as it begins, and what they do."""
        for environment in tuple(self._known):
            if environment.region == fault.region and _ends(fault, environment):
                environment.crash()


def _ends(fault: InjectedFault, environment: FunctionProcess) -> bool:
    if fault.kind == "zone":
        return environment.zone is not None and fault.part in environment.zone
    if fault.kind in {"function", "grey"}:
        return fault.how == "crash" and fault.part == environment.config["FunctionName"] and fault.probability >= 1
    return fault.kind == "dependency" and fault.how.endswith(COLD)


def _unlimited(region: str) -> str:
    """Why nothing in a region throttles its callers; empty while something might."""
    from ministack.services import alb, apigateway_v1  # noqa: PLC0415 - as late as the emulator's own import of them

    apis, balancers = (
        any(home == region for (_, home, _), _ in kept.all_items()) for kept in (apigateway_v1._rest_apis, alb._lbs)
    )
    if apis or not balancers:
        return ""
    return f"no REST API in {region}, and a load balancer throttles nobody: choose --part functions"


def _zones(config: dict[str, Any]) -> list[AvailabilityZone]:
    from ministack.services import ec2  # noqa: PLC0415 - as late as the emulator's own import of it

    _, _, _, region, account, *_ = config["FunctionArn"].split(":")
    subnets = (config.get("VpcConfig") or {}).get("SubnetIds", ())
    found = (ec2._subnets.get_scoped(account, region, subnet) for subnet in subnets)
    return sorted(
        {AvailabilityZone(each["AvailabilityZone"], each.get("AvailabilityZoneId", "")) for each in found if each}
    )
