"""The DNS zone with the environment's names, and the certificates that it proves."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.edge import delegation
from shared.components.regions import Region
from shared.environment_sections import EdgeSettings
from shared.roles import ROLES, PerRole, Role

DELEGATION_TTL = 300
VALIDATION_TTL = 300


ISSUED_WITHIN = "30m"
"""The world finds the zone by then: a certificate takes minutes, or half an hour (ACM User Guide, "DNS validation")."""


class Zone(pulumi.ComponentResource):
    """The zone `<suffix>.<domain>`, or one that is there; in each region a certificate for the shared name and its own.

    A certificate is issued once the world finds the zone: by the delegation made here if the parent zone is ours, or
    by hand, which is looked for before anything waits for it. Of a zone that is there nothing is changed but the
    environment's own records; one that has these names already refuses them (Route 53's CREATE). Attributes: id,
    name_servers, certificate_arns (of issued certificates).
    """

    id: pulumi.Output[str]
    name_servers: pulumi.Output[Sequence[str]]
    certificate_arns: PerRole[pulumi.Output[str]]

    def __init__(self, name: str, regions: PerRole[Region], settings: EdgeSettings) -> None:
        super().__init__("payments:edge:Zone", name)
        self._name = name
        self._regions = regions
        self._foundation = regions.primary.foundation
        self._delegation: list[pulumi.Resource] = []
        zone_name = self._there(settings.zone_id) if settings.zone_id else self._made()
        if settings.parent_zone_id:
            self._delegation = [self._delegated(settings.parent_zone_id)]
            self._found = pulumi.Output.from_input(zone_name)
        else:
            self._found = pulumi.Output.all(zone_name, self.name_servers).apply(lambda told: delegation.require(*told))
        self.certificate_arns = self._certificates()
        self.register_outputs({})

    def _made(self) -> str:
        zone = aws.route53.Zone(
            self._name,
            name=self._foundation.zone_name,
            comment=f"Payments of {self._foundation.name}",
            force_destroy=not self._foundation.production,
            opts=self._regions.primary.options(self),
        )
        self.id, self.name_servers = zone.zone_id, zone.name_servers
        return self._foundation.zone_name

    def _there(self, zone_id: str) -> str:
        """A zone of somebody else's, who keeps it: its name. It must be able to have the environment's names."""
        options = pulumi.InvokeOptions(provider=self._regions.primary.provider)
        found = aws.route53.get_zone(zone_id=zone_id, opts=options)
        wanted, name = self._foundation.zone_name, str(found.name).rstrip(".")
        if found.private_zone or not f".{wanted}".endswith(f".{name}"):
            kind = "private" if found.private_zone else "public"
            raise pulumi.RunError(
                f"edge.zone_id: {zone_id} is the {kind} zone {name}, and the names end in {wanted}: name the public "
                f"zone {wanted} or {self._foundation.domain}, or null for a new one"
            )
        self.id = pulumi.Output.from_input(found.zone_id)
        self.name_servers = pulumi.Output.from_input(found.name_servers)
        return name

    def _delegated(self, parent_zone_id: str) -> pulumi.Resource:
        record: pulumi.Resource = aws.route53.Record(
            f"{self._name}-delegation",
            zone_id=parent_zone_id,
            name=self._foundation.zone_name,
            type="NS",
            ttl=DELEGATION_TTL,
            records=self.name_servers,
            opts=self._regions.primary.options(self),
        )
        return record

    def _certificates(self) -> PerRole[pulumi.Output[str]]:
        certificates = PerRole.build(self._certificate)
        proofs = self._proofs(certificates)
        return PerRole.build(lambda role: self._issued(role, certificates.of(role), proofs))

    def _certificate(self, role: Role) -> aws.acm.Certificate:
        return aws.acm.Certificate(
            f"{self._name}-{role}",
            domain_name=self._foundation.own_name,
            subject_alternative_names=self._names(role)[1:],
            validation_method="DNS",
            opts=self._regions.of(role).options(self),
        )

    def _names(self, role: Role) -> list[str]:
        """Those of a region's certificate: the shared one, the region's own, and one that is taken over, or will be."""
        taken = self._foundation.takes_over
        return [self._foundation.own_name, self._foundation.region_names.of(role), *([taken.name] if taken else [])]

    def _proofs(self, certificates: PerRole[aws.acm.Certificate]) -> dict[str, aws.route53.Record]:
        """One validation record for each name, whichever certificates carry it.

        ACM wants the same record for a name from both regions: two would clash, and two owners would take each
        other's away and end the renewal.
        """
        foundation, taken = self._foundation, self._foundation.takes_over
        names = {foundation.own_name: certificates.primary} | {
            foundation.region_names.of(role): certificates.of(role) for role in ROLES
        }
        if taken:
            names[taken.name] = certificates.primary
        return {
            name: aws.route53.Record(
                f"{self._name}-validate-{'taken' if taken and name == taken.name else name.partition('.')[0]}",
                zone_id=taken.zone_id if taken and name == taken.name else self.id,
                # ACM asks an account for one and the same record of a name, so that of the system before it is there.
                allow_overwrite=True if taken and name == taken.name else None,
                name=_option(certificate, name, "resource_record_name"),
                type=_option(certificate, name, "resource_record_type"),
                ttl=VALIDATION_TTL,
                records=[_option(certificate, name, "resource_record_value")],
                opts=self._regions.primary.options(self),
            )
            for name, certificate in names.items()
        }

    def _issued(
        self, role: Role, certificate: aws.acm.Certificate, proofs: dict[str, aws.route53.Record]
    ) -> pulumi.Output[str]:
        validation = aws.acm.CertificateValidation(
            f"{self._name}-{role}",
            certificate_arn=pulumi.Output.all(certificate.arn, self._found).apply(lambda told: told[0]),
            validation_record_fqdns=[proofs[name].fqdn for name in self._names(role)],
            opts=self._regions.of(role).options(self, depends_on=self._delegation, create=ISSUED_WITHIN),
        )
        arn: pulumi.Output[str] = validation.certificate_arn
        return arn


def _option(certificate: aws.acm.Certificate, name: str, field: str) -> pulumi.Output[str]:
    """One field of what proves `name`, as ACM asks for it."""
    chosen: pulumi.Output[str] = certificate.domain_validation_options.apply(
        lambda options: next(option[field] for option in options if option["domain_name"] == name)
    )
    return chosen
