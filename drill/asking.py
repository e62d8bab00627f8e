"""Asks the sandbox what the self-test judges: before the load, at the speed of the drill, with nothing broken."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from drill import self_test, watchers
from drill.names import DnsClient, NotResolved
from drill.records import DECLINES
from orchestration.api import entry
from orchestration.aws import asked
from shared.clients import SERVED_BY
from shared.errors import Problem
from shared.failover_time import METRIC_PERIOD_SECONDS
from shared.roles import PRIMARY, ROLES, SECONDARY, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    from drill.names import Resolved
    from drill.reading import Places
    from drill.stage import Stage
    from shared.environment import Environment
    from shared.roles import PerRole

QUESTIONS: Final = 3
MEASURED: Final = 2.0
"""Real seconds over which the clocks are measured."""
PATIENCE: Final = 5.0
"""Real seconds that one connection may take."""
OWN_INTERVAL: Final = 10
FIRST_LOOK: Final = 12.0
GIVE_UP: Final = 8.0
"""Virtual seconds: between two questions to the drill's own check, until it is known, and for an answer at most."""
READS: Final = 9
"""Of each kind, of which the median counts: one may be late for another reason."""
REPLICATED_WITHIN: Final = 5.0
"""Real seconds in which a write must be in the other region, where regions follow each other at a distance."""
JUST_AFTER: Final = 0.5
"""Virtual seconds after a minute when it is looked for what was measured of it."""
MINUTES: Final = 4
"""At most, until it is clear that none of them comes late."""
REPEATED: Final = 2
"""Times that an endpoint of the processor is given one key."""
DECLINED: Final = f"{DECLINES}self-test"
"""Who pays: nobody, as every endpoint of the sandbox's processor declines it."""


def dns(stage: Stage, environment: Environment) -> str:
    """Whether DNS answers as is declared."""
    return self_test.dns_lies(
        asyncio.run(_resolved(stage, environment.foundation().failover_name)),
        stage.regions,
        PRIMARY,
        environment.edge.ttl,
    )


async def _resolved(stage: Stage, name: str) -> list[Resolved]:
    client = DnsClient(stage.dns, stage.clock)
    await client.open()
    try:
        return [await client(name) for _ in range(QUESTIONS)]
    except NotResolved:
        return []
    finally:
        client.close()


def regions(environment: Environment, gateways: Mapping[str, str]) -> str:
    """Whether each region's gateway answers as that region."""
    wanted = {str(role): f"{environment.region(role)} ({role})" for role in ROLES}
    name = environment.foundation().failover_name
    served: dict[str, str] = {}
    for role in ROLES:
        try:
            answer = entry(gateways, environment.region(role), name).ask("GET", "/health")
            served[str(role)] = answer.headers.get(SERVED_BY.lower(), "")
        except Problem:
            continue
    return self_test.region_lies(served, wanted)


def refusal(gateway: str, refuses: Callable[[], AbstractContextManager[None]]) -> str:
    """Whether a region that serves nothing refuses connections when it is told to, and answers afterwards."""
    before = knock(gateway)
    with refuses():
        during = knock(gateway)
    return self_test.refusal_lies(before, during, knock(gateway))


def knock(gateway: str) -> str:
    """What becomes of a request to an address: "answered", "refused" or "silent"."""
    parts = urlsplit(gateway)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except ConnectionRefusedError:
        return "refused"
    except (OSError, http.client.HTTPException):
        return "silent"
    finally:
        connection.close()
    return "answered"


def checkers(where: Places, region: str, checks: Mapping[str, str], count: int, now: Callable[[], float]) -> str:
    """Whether all checkers of each endpoint look, as GetHealthCheckStatus tells. `checks`: names by id."""
    client = where.aws.client("route53", region)
    for identifier, name in checks.items():
        config, observations = asked(partial(_observed, client, identifier), "read the health checks", region)
        if observations is None:
            continue
        moment = now()
        ages = [moment - each["StatusReport"]["CheckedTime"].timestamp() for each in observations]
        if why := self_test.checkers_lie(name, ages, count, config["RequestInterval"]):
            return why
    return ""


def _observed(client: Any, identifier: str) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    """A health check's settings, and what its checkers saw last; None when it asks no endpoint."""
    config = client.get_health_check(HealthCheckId=identifier)["HealthCheck"]["HealthCheckConfig"]
    if "RequestInterval" not in config or config.get("Disabled"):
        return config, None
    return config, client.get_health_check_status(HealthCheckId=identifier)["HealthCheckObservations"]


def tables(where: Places, cut_off: Callable[[], AbstractContextManager[None]], *, strong: bool, speed: float) -> str:
    """Whether a write in the primary's table reaches the secondary's, unless that is cut off, and is taken away again.

    In `cut_off` the secondary hears nobody.
    """
    here, there = _Replica.of(where, PRIMARY), _Replica.of(where, SECONDARY)
    near, far, alone = (f"self-test-{secrets.token_hex(8)}" for _ in range(3))
    try:
        here.write(near)
        if why := self_test.replica_lies(near, there.finds(near, strong=strong)):
            return why
        if strong:
            took = {kind: [there.seconds(near, strongly=kind) * speed for _ in range(READS)] for kind in (True, False)}
            if why := self_test.distance_lies(took[True], took[False]):
                return why
        with cut_off():
            here.write(far)
            seen = there.read(far, strongly=False)
            acknowledged = there.acknowledges(alone) if strong else ""
        return self_test.isolation_lies(seen, acknowledged, strong=strong) or self_test.replica_lies(
            far, there.finds(far, strong=strong)
        )
    finally:
        for name in (near, far, alone):
            here.delete(name)


@dataclass(frozen=True)
class _Replica:
    """One region's table."""

    client: Any
    table: str
    region: str

    @classmethod
    def of(cls, where: Places, role: Role) -> _Replica:
        region = where.regions.of(role)
        return cls(where.aws.client("dynamodb", region), where.table, region)

    def write(self, name: str) -> None:
        asked(lambda: self._put(name), "write", self.region)

    def acknowledges(self, name: str) -> str:
        try:
            self.write(name)
        except Problem:
            return "refused"
        return "acknowledged"

    def read(self, name: str, *, strongly: bool) -> str | None:
        answer = asked(
            lambda: self.client.get_item(TableName=self.table, Key=_key(name), ConsistentRead=strongly),
            "read",
            self.region,
        )
        return str(answer["Item"]["seen"]["S"]) if "Item" in answer else None

    def seconds(self, name: str, *, strongly: bool) -> float:
        """What a read takes, by this process's clock."""
        begun = time.perf_counter()
        self.read(name, strongly=strongly)
        return time.perf_counter() - begun

    def finds(self, name: str, *, strong: bool) -> str | None:
        """What it says after at most `REPLICATED_WITHIN`; None too when it does not answer.

        A strongly consistent table may have no answer yet. Its first one counts: none is ever out of date.
        """
        end = time.monotonic() + REPLICATED_WITHIN
        while True:
            try:
                found = self.read(name, strongly=True)
            except Problem:
                found = None
            else:
                if strong:
                    return found
            if found == name or time.monotonic() > end:
                return found
            time.sleep(0.2)

    def delete(self, name: str) -> None:
        asked(lambda: self.client.delete_item(TableName=self.table, Key=_key(name)), "delete", self.region)

    def _put(self, name: str) -> Any:
        return self.client.put_item(TableName=self.table, Item={**_key(name), "seen": {"S": name}})


def _key(name: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": "health"}, "sk": {"S": name}}


def timeouts(
    where: Places,
    spare: str,
    count: int,
    hangs: Callable[[], AbstractContextManager[None]],
    sleep: Callable[[float], None],
) -> str:
    """Whether checkers give up a region that hangs, by a check of the drill's own on a region that serves nobody."""
    client = where.aws.client("route53", spare)
    told = {
        "Type": "HTTP",
        "FullyQualifiedDomainName": f"self-test.execute-api.{spare}.amazonaws.com",
        "ResourcePath": "/",
        "RequestInterval": OWN_INTERVAL,
        "FailureThreshold": 10,
    }
    made = asked(
        lambda: client.create_health_check(CallerReference=f"self-test-{secrets.token_hex(8)}", HealthCheckConfig=told),
        "make a health check",
        spare,
    )["HealthCheck"]["Id"]
    try:
        with hangs():
            sleep(FIRST_LOOK + OWN_INTERVAL + GIVE_UP)
            _, seen = asked(partial(_observed, client, made), "read the health checks", spare)
    finally:
        asked(lambda: client.delete_health_check(HealthCheckId=made), "delete a health check", spare)
    return self_test.timeouts_lie([each["StatusReport"]["Status"] for each in seen or ()], count)


def metrics(where: Places, functions: PerRole[str], now: Callable[[], float], sleep: Callable[[float], None]) -> str:
    """Whether what is measured comes late at times.

    `functions`: of each region one that somebody calls every minute.
    """
    ages: list[float] = []
    for _ in range(MINUTES):
        sleep(METRIC_PERIOD_SECONDS - now() % METRIC_PERIOD_SECONDS + JUST_AFTER)
        end = now() // METRIC_PERIOD_SECONDS * METRIC_PERIOD_SECONDS
        for role in ROLES:
            region = where.regions.of(role)
            if not watchers.runs(where.aws, region, functions.of(role), end - METRIC_PERIOD_SECONDS, end):
                return ""
            ages.append(now() - end)
        if why := self_test.early_lies(ages):
            return why
    return ""


def processor(
    endpoints: Collection[str],
    charge: Callable[[str, str, str], str],
    ledger: Callable[[], Iterable[Mapping[str, Any]]],
) -> str:
    """Whether the card processor knows its endpoints apart, and a key that it was given before. No money moves.

    `charge` tells what an endpoint answers to a key and a customer.
    """
    key = f"self-test-{secrets.token_hex(8)}"
    answers = {each: [charge(each, key, DECLINED) for _ in range(REPEATED)] for each in sorted(set(endpoints))}
    return self_test.processor_lies(answers.keys(), answers, (line for line in ledger() if line["key"] == key))


def clocks(own: Callable[[], float], theirs: Callable[[], float], speed: float) -> str:
    """Whether the drill's clock and the checkers' go at the speed, by this process's monotonic clock."""
    for whose, clock in (("the drill's", own), ("the checkers'", theirs)):
        begun, before = time.monotonic(), clock()
        time.sleep(MEASURED)
        ended, after = time.monotonic(), clock()
        if why := self_test.clock_lies(after - before, ended - begun, speed, whose):
            return why
    return ""
