"""The sandbox as a drill's stage: the only module of the drill that knows it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from drill import asking, evacuation, reading, records, self_test, watchers
from drill.evacuation import PrimaryEvacuation
from drill.figures import GATE
from drill.records import Event
from drill.stage import DrillClock, Standing
from orchestration.target import health_checks
from sandbox import Sandbox, addresses, control
from sandbox.checker_ranges import PLACES
from sandbox.clock import SharedClock, set_speed
from sandbox.fault_commands import Wanted, injected
from sandbox.faults.fault import InjectedFault, checked
from sandbox.faults.network import cuts
from sandbox.mail import Mailbox
from sandbox.traffic import fitting
from shared import naming
from shared.errors import MALFORMED, Problem
from shared.roles import PRIMARY, ROLES, SECONDARY, PerRole
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from drill.records import DrillPlan, PlannedFault, PlannedStep
    from orchestration.target import Target
    from sandbox.addresses import Endpoint
    from shared.environment import Environment
    from shared.roles import Role

WITHIN: Final = 5.0
"""Real seconds in which the sandbox says how things stand."""
FAULTS: Final[Mapping[str, str]] = {
    "refuse": "the primary refuses connections",
    "hang": "the primary takes connections and never answers",
    "5xx": "every answer of the primary is 503",
    "slow": "every answer of the primary takes nine seconds",
    "lossy": "the primary loses nine requests of ten",
    "grey": "payments fail in the primary, health answers",
    "data": "DynamoDB is out in the primary",
    "name": "DynamoDB's name resolves to nothing in the primary",
    "partition": "the primary is cut off from the other regions, and alive",
    records.NOTHING: "nothing is broken",
    **evacuation.SAYS,
}
"""What a drill can do to the primary."""


class SandboxStage:
    """One environment in this checkout's sandbox."""

    name = "the sandbox"
    looks_every = 0.0
    tls: ssl.SSLContext | None = None

    def __init__(self, target: Target, environment: Environment) -> None:
        self._box = Sandbox(ROOT)
        self._environment = environment
        self._target = target
        status = self._box.status()
        if not status.dns:
            raise Problem("the sandbox's DNS does not answer; run ./invoke sandbox.up")
        host, _, port = status.dns.rpartition(":")
        self.dns = host, int(port)
        self._outside = addresses.outside(int(urlsplit(status.endpoint).port or 0))
        self.clock: DrillClock = SharedClock(self._box.layout.clock)
        self.regions: Mapping[str, str] = {
            str(urlsplit(target.gateways[environment.region(role)]).hostname): str(role) for role in ROLES
        }
        self.port = int(urlsplit(target.gateways[environment.region(PRIMARY)]).port or 80)
        name = environment.foundation().failover_name
        self.probed: Sequence[tuple[str, str]] = [
            (address, name) for address, role in self.regions.items() if role == PRIMARY
        ]
        self._evacuation = PrimaryEvacuation.of(environment, target.name, self.clock.now)
        self._names = self._checks()
        self._begun: list[InjectedFault] = []

    def standing(self) -> Standing:
        told = self._told()
        own = (each for each in told["checks"] if each["id"] in self._names)
        checks = {self._names[each["id"]]: bool(each["healthy"]) for each in own}
        gate = next((well for name, well in checks.items() if name.endswith(GATE)), None)
        return Standing(str(told["answers"].get(self._environment.foundation().failover_name, "")), gate, checks)

    def set_speed(self, speed: float) -> None:
        set_speed(self._box.layout.clock, speed)

    def too_fast(self) -> str:
        fit = fitting.measure(self._box.layout)
        return "" if fit.fits else str(fit)

    def doubts(self) -> str:
        environment, gateways = self._environment, self._target.gateways
        where = reading.places(self._target, environment)
        spare, strong = spare_region(environment, gateways), environment.data.consistency == "strong"
        return (
            asking.clocks(self.clock.now, lambda: float(self._told()["now"]), self.clock.speed)
            or asking.dns(self, environment)
            or asking.regions(environment, gateways)
            or asking.checkers(where, environment.region(PRIMARY), self._names, len(PLACES), self.clock.now)
            or asking.tables(where, self._cut_off, strong=strong, speed=self.clock.speed)
            or asking.processor(self._processors(), partial(charged, self._outside, self._tls()), self._ledger)
            or asking.refusal(gateways[spare], lambda: self._meanwhile("refuse", spare))
            or asking.timeouts(where, spare, len(PLACES), lambda: self._meanwhile("hang", spare), self._pause)
            or asking.metrics(where, PerRole.build(self._health_function), self.clock.now, self._pause)
        )

    def lies(self, plan: DrillPlan, begun: float, healed: float) -> Iterator[str]:
        environment = self._environment
        aws = reading.places(self._target, environment).aws
        told = {each.what for each in self.events(begun) if each.kind == "notification"}
        for role in ROLES:
            region, listens = environment.region(role), bool(environment.edge.emails)
            now, heard, own = self.clock.now(), told if listens else None, f"-{environment.suffix}"
            yield from watchers.alarms(aws, region, own, begun, healed, now=now, told=heard)
        latch = environment.foundation().names.of(naming.FAILOVER_CONTROL_FUNCTION, SECONDARY)
        since = min(healed, max(begun, self.clock.now() - watchers.KEPT_FOR))
        ran, failed = (
            watchers.runs(aws, environment.region(SECONDARY), latch, since, healed, metric=metric)
            for metric in ("Invocations", "Errors")
        )
        yield watchers.haste_lies("the latch", ran, failed, since, healed)
        if environment.edge.failback == "manual" and not plan.breaks(SECONDARY):
            yield watchers.schedule_lies("the latch", ran, since, healed)
        yield self_test.propagation_lies(list(self_test.delays(records.lines(self._box.layout.traffic_events), begun)))
        yield asking.regions(environment, self._target.gateways)

    def grace(self) -> float:
        return self._evacuation.grace()

    def _health_function(self, role: Role) -> str:
        return self._environment.foundation().names.of(naming.HEALTH_FUNCTION, role)

    def _processors(self) -> set[str]:
        named = self._environment.compute.processor
        return {named.primary, named.secondary}

    def _ledger(self) -> Iterator[Mapping[str, Any]]:
        return reading.ledger(self._target.ledger, grows=True) if self._target.ledger else iter(())

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._box.layout.authority))

    def _pause(self, seconds: float) -> None:
        asyncio.run(self.clock.sleep(seconds))

    @contextmanager
    def _meanwhile(self, kind: str, region: str, cut: tuple[tuple[str, str], ...] = ()) -> Iterator[None]:
        """A fault of a region through which nobody is served, as long as this lasts."""
        found = checked(InjectedFault(kind, region), {"probability": None, "seconds": None})
        fault = self._box.begin_fault(replace(found, cut=cut))
        try:
            yield
        finally:
            self._box.heal(number=fault.number)

    @contextmanager
    def _cut_off(self) -> Iterator[None]:
        """The secondary hears no other region."""
        regions = self._environment.regions
        cut = cuts(regions.secondary, (regions.primary, regions.witness), "both")
        with self._meanwhile("partition", regions.secondary, cut):
            yield

    def begin(self, fault: str) -> Event:
        """Begin a fault in the primary."""
        if fault in records.MOVES:
            return self._evacuation.begin(fault)
        at = self.clock.now()
        for one in self._faults(fault):
            self._box.begin_fault(one)
        return Event(at, "fault", self._environment.region(PRIMARY), fault, FAULTS[fault])

    def require(self, steps: Sequence[PlannedStep]) -> None:
        for step in steps:
            for planned in step["faults"]:
                self._planned(planned)

    def enact(self, step: PlannedStep) -> Event:
        at = self.clock.now()
        wanted = [self._planned(each) for each in step["faults"]]
        kept = [each for each in self._begun if replace(each, number=0, since=0.0) in wanted]
        for each in self._begun:
            if each not in kept:
                self._box.heal(number=each.number)
        known = [replace(each, number=0, since=0.0) for each in kept]
        self._begun = [*kept, *(self._box.begin_fault(each) for each in wanted if each not in known)]
        broken = "; ".join(each["says"] for each in step["faults"]) or "all of it is over"
        return Event(at, "step", self._environment.region(PRIMARY), str(step["at"]), broken)

    def _planned(self, planned: PlannedFault) -> InjectedFault:
        probability, seconds = (
            "" if each is None else str(each) for each in (planned["probability"], planned["seconds"])
        )
        words = (planned["kind"], planned["region"], planned["part"], planned["how"])
        try:
            return injected(Wanted(*words, probability, seconds, self._environment.name))
        except Problem as problem:
            raise Problem(f"the incident's fault {planned['says']!r} cannot be played here: {problem}") from None

    def heal(self) -> Event:
        self._box.heal()
        self._begun = []
        return Event(self.clock.now(), "heal", self._environment.region(PRIMARY))

    def restore(self) -> Event:
        return self._evacuation.restore()

    def broken(self) -> Sequence[str]:
        return [f"{fault.number}: {fault.region}: {fault}" for fault in self._box.faults()]

    def life(self) -> Mapping[str, int]:
        return {name: pid for name, pid in self._box.status().pids.items() if name != "plugins"}

    def events(self, since: float) -> Iterator[Event]:
        name = self._environment.foundation().failover_name
        for line in records.lines(self._box.layout.traffic_events):
            if line["at"] < since:
                continue
            match line:
                case {"what": "status", "check": check, "healthy": healthy, **rest} if check in self._names:
                    word = "healthy" if healthy else "unhealthy"
                    yield Event(line["at"], "health", self._names[check], word, f"{rest.get('checkers', '')} checkers")
                case {"what": "answer", "name": answered, "set": record} if answered == name:
                    yield Event(line["at"], "dns", name, record)
        topics = {
            (self._environment.region(role), self._environment.names.of(naming.NOTIFICATION_TOPIC, role))
            for role in ROLES
        }
        for mail in Mailbox(self._box.layout.mail).read():
            if mail.time >= since and (mail.region, mail.topic.rpartition(":")[2]) in topics:
                alarm = mail.alarm
                yield Event(mail.time, "notification", mail.region, alarm.get("AlarmName", mail.subject), mail.to)

    def _faults(self, kind: str) -> Iterator[InjectedFault]:
        environment = self._environment
        region = environment.region(PRIMARY)
        nothing = {"probability": None, "seconds": None}
        if kind == "slow":
            yield checked(InjectedFault("slow", region), {**nothing, "seconds": 9.0})
        elif kind == "lossy":
            yield checked(InjectedFault("lossy", region), {**nothing, "probability": 0.9})
        elif kind == "grey":
            part = environment.names.of(naming.PAYMENT_FUNCTION, PRIMARY)
            found = checked(InjectedFault("grey", region), nothing)
            yield InjectedFault(found.kind, region, part, found.how, found.probability)
        elif kind == "name":
            yield checked(InjectedFault("name", region, f"dynamodb.{region}.amazonaws.com"), nothing)
        elif kind == "partition":
            found = checked(InjectedFault("partition", region), nothing)
            others = (environment.region(SECONDARY), environment.regions.witness)
            yield InjectedFault(found.kind, region, found.part, found.how, cut=cuts(region, others, found.how))
        else:
            yield checked(InjectedFault(kind, region), nothing)

    def _told(self) -> dict[str, Any]:
        try:
            return control.ask(self._box.layout.traffic_socket, WITHIN, "health")
        except (OSError, ValueError):
            raise Problem("the sandbox's health checkers do not answer; see ./invoke sandbox.logs") from None

    def _checks(self) -> dict[str, str]:
        """The names of this environment's own checks by their ids: other systems' are in the same cloud."""
        own = set(health_checks(self._target, self._environment.name).values())
        suffix, told = f"-{self._environment.suffix}-", self._told()["checks"]
        return {each["id"]: str(each["name"]).replace(suffix, " ", 1) for each in told if each["id"] in own}


def spare_region(environment: Environment, gateways: Iterable[str], root: Path | None = None) -> str:
    """A region through which no environment of the checkout is served: the witness's where it is one."""
    serving = environment.serving_regions(root)
    return next(each for each in (environment.regions.witness, *gateways) if each not in serving)


def charged(address: Endpoint, tls: ssl.SSLContext, endpoint: str, key: str, customer: str) -> str:
    """What the card processor at an address tells of a charge at one of its endpoints: a status, or "nothing"."""
    asked = {"amount": {"value": 1, "currency": "USD"}, "customer": customer}
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    connection = http.client.HTTPSConnection(endpoint, context=tls, timeout=WITHIN)
    try:
        plain = socket.create_connection(address, WITHIN)
        connection.sock = tls.wrap_socket(plain, server_hostname=endpoint)
        connection.request("POST", "/charges", json.dumps(asked), headers)
        return str(json.loads(connection.getresponse().read())["status"])
    except (OSError, http.client.HTTPException, *MALFORMED):
        return "nothing"
    finally:
        connection.close()
