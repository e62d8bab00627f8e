"""Asks the sandbox what the self-test judges: before the load, at the speed of the drill, with nothing broken."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from drill import self_test
from drill.names import DnsClient, NotResolved
from orchestration.api import entry
from orchestration.aws import asked
from shared.clients import SERVED_BY
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from drill.names import Resolved
    from drill.reading import Places
    from drill.stage import Stage
    from shared.environment import Environment

QUESTIONS: Final = 3
MEASURED: Final = 2.0
"""Real seconds over which the clocks are measured."""
PATIENCE: Final = 5.0
"""Real seconds that one connection may take."""
REPLICATED_WITHIN: Final = 5.0
"""Real seconds in which a write must be in the other region, where regions follow each other at a distance."""


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


def replica(where: Places) -> str:
    """Whether a write in the primary's table is read strongly in the secondary's. It is taken away again."""
    here, there = (where.aws.client("dynamodb", where.regions.of(role)) for role in (PRIMARY, SECONDARY))
    written = secrets.token_hex(8)
    key = {"pk": {"S": "health"}, "sk": {"S": f"self-test-{written}"}}
    item = {**key, "seen": {"S": written}}
    asked(lambda: here.put_item(TableName=where.table, Item=item), "write", where.regions.of(PRIMARY))
    try:
        found = None
        for found in _read(lambda: there.get_item(TableName=where.table, Key=key, ConsistentRead=True), where):
            if found == written:
                break
    finally:
        asked(lambda: here.delete_item(TableName=where.table, Key=key), "delete", where.regions.of(PRIMARY))
    return self_test.replica_lies(written, found)


def _read(question: Callable[[], Any], where: Places) -> Iterator[str | None]:
    end = time.monotonic() + REPLICATED_WITHIN
    while True:
        item = asked(question, "read", where.regions.of(SECONDARY)).get("Item")
        yield item["seen"]["S"] if item else None
        if time.monotonic() > end:
            return
        time.sleep(0.2)


def clocks(own: Callable[[], float], theirs: Callable[[], float], speed: float) -> str:
    """Whether the drill's clock and the checkers' go at the speed, by this process's monotonic clock."""
    for whose, clock in (("the drill's", own), ("the checkers'", theirs)):
        begun, before = time.monotonic(), clock()
        time.sleep(MEASURED)
        ended, after = time.monotonic(), clock()
        if why := self_test.clock_lies(after - before, ended - begun, speed, whose):
            return why
    return ""
