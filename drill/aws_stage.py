"""AWS as a drill's stage: an evacuation, or an experiment of AWS FIS. Nobody has played it there yet.

It sees what anybody sees from outside: the zone's own name servers, Route 53's observations, the alarms' histories.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dnslib import QTYPE, DNSRecord

from drill import evacuation, experiment, records
from drill.aftermath import alarm_history
from drill.evacuation import PrimaryEvacuation
from drill.experiment import ConnectivityExperiment
from drill.machine_clock import MachineClock
from drill.records import Event
from drill.stage import DrillClock, Standing
from orchestration.api import entry
from orchestration.aws import Aws, asked
from orchestration.situation import HEALTH_CHECK_REGION
from orchestration.target import health_checks, published
from shared import grey_failure
from shared.clients import SERVED_BY
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY
from shared.stack import Stack

if TYPE_CHECKING:
    from drill.records import DrillPlan, PlannedStep
    from orchestration.target import Target
    from shared.environment import Environment

FAULTS: Final[Mapping[str, str]] = {
    **evacuation.SAYS,
    records.NOTHING: "nothing is broken",
    experiment.FAULT: "the primary's functions lose DynamoDB, by an experiment of AWS FIS",
}
"""What a drill can do to the primary on AWS."""
HEALTHY_SHARE: Final = 0.18
"""More of the checkers than this must find an endpoint well (Route 53 Developer Guide, "How Amazon Route 53 determines
whether a health check is healthy")."""
ASK_HEALTH_EVERY: Final = 5.0
"""Seconds: Route 53's API takes five requests a second of an account, and others use it too."""
CLOCK_AGREES: Final = 2.0
"""Seconds by which this machine's clock may differ from AWS's: its records stand beside ours."""
NAME_WITHIN: Final = 2.0
DNS_PORT: Final = 53
NO_OUTAGES: Final = "a published outage is played in the sandbox: on AWS there is --fault evacuate, and data by AWS FIS"
STOP_ALARM: Final = "secondary-unhealthy"
SWITCH: Final = "stop_switch"


@dataclass(frozen=True)
class PublicNetwork:
    """How clients get to an environment: the resolver they ask, the zone's own servers, port and TLS."""

    resolver: tuple[str, int]
    servers: Sequence[tuple[str, int]]
    port: int = 443
    tls: ssl.SSLContext | None = field(default_factory=ssl.create_default_context)
    gateways: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(name_servers: Sequence[str]) -> PublicNetwork:
        """As this machine has it. Raises Problem."""
        return PublicNetwork(_resolver(Path("/etc/resolv.conf")), [(server, DNS_PORT) for server in name_servers])


class AwsStage:
    """One environment on AWS."""

    name = "AWS"
    looks_every = ASK_HEALTH_EVERY

    def __init__(
        self,
        target: Target,
        environment: Environment,
        *,
        experiment_role: str = "",
        network: PublicNetwork | None = None,
        clock: DrillClock | None = None,
    ) -> None:
        edge = Stack("edge", environment.name)
        self._environment = environment
        self._aws = Aws(target.cli.variables)
        self._checks: Mapping[str, str] = health_checks(target, environment.name)
        self._of_answers = grey_failure.CHECKS[environment.entry_point]
        self._network = network or PublicNetwork.of(published(target, edge, "name_servers"))
        self._failover_name = environment.foundation().failover_name
        self.clock = clock or MachineClock()
        self.dns = self._network.resolver
        self.port, self.tls = self._network.port, self._network.tls
        self.regions: Mapping[str, str] = {environment.region(role): str(role) for role in ROLES}
        own = environment.foundation().region_names.of(PRIMARY)
        self.probed: Sequence[tuple[str, str]] = [(own, own)]
        self._evacuation = PrimaryEvacuation.of(environment, target.name, self.clock.now)
        self._experiment = self._experiment_of(target, experiment_role) if experiment_role else None
        self._seen: list[Event] = []
        self._answered = ""
        self._health: dict[str, bool] = {}
        self._asked_health = float("-inf")

    def standing(self) -> Standing:
        """What the zone's servers answer, and what the checkers found; changes are written down."""
        answered = self.answered()
        now = self.clock.now()
        if answered and answered != self._answered:
            self._seen.append(Event(now, "dns", self._failover_name, answered))
            self._answered = answered
        if self.clock.monotonic() - self._asked_health >= ASK_HEALTH_EVERY:
            self._asked_health = self.clock.monotonic()
            if self._experiment and (why := self._experiment.ended_by_itself()):
                raise Problem(why)
            found = self._found()
            for name, well in found.items():
                if self._health.get(name) != well:
                    self._seen.append(Event(now, "health", name, "healthy" if well else "unhealthy"))
            self._health = found
        checks = {name.replace("_", "-"): well for name, well in self._health.items()}
        return Standing(answered, self._health.get("gate"), checks)

    def answered(self) -> str:
        """The role whose record the zone's own servers answer; empty when none of them does."""
        for server in self._network.servers:
            try:
                raw = DNSRecord.question(self._failover_name, "CNAME").send(*server, timeout=NAME_WITHIN)
                answer = DNSRecord.parse(raw)
            except Exception:  # noqa: BLE001, S112 - no answer, or whatever dnslib makes of what is none: ask the next
                continue
            for each in answer.rr:
                labels = str(each.rdata).rstrip(".").split(".") if each.rtype == QTYPE.CNAME else []
                for region, role in self.regions.items():
                    if region in labels:
                        return role
        return ""

    def set_speed(self, speed: float) -> None:
        """Time on AWS is what it is."""

    def too_fast(self) -> str:
        return ""

    def doubts(self) -> str:
        """Why figures of this machine and AWS's own records would not fit each other."""
        environment = self._environment
        sts = self._aws.client("sts", environment.region(SECONDARY))
        told = asked(sts.get_caller_identity, "ask for the time", environment.region(SECONDARY))
        at = parsedate_to_datetime(told["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
        apart = abs(at - self.clock.now())
        if apart > CLOCK_AGREES:
            return f"this machine's clock is {apart:.0f} s away from AWS's"
        self._evacuation.require()
        for role in ROLES:
            region, name = environment.region(role), environment.foundation().region_names.of(role)
            served = entry(self._network.gateways, region, name).ask("GET", "/health").headers.get(SERVED_BY.lower())
            if served != f"{region} ({role})":
                return f"{name} is served by {served or 'nobody knows whom'}, and not by {region}"
        return ""

    def lies(self, plan: DrillPlan, begun: float, healed: float) -> Iterator[str]:  # noqa: ARG002 - a stage is told
        if self._experiment:
            yield self._experiment.ended_by_itself()

    def grace(self) -> float:
        return self._evacuation.grace()

    def require(self, steps: Sequence[PlannedStep]) -> None:
        if steps:
            raise Problem(NO_OUTAGES)

    def begin(self, fault: str) -> Event:
        """Break the primary, or take clients out of it."""
        if fault != experiment.FAULT:
            return self._evacuation.begin(fault)
        if self._experiment is None:
            raise Problem("--fault data on AWS is an experiment: give its role with --experiment-role")
        began = self._experiment.begin(f"drill-{int(self.clock.now())}")
        at = self.clock.now() if began is None else began
        return Event(at, "fault", self._environment.region(PRIMARY), fault, FAULTS[fault])

    def enact(self, step: PlannedStep) -> Event:  # noqa: ARG002
        raise Problem(NO_OUTAGES)

    def heal(self) -> Event:
        if self._experiment:
            self._experiment.end()
        return Event(self.clock.now(), "heal", self._environment.region(PRIMARY))

    def restore(self) -> Event:
        return self._evacuation.restore()

    def broken(self) -> Sequence[str]:
        return [f"the experiment {each}" for each in self._experiment.running()] if self._experiment else []

    def life(self) -> Mapping[str, int]:
        return {}

    def events(self, since: float) -> Iterator[Event]:
        """What was seen from outside, and whom alarms have told since then."""
        yield from (each for each in self._seen if each.at >= since)
        begin = datetime.fromtimestamp(since, UTC)
        for role in ROLES:
            region = self._environment.region(role)
            for each in alarm_history(self._aws.client("cloudwatch", region), region, "Action", StartDate=begin):
                if each["AlarmName"].endswith(f"-{self._environment.suffix}"):
                    told = each["HistorySummary"]
                    yield Event(each["Timestamp"].timestamp(), "notification", region, each["AlarmName"], told)

    def _found(self) -> dict[str, bool]:
        """What the checks come to; what it was before where Route 53 is asked too often."""
        try:
            return dict(self._observed())
        except Problem:
            if not self._health:
                raise
            return self._health

    def _observed(self) -> Iterator[tuple[str, bool]]:
        """Each check's status as Route 53 finds it: GetHealthCheckStatus tells nothing of an alarm's or the gate's."""
        client = self._aws.client("route53", HEALTH_CHECK_REGION)
        found: dict[str, bool] = {}
        for name, identifier in self._checks.items():
            if name == "gate" or name in self._of_answers:
                continue
            ask = partial(client.get_health_check_status, HealthCheckId=identifier)
            told = asked(ask, "read the health checks", HEALTH_CHECK_REGION)["HealthCheckObservations"]
            good = [each.get("StatusReport", {}).get("Status", "").startswith("Success") for each in told]
            well = sum(good) > HEALTHY_SHARE * len(good)
            found[name] = well != (name == SWITCH)  # which is inverted
        found |= {name: self._quiet(name) for name in self._of_answers}
        yield from found.items()
        yield "gate", all(well for name, well in found.items() if name != "secondary")

    def _quiet(self, check: str) -> bool:
        """Whether the alarm that a check of answers follows is quiet."""
        client = self._aws.client("route53", HEALTH_CHECK_REGION)
        ask = partial(client.get_health_check, HealthCheckId=self._checks[check])
        config = asked(ask, "read the health checks", HEALTH_CHECK_REGION)["HealthCheck"]["HealthCheckConfig"]
        alarm = config["AlarmIdentifier"]
        watch = partial(self._aws.client("cloudwatch", alarm["Region"]).describe_alarms, AlarmNames=[alarm["Name"]])
        states = [each["StateValue"] for each in asked(watch, "read an alarm", alarm["Region"])["MetricAlarms"]]
        return "ALARM" not in states

    def _experiment_of(self, target: Target, role: str) -> ConnectivityExperiment:
        """Raises Problem where an experiment could not be ended by the secondary's alarm."""
        environment = self._environment
        region = environment.region(PRIMARY)
        if region != HEALTH_CHECK_REGION:
            raise Problem(
                f"--experiment-role: an experiment in {region} cannot be ended by the alarm {STOP_ALARM}, which is in "
                f"{HEALTH_CHECK_REGION} as Route 53's metrics are; evacuate instead"
            )
        alarms = published(target, Stack("observability", environment.name, PRIMARY), "alarm_arns")
        subnets = published(target, Stack("network", environment.name, PRIMARY), "private_subnet_ids")
        account = target.account
        arns = [f"arn:aws:ec2:{region}:{account}:subnet/{each}" for each in subnets]
        return ConnectivityExperiment(
            self._aws, region, role, arns, [alarms[STOP_ALARM]], f"drill-{environment.suffix}"
        )


def _resolver(file: Path) -> tuple[str, int]:
    """The first name server that this machine asks. Raises Problem."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError as error:
        raise Problem(f"cannot find this machine's resolver: {file}: {error.strerror}") from None
    servers = [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]
    if not servers:
        raise Problem(f"{file} names no resolver")
    return servers[0], DNS_PORT
