"""What a fault's region and part must be, so that it reaches something: a slip would begin a fault that breaks nothing.

Commands and files of outages are held to it alike. What only the running cloud knows, it says when the fault begins.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from sandbox import addresses
from sandbox.cloud.requests import GLOBAL_SERVICES, NAMED_BY_REST
from sandbox.regional_names import region_of
from shared import naming
from shared.errors import Problem
from shared.roles import ROLES, SECONDARY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.faults.fault import InjectedFault
    from shared.environment import Environment
    from shared.roles import Role

FUNCTIONS = {
    "payment": naming.PAYMENT_FUNCTION,
    "health": naming.HEALTH_FUNCTION,
    "audit": naming.AUDIT_FUNCTION,
    "canary": naming.CANARY_FUNCTION,
    "failover_control": naming.FAILOVER_CONTROL_FUNCTION,
}
"""The functions by the folders of their code."""
IN_ONE_REGION = {"failover_control": SECONDARY}
CANARIES = "cwsyn-"
"""The beginning of the names of Synthetics' functions: the rest is AWS's choice."""
OF_FUNCTIONS = frozenset({"function", "grey", "dependency", "throttle"})
"""Kinds of faults that are met where the functions are, and nowhere else."""
MODELS = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2"}
"""Where the SDK has another name for a service than requests are signed for."""
LISTED = 20
"""So many words are listed where none is like the one that was said."""
EXAMPLE = "dynamodb.us-east-1.amazonaws.com"

_NAME = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?")
_OF_AWS = re.compile(r"(?P<service>[a-z0-9-]+)\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")


def part_of(fault: InjectedFault, environment: Environment) -> str:
    """The part as requests are compared with it, such as a function's whole name. `fault.region` is an AWS region.

    Raises Problem, a line with what is known, where the fault would reach nothing.
    """
    if fault.kind in OF_FUNCTIONS or fault.part == "gateway":
        role = _role(fault, environment)
        if fault.kind in {"function", "grey"}:
            return _function(fault.part or "payment", role, environment)
    elif fault.kind == "zone":
        _require_zone(fault.part, fault.region, environment)
    elif fault.kind == "operation":
        return _operation(fault.part)
    elif fault.kind == "name":
        _require_name(fault.part)
    return fault.part


def _role(fault: InjectedFault, environment: Environment) -> Role:
    for role in ROLES:
        if environment.region(role) == fault.region:
            return role
    raise Problem(
        f"--kind {fault}: nothing of {environment.name} that it reaches is in {fault.region}: choose its primary or "
        "secondary"
    )


def _function(named: str, role: Role, environment: Environment) -> str:
    folder = named.replace("-", "_")
    if folder in FUNCTIONS:
        if IN_ONE_REGION.get(folder, role) != role:
            raise Problem(f"--part {named!r} is in {environment.region(IN_ONE_REGION[folder])} alone")
        return environment.names.of(FUNCTIONS[folder], role)
    there = {
        environment.names.of(kind, role)
        for folder, kind in FUNCTIONS.items()
        if IN_ONE_REGION.get(folder, role) == role
    }
    if named in there or named.startswith(CANARIES):
        return named
    raise Problem(
        f"unknown --part {named!r} of {environment.name} in {environment.region(role)}: choose one of "
        f"{', '.join(FUNCTIONS)}, or a whole name (a canary of Synthetics has one: {CANARIES}…)"
    )


def _require_zone(zone: str, region: str, environment: Environment) -> None:
    zones = {environment.region(role): environment.network.zones.of(role) for role in ROLES}
    known = zones.get(region, ())
    if zone not in known:
        raise Problem(f"--part {zone!r} is no zone of {environment.name} in {region}: choose one of {', '.join(known)}")


def _operation(part: str) -> str:
    """An operation of AWS's, behind the service that its requests are signed for."""
    named, _, operation = part.partition(":")
    if not named or not operation:
        raise Problem(f"--part {part!r} is no operation: say it as dynamodb:PutItem")
    model = _model(named)
    if model is None:
        raise Problem(f"--part {part!r}: AWS has no service {named!r}{_like(named, (*_services(), *MODELS))}")
    service: str = model.signing_name
    if service in GLOBAL_SERVICES:
        raise Problem(f"--part {part!r}: {service} is global and belongs to no region: no fault of one reaches it")
    known: Iterable[str] = model.operation_names
    if model.metadata["protocol"].startswith("rest-"):
        known = NAMED_BY_REST.get(service, ())
        if not known:
            raise Problem(f"--part {part!r}: the sandbox cannot tell operations of {service} from each other")
    if operation not in known:
        raise Problem(f"--part {part!r}: {service} has no operation {operation!r} here{_like(operation, known)}")
    return f"{service}:{operation}"


def _require_name(part: str) -> None:
    name = part.lower().removesuffix(".")
    if not _NAME.fullmatch(part.lower()):
        raise Problem(f"--part {part!r} is no DNS name: say it as {EXAMPLE}")
    if name != "amazonaws.com" and not name.endswith(".amazonaws.com"):
        return
    if region_of(name) in addresses.REGIONS:
        return
    found = _OF_AWS.fullmatch(name)
    model = _model(found["service"]) if found and found["region"] in addresses.REGIONS else None
    if found is None or model is None or model.signing_name != found["service"]:
        raise Problem(f"--part {part!r} is no name of AWS's in a region that there is: say it as {EXAMPLE}")


def _model(service: str) -> Any:
    """The SDK's model of a service, None for what is none."""
    name = MODELS.get(service, service)
    return _sdk().get_service_model(name) if name in _services() else None


def _services() -> list[str]:
    return list(_sdk().get_available_services())


@cache
def _sdk() -> Any:
    from botocore.session import Session  # noqa: PLC0415 - a tenth of a second, for two kinds of faults alone

    return Session()


def _like(named: str, known: Iterable[str]) -> str:
    by_letters = {each.lower(): each for each in known}
    found = [by_letters[each] for each in get_close_matches(named.lower(), by_letters, n=3)]
    if found:
        return f": is it {' or '.join(found)}?"
    return f": known are {', '.join(sorted(by_letters.values()))}" if len(by_letters) <= LISTED else ""
