"""The health checks, and the gate that they form before the primary."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.edge.entry_points import EntryPoints
from projects.edge.grey_failure import followed
from projects.edge.notifications import Notifications
from projects.edge.switch_object import SwitchObject
from shared import naming, stop_switch
from shared.components.regions import Region
from shared.contracts import ComputeOutputs, HealthCheckIds
from shared.environment_sections import EdgeSettings, HealthCheckSettings
from shared.roles import PRIMARY, SECONDARY, PerRole, Role
from shared.runbooks import described

HTTPS = 443
HEALTH_PATH = "/health"


class HealthChecks(pulumi.ComponentResource):
    """The primary is answered while its gate is healthy; the gate is healthy while all of these are.

    - standard and fast: its health route, asked by its own name every 30 and every 10 s;
    - stop_switch: the switch in the secondary does not say stop (nor does silence);
    - those of errors: what it answers to payments, which catches payments failing while health is green.

    The secondary's own check feeds alarms and readiness only. Attributes: ids.
    """

    ids: HealthCheckIds

    def __init__(
        self,
        name: str,
        regions: PerRole[Region],
        settings: EdgeSettings,
        *,
        switch: SwitchObject,
        entry_points: EntryPoints,
        primary_compute: ComputeOutputs,
        notifications: Notifications,
    ) -> None:
        super().__init__("payments:edge:HealthChecks", name)
        self._entry_points = entry_points
        self._name = name
        self._regions = regions

        standard = self._endpoint("standard", PRIMARY, settings.checks.standard)
        fast = self._endpoint("fast", PRIMARY, settings.checks.fast)
        stop = self._stop_switch(settings.checks.stop_switch, switch)
        errors = self._errors(settings, primary_compute, notifications)
        children = [standard, fast, stop, *errors.values()]
        gate = self._check(
            "gate",
            PRIMARY,
            aws.route53.HealthCheckArgs(
                type="CALCULATED",
                child_healthchecks=[child.id for child in children],
                child_health_threshold=len(children),
            ),
        )
        secondary = self._endpoint("secondary", SECONDARY, settings.checks.standard)
        self.ids = HealthCheckIds(
            standard=standard.id,
            fast=fast.id,
            stop_switch=stop.id,
            errors=pulumi.Output.all(**{name: check.id for name, check in errors.items()}),
            gate=gate.id,
            secondary=secondary.id,
        )
        self.register_outputs({})

    def _check(
        self,
        what: str,
        role: Role,
        settings: aws.route53.HealthCheckArgs,
        depends_on: Sequence[pulumi.Resource] | None = None,
    ) -> aws.route53.HealthCheck:
        region = self._regions.of(role)
        settings.tags = {"Name": region.named(naming.HEALTH_CHECK, f"-{what}")}
        return aws.route53.HealthCheck(f"{self._name}-{what}", settings, region.options(self, depends_on=depends_on))

    def _endpoint(self, what: str, role: Role, settings: HealthCheckSettings) -> aws.route53.HealthCheck:
        """Ask a region's health route by that region's own name: by the failover name it would ask whoever serves.

        The name comes first: a check that begins before it can be resolved has its first failures behind it.
        """
        region = self._regions.of(role)
        return self._check(
            what,
            role,
            aws.route53.HealthCheckArgs(
                type="HTTPS",
                fqdn=region.foundation.region_names.of(role),
                port=HTTPS,
                resource_path=HEALTH_PATH,
                enable_sni=True,
                request_interval=settings.interval,
                failure_threshold=settings.threshold,
            ),
            [self._entry_points],
        )

    def _stop_switch(self, settings: HealthCheckSettings, switch: SwitchObject) -> aws.route53.HealthCheck:
        """Unhealthy, so that the primary is out, only while the switch can be read and says stop.

        Such a check is healthy when it gets a 2xx or 3xx with the words in it, and inverted it is unhealthy then. All
        else fails the plain check and so leaves the primary: `run`, 403 (the policy does not know the checker), 404 (no
        object), no answer from the secondary. An inverted check starts unhealthy, so a new one sends clients to the
        secondary until it has asked; policy and object come first, to make that one round.
        """
        return self._check(
            "stop-switch",
            SECONDARY,
            aws.route53.HealthCheckArgs(
                type="HTTPS_STR_MATCH",
                fqdn=switch.host,
                port=HTTPS,
                resource_path=f"/{stop_switch.KEY}",
                search_string=stop_switch.STOPPED,
                invert_healthcheck=True,
                enable_sni=True,
                request_interval=settings.interval,
                failure_threshold=settings.threshold,
            ),
            switch.readable,
        )

    def _errors(
        self, settings: EdgeSettings, compute: ComputeOutputs, notifications: Notifications
    ) -> dict[str, aws.route53.HealthCheck]:
        """By name: checks that follow alarms on the primary's answers."""
        region = self._regions.primary
        made = {}
        for check, why, watched, dimensions in followed(region, settings.grey_failure, compute):
            kind = naming.grey_failure_alarm(check)
            alarm = aws.cloudwatch.MetricAlarm(
                f"{self._name}-{kind.purpose}",
                name=region.named(kind),
                alarm_description=described(
                    f"{why}: takes the primary out of DNS", kind.purpose, region.foundation.runbooks
                ),
                dimensions=dimensions,
                alarm_actions=[notifications.topic_arns.primary],
                ok_actions=[notifications.topic_arns.primary],
                opts=region.options(self),
                **watched,
            )
            made[check] = self._check(
                check,
                PRIMARY,
                aws.route53.HealthCheckArgs(
                    type="CLOUDWATCH_METRIC",
                    cloudwatch_alarm_name=alarm.name,
                    cloudwatch_alarm_region=region.name,
                    insufficient_data_health_status="Healthy",
                    triggers={"alarm": json.dumps(watched, sort_keys=True)},  # it keeps a copy of the alarm's settings
                ),
            )
        return made
