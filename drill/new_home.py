"""A new home for a system that has lost a region for good: its clients' keys, its payments and its name.

The new home is an environment of its own, with a suffix of its own: the region that is left and a third one. Nothing of
the old one is replaced, as DynamoDB makes a table strongly consistent in other regions only while it is empty, and as
buckets of the lost region keep their names. All that is asked is asked in the region that is left, and of Route 53
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drill.bring_in import Destination
from drill.restoring import Restoring
from lambdas.domain.fence import KNOWN
from lambdas.domain.payment import LEASE
from orchestration.api import entry, unhealthy
from orchestration.api_keys import Copy, KeySecret, WrittenMeanwhile
from orchestration.aws import asked, error_code
from orchestration.fence import FOR_GOOD, PrimaryFence
from shared import naming
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, Role

if TYPE_CHECKING:
    from drill.bring_in import BroughtIn
    from orchestration.aws import Aws
    from shared.environment import Environment

ROUNDS: Final = 3
"""Health checks of a region before it counts as one that does not serve: the first may meet a cold start."""


@dataclass(frozen=True)
class Removal:
    """From an environment, of which one region is left, into another."""

    old: Environment
    new: Environment
    aws: Aws
    left: str
    """The AWS region that both have."""
    was: Role
    """What it is in the old one."""
    tell: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    @staticmethod
    def of(old: Environment, new: Environment, aws: Aws, tell: Callable[[str], None]) -> Removal:
        """Find the region that is left. Raises Problem for two environments that have no or both regions in common."""
        both = {old.region(role): role for role in ROLES}
        shared = [role for role in ROLES if new.region(role) in both]
        if old.name == new.name or old.profile != new.profile or len(shared) != 1:
            raise Problem(
                f"{new.name} is no new home of {old.name}: it must be an environment of its own, of the same profile, "
                f"with one of the regions {', '.join(both)} and one that {old.name} does not serve from"
            )
        left = new.region(shared[0])
        return Removal(old, new, aws, left, both[left], tell)

    @property
    def lost(self) -> str:
        """The AWS region that is gone."""
        return next(self.old.region(role) for role in ROLES if role != self.was)

    @property
    def tables(self) -> tuple[str, str]:
        """The payments tables' names, of the old home and of the new one."""
        old, new = (each.foundation().names.of(naming.PAYMENTS_TABLE) for each in (self.old, self.new))
        return old, new

    def give_keys(self, *, move: bool) -> bool:
        """Let the new home take the clients' keys of the old one. Returns whether it was given some. Raises Problem.

        Once it has the clients' name, keys that were rotated in it are newer than the old home's, and stay.
        """
        source = KeySecret(self.aws, self.left, self.old.foundation().names.of(naming.API_KEYS_SECRET)).read()
        place = self.new.region(PRIMARY)
        target = KeySecret(self.aws, place, self.new.foundation().names.of(naming.API_KEYS_SECRET))
        there = target.read()
        clients = source.keys.differing(there.keys)
        if not clients:
            return False
        if self._rotated(there):
            others = f"other keys than {self.old.name} for {', '.join(clients)}"
            said = f"{self.new.name} has {others}, rotated there: they stay"
            if move:
                raise Problem(
                    f"{said}, and whoever comes from {self.old.name} is refused; nothing was changed: run this without "
                    "--move to bring in payments alone, or with takes_over.now: false once, which gives the older keys"
                )
            self.tell(said)
            return False
        try:
            target.write(source.keys.given(there.token), there.token)
        except WrittenMeanwhile as error:
            raise Problem(f"somebody else has just written {target.name} in {place}: run this again") from error
        return True

    @property
    def quiet(self) -> float:
        """Seconds from a fence to when nobody works on a payment there.

        It is read every five; then a request's lease lasts fifteen, and a run of the sweep that has begun lasts as long
        as its function may. One that waits to be begun may come later: so the last items are brought in once more.
        """
        return KNOWN / 1000 + max(LEASE / 1000, self.old.compute.audit.timeout)

    def _rotated(self, there: Copy) -> bool:
        """Whether clients have come to the new home and a rotation has written its keys since the first ones."""
        come = self.new.foundation().taken is not None
        return come and len(there.labels) > 1 and not there.given

    def bring_in(self, *, unfinished: bool, progress: Callable[[int], None]) -> BroughtIn:
        """Bring in what the new table has not yet, by the region that is left. Raises Problem."""
        dynamodb = self.aws.client("dynamodb", self.left)
        old, new = self.tables
        source = Restoring(dynamodb, self.left, old, "", self.tell)
        source.require_keys(old)
        return Destination(dynamodb, self.left, new).bring_in(
            source.items(old), unfinished=unfinished, progress=progress
        )

    def require_ready(self, gateways: Mapping[str, str]) -> None:
        """Raise Problem unless the new home serves in both regions, has the keys, and says which name it takes over."""
        foundation = self.new.foundation()
        file = f"environments/{self.new.name}.yaml"
        if foundation.taken is None or foundation.taken.name != self.old.foundation().failover_name:
            raise Problem(
                f"{file}: takes_over must say name: {self.old.foundation().failover_name} and now: true before clients "
                "are moved; nothing was changed"
            )
        for role in ROLES:
            region, host = self.new.region(role), foundation.region_names.of(role)
            if said := unhealthy(entry(gateways, region, host), ROUNDS):
                raise Problem(f"the new home does not serve in {region}: {said}; nothing was changed")

    def stop(self, now: float) -> None:
        """Let nobody work on payments of the old home any more, and wait until nobody does. Raises Problem.

        Clients are answered 503 with Retry-After from now on, whichever of its regions they reach; they come again with
        the same key. The lost region is fenced as well, as it may come back: the fences are in the table.
        """
        old, _ = self.tables
        for role in ROLES:
            PrimaryFence(self.aws, self.left, old, self.old.region(role)).put_up(now, FOR_GOOD)
        rule = self.old.foundation().names.of(naming.SWEEP_RULE, self.was)
        events = self.aws.client("events", self.left)
        asked(lambda: events.disable_rule(Name=rule), f"disable {rule}", self.left)
        self.tell(
            f"{self.left} takes no payment for {self.old.name} any more: waiting {self.quiet:g} s for what is under way"
        )
        self.sleep(self.quiet)

    def release_name(self) -> str:
        """Let go of the shared name where the region that is left has it, so that the new home can have it there.

        A REST API's custom domain name is there once in a region (API Gateway Developer Guide, "Custom domain names");
        a load balancer has none. Returns the name that was released, empty when there was none. Raises Problem.
        """
        if self.old.entry_point != "rest-api":
            return ""
        name = self.old.foundation().failover_name
        gateway = self.aws.client("apigateway", self.left)
        try:
            asked(lambda: gateway.delete_domain_name(domainName=name), f"release {name}", self.left)
        except Problem as problem:
            if error_code(problem) != "NotFoundException":
                raise
            return ""
        return name
