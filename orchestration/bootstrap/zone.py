"""The hosted zone of the environment's names, and the NS records by which its parent leads to it.

Outside every stack: whoever serves the parent may take days, and the records stay when the environment is made anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestration.aws import asked, or_none
from orchestration.bootstrap.step import BootstrapContext, StepFinding, cannot
from orchestration.quotas import ACCOUNT, GLOBAL_REGION, MADE_BY_BOOTSTRAP, zones_named
from shared.errors import Problem

NO_ZONE: Final = "NoSuchHostedZone"


@dataclass(frozen=True)
class DelegatedZone:
    """A public zone with the environment's name, or the one that the environment file names."""

    context: BootstrapContext
    what = "zone"
    where = ACCOUNT
    needed = True

    @property
    def _name(self) -> str:
        return self.context.settings.foundation().zone_name

    @property
    def by_hand(self) -> Sequence[str]:
        return (
            f"aws route53 create-hosted-zone --name {self._name} --caller-reference <date>",
            "aws route53 get-hosted-zone --id <zone id> --query DelegationSet.NameServers",
        )

    def look(self) -> StepFinding:
        edge = self.context.settings.edge
        if self.context.on_aws:
            self.context.settings.require_own_domain()
        if edge.parent_zone_id:
            return self._of_parent(edge.parent_zone_id)
        if edge.zone_id:
            return self._given(edge.zone_id)
        found = asked(lambda: zones_named(self.context.aws, self._name), "look for the zone", GLOBAL_REGION)
        if not found:
            return StepFinding(there=False, said=f"{self._name} is missing")
        if len(found) > 1:
            listed = ", ".join(_id(each) for each in found)
            return cannot(
                f"{self._name} is there more than once ({listed}): delete what nothing leads to, and no other"
            )
        return self._told(_id(found[0]), named=MADE_BY_BOOTSTRAP not in str(found[0]["Config"].get("Comment")))

    def make(self) -> StepFinding:
        """One request is made once, however often it is sent. A run that was cut off is followed by a look."""
        request = {
            "Name": self._name,
            "CallerReference": str(uuid.uuid4()),
            "HostedZoneConfig": {"Comment": f"Payments of {self.context.settings.name}. {MADE_BY_BOOTSTRAP}"},
        }
        asked(lambda: self._route53.create_hosted_zone(**request), f"make the zone {self._name}", GLOBAL_REGION)
        return self.look()

    @property
    def _route53(self) -> Any:
        return self.context.aws.client("route53", GLOBAL_REGION)

    def _zone(self, identifier: str) -> Mapping[str, Any] | None:
        get = lambda: self._route53.get_hosted_zone(Id=identifier)  # noqa: E731
        return or_none(lambda: asked(get, f"look for the zone {identifier}", GLOBAL_REGION), NO_ZONE)

    def _of_parent(self, identifier: str) -> StepFinding:
        found = self._zone(identifier)
        name = str(found["HostedZone"]["Name"]).rstrip(".") if found else ""
        if not found or not f".{self._name}".endswith(f".{name}"):
            has = f"is the zone {name}" if found else "is none of this account"
            return cannot(f"edge.parent_zone_id: {identifier} {has}, and {self._name} is to be delegated in it")
        return StepFinding(
            there=True, said=f"edge makes {self._name}, and delegates it in {name} itself: nothing to set"
        )

    def _given(self, identifier: str) -> StepFinding:
        found = self._zone(identifier)
        if not found:
            return cannot(
                f"edge.zone_id: {identifier} is no zone of this account: null, and run this again, for a new one"
            )
        name, private = str(found["HostedZone"]["Name"]).rstrip("."), found["HostedZone"]["Config"].get("PrivateZone")
        if private or not f".{self._name}".endswith(f".{name}"):
            kind = "private" if private else "public"
            return cannot(f"edge.zone_id: {identifier} is the {kind} zone {name}, and the names end in {self._name}")
        return self._told(identifier, named=True)

    def _told(self, identifier: str, *, named: bool) -> StepFinding:
        found = self._zone(identifier)
        if not found:
            raise Problem(f"the zone {identifier} went while it was looked at: run this again")
        servers = sorted(found["DelegationSet"]["NameServers"])
        name = str(found["HostedZone"]["Name"]).rstrip(".")
        said = f"{identifier}; set NS records of {name} where {name.partition('.')[2]} is served: {', '.join(servers)}"
        if not named:
            said += f"; set edge.zone_id: {identifier} in environments/{self.context.settings.name}.yaml"
        return StepFinding(there=True, said=said, values={"zone_id": identifier, "name_servers": servers})


def _id(zone: Mapping[str, Any]) -> str:
    return str(zone["Id"]).rpartition("/")[2]


def steps(context: BootstrapContext) -> Iterable[DelegatedZone]:
    yield DelegatedZone(context)
