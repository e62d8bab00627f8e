"""Where a program deploys: its regions, each with a role and an explicit AWS provider.

Default providers are switched off in every `Pulumi.yaml`, so a resource that forgets its region fails instead of
landing in whatever region the shell has set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pulumi
import pulumi_aws as aws

from shared.components.exchange import expect_publication, last_outputs, this_stack
from shared.contracts import DEPLOYED_AS, MAY_MOVE
from shared.deployed_as import described, moved, place
from shared.environment import Environment, Foundation
from shared.environment_sections import Section, VaultSettings
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, PerRole, Role
from shared.service_levels import ServiceLevel
from shared.stack import Stack

if TYPE_CHECKING:
    from shared.naming import Kind

S = TypeVar("S", bound=Section)

RETRIES = 25
"""How often a call is asked again that AWS throttles: with ever longer pauses, minutes in all. It is the provider's own
default, said here because AWS_MAX_ATTEMPTS or `max_attempts` of a profile would count else, which people set to 3 or
5: API Gateway makes one domain name in 30 s for an account, and each region gets two.

https://www.pulumi.com/registry/packages/aws/installation-configuration/ (maxRetries);
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""


@dataclass(frozen=True)
class Location:
    """One AWS region that an environment works in, with a role or without."""

    name: str
    """AWS region, e.g. `us-east-1`."""
    account: str
    foundation: Foundation
    provider: aws.Provider

    def named_once(self, kind: Kind, tail: str = "") -> str:
        """The physical name of what the environment has once, or under one name in both regions."""
        return self.foundation.names.of(kind, tail=tail)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of `resource` in this region and account."""
        return f"arn:aws:{service}:{self.name}:{self.account}:{resource}"

    def options(
        self,
        parent: pulumi.Resource,
        *,
        depends_on: Sequence[pulumi.Resource] | None = None,
        ignore_changes: list[str] | None = None,
        create: str | None = None,
        delete: str | None = None,
    ) -> pulumi.ResourceOptions:
        """Put a resource into this region, under its component. `create`, `delete`: how long that may take: `60m`."""
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=depends_on,
            ignore_changes=ignore_changes,
            custom_timeouts=pulumi.CustomTimeouts(create=create, delete=delete) if create or delete else None,
        )

    @staticmethod
    def connect_as(foundation: Foundation, name: str, use: str) -> Location:
        """Configure the provider of an AWS region that serves nobody; `use` says what it is for."""
        return Location(name, *_connected(foundation, name, use))


@dataclass(frozen=True)
class Region(Location):
    """One region of an environment, as a component needs it."""

    role: Role

    @staticmethod
    def connect(foundation: Foundation, role: Role) -> Region:
        """Configure the provider for the region of `role`, with the tags that everything in it carries."""
        name = foundation.region(role)
        return Region(name, *_connected(foundation, name, role), role)

    def named(self, kind: Kind, tail: str = "") -> str:
        """The physical name of this region's `kind`."""
        return self.foundation.names.of(kind, self.role, account=self.account, tail=tail)


def _connected(foundation: Foundation, name: str, use: str) -> tuple[str, Foundation, aws.Provider]:
    """A region's account, and its provider."""
    tags = {"tags": tags_in(foundation, name, use)}
    provider = aws.Provider(f"aws-{use}", region=name, default_tags=tags, max_retries=RETRIES)
    account = aws.get_caller_identity(opts=pulumi.InvokeOptions(provider=provider)).account_id
    return account, foundation, provider


def tags_of(foundation: Foundation, role: Role) -> dict[str, str]:
    """What everything in the region of `role` is tagged with."""
    return tags_in(foundation, foundation.region(role), role)


def tags_in(foundation: Foundation, name: str, use: str) -> dict[str, str]:
    """What everything in an AWS region is tagged with; `use`: its role, or what else it is for."""
    return {**foundation.tags, "Environment": foundation.label, "Region": name, "DR-Role": use}


def this_region(settings: type[S]) -> tuple[Region, S]:
    """What a regional layer's program needs: the region that its stack's name says, and its settings."""
    environment, role = _environment()
    if role is None:
        stacks = " or ".join(Stack(settings.layer, environment.name, each).name for each in ROLES)
        raise pulumi.RunError(f"stack {pulumi.get_stack()} names no region: select {stacks}")
    foundation = environment.foundation()
    (region,) = _connect(foundation, role)
    return region, getattr(environment, settings.layer)


def both_regions(settings: type[S]) -> tuple[PerRole[Region], S]:
    """What a global layer's program needs: both regions, and its settings."""
    environment, role = _environment()
    if role is not None:
        raise pulumi.RunError(f"stack {pulumi.get_stack()} names one region: select {environment.name}")
    regions = dict(zip(ROLES, _connect(environment.foundation(), *ROLES), strict=True))
    return PerRole.build(lambda each: regions[each]), getattr(environment, settings.layer)


def primary_and_vault() -> tuple[Region, Location, VaultSettings]:
    """What the program of `vault` needs: the primary, the region of the copies, and its settings."""
    environment, _ = _environment()
    settings = environment.vault
    if settings.region is None or VaultSettings.layer not in environment.aside:
        raise pulumi.RunError(
            f"environments/{environment.name}.yaml asks for no vault: production: true and vault.region make one"
        )
    foundation = environment.foundation()
    (primary,) = _connect(foundation, PRIMARY)
    return primary, Location.connect_as(foundation, settings.region, VaultSettings.layer), settings


def service_levels(settings: type[Section]) -> tuple[ServiceLevel, ...]:
    """What the environment promises of its payments, to a layer that reads the objectives."""
    if "objectives" not in settings.reads:
        raise pulumi.RunError(f"{settings.__name__} reads no objectives: name them in `reads`, for its fingerprint")
    return _environment()[0].service_levels()


def stays(field: str, value: str) -> None:
    """Fail when the stack's last outputs have something else in a field that is for its data's life.

    Raises RunError, before anything is made; where a guard has looked at what would go, nothing.
    """
    stack = this_stack()
    last = (last_outputs(stack) or {}).get(field)
    if last not in {None, value} and MAY_MOVE not in os.environ:
        raise pulumi.RunError(f"{described(stack, {field: (str(last), value)})}; nothing was changed")


def _environment() -> tuple[Environment, Role | None]:
    expect_publication()
    stack = this_stack()
    try:
        return Environment.load(stack.environment), stack.role
    except Problem as problem:
        raise pulumi.RunError(str(problem)) from None


def _connect(foundation: Foundation, *roles: Role) -> list[Region]:
    """Connect to the regions of a stack, if it is there already: in another place everything would be made anew."""
    stack = this_stack()
    last = (last_outputs(stack) or {}).get(DEPLOYED_AS)
    _stay(stack, last, place(foundation, stack.role), may_move=MAY_MOVE in os.environ)
    regions = [Region.connect(foundation, role) for role in roles]
    here = place(foundation, stack.role, regions[0].account)
    _stay(stack, last, {"account": here["account"]}, may_move=False)
    pulumi.export(DEPLOYED_AS, here)
    return regions


def _stay(stack: Stack, last: Any, here: Mapping[str, Any], *, may_move: bool) -> None:
    if not may_move and (differences := moved(last, here)):
        raise pulumi.RunError(f"{described(stack, differences)}; nothing was changed")
