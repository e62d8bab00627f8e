"""DNS and health checkers of one checkout: what they know of the cloud, and what they tell."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from typing import TYPE_CHECKING, Any

from sandbox import addresses, control
from sandbox.checker_ranges import PLACES
from sandbox.clock import SharedClock
from sandbox.faults import rules
from sandbox.faults.book import Book
from sandbox.traffic.declared import Declared, Route53
from sandbox.traffic.dns_server import DnsServer
from sandbox.traffic.health import CheckerFleet
from sandbox.traffic.probe import EndpointProbe
from sandbox.traffic.zones import HostedZones
from shared import files

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sandbox.addresses import Endpoint
    from sandbox.layout import Layout
    from sandbox.traffic.zones import Resolution

LOOK_EVERY = 1.0
"""Virtual seconds between two looks at the cloud: has Route 53 changed, what do the alarms say."""
OFTENEST, RAREST = 0.05, 0.5
"""Real seconds between two looks, at any speed."""
ANSWER_WITHIN = 2.0
"""Real seconds that the cloud may take for that."""


class Traffic:
    """Everything between clients and regions."""

    def __init__(self, layout: Layout, port: int, digest: str) -> None:
        self._layout = layout
        self._port = port
        self._sources = digest
        self._clock = SharedClock(layout.clock)
        self._gateways = {80: addresses.endpoints(port), 443: addresses.https_endpoints(port)}
        """By the port that AWS serves them at, and by region."""
        self._addresses = {region: host for region, (host, _) in self._gateways[80].items()}
        self._probe = EndpointProbe(self._clock, self._lead)
        self._checks = CheckerFleet(self._clock, self._probe, self._happened, remembered=_remembered(layout))
        self._faults = Book(layout.faults)
        self._declared = Declared()
        self._zones = self._serve(self._declared)
        self._answered: dict[str, str] = {}
        self._route53: Route53 | None = None
        self._seen: Any = None
        self._dns = DnsServer(self._resolve)
        self._control: asyncio.Server | None = None
        self._following: asyncio.Task[None] | None = None
        self._told = asyncio.Event()

    async def start(self) -> None:
        await self._dns.listen(addresses.dns(self._port))
        path = self._layout.traffic_socket
        path.unlink(missing_ok=True)
        self._control = await asyncio.start_unix_server(self._converse, path, limit=control.LARGEST)
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._checks.close()
        self._dns.close()
        if self._control is not None:
            self._control.close()

    async def _follow(self) -> None:
        """Keep up with the cloud, and keep it informed of what DNS knows: its functions resolve names by that."""
        while True:
            self._told.clear()
            try:
                await self._look()
            except OSError:
                pass  # the cloud is down or being started again: what is known goes on
            except Exception as error:  # noqa: BLE001 - of the SDK's there are many, and the next look may do
                print(f"what is declared could not be read: {error}", flush=True)
            try:
                pause = min(RAREST, max(OFTENEST, self._clock.real(LOOK_EVERY)))
                await asyncio.wait_for(self._told.wait(), pause)
            except TimeoutError:
                continue

    async def _look(self) -> None:
        told = await self._ask_cloud("traffic", healthy=self._checks.statuses(), alarms=sorted(self._checks.alarms))
        if told["changes"] != self._seen:
            self._declared = await asyncio.get_running_loop().run_in_executor(None, self._read)
            self._seen = told["changes"]
            self._zones = self._serve(self._declared)
            self._checks.declare(self._declared.checks)
            self._remember()
            self._notice_answers()
            self._told.set()  # the cloud hears of new checks at once, and tells their alarms
        self._checks.hear({(region, name): state for region, name, state in told["alarms"]})

    async def _ask_cloud(self, question: str, **details: Any) -> dict[str, Any]:
        asking: Awaitable[dict[str, Any]] = control.ask_soon(self._layout.cloud_socket, question, **details)
        return await asyncio.wait_for(asking, ANSWER_WITHIN)

    def _read(self) -> Declared:
        if self._route53 is None:
            self._route53 = Route53(addresses.url((addresses.AWS, self._port)))
        return self._route53.read()

    def _resolve(self, name: str, kind: str) -> Resolution:
        return self._zones.resolve(name, kind)

    def _serve(self, declared: Declared) -> HostedZones:
        return HostedZones(declared.zones, self._checks.in_dns, self._addresses.get, self._resolves)

    def _resolves(self, name: str) -> bool:
        self._faults.refresh()
        return rules.resolves(self._faults.faults, name)

    def _lead(self, name: str, port: int) -> Endpoint | None:
        """Where a port of a name is served, as DNS has it now: a region's gateway, or an address of this machine."""
        if not _is_address(name):
            found = self._zones.resolve(name, "A")
            if found.region and port in self._gateways:
                return self._gateways[port].get(found.region)
            name = next((value for each in found.records if each.kind == "A" for value in each.values), "")
        return (name, port) if name and ipaddress.ip_address(name).is_loopback else None

    def _happened(self, what: str, **details: Any) -> None:
        """Note a change of a check, or of what DNS knows of it."""
        self._note(what, **details)
        self._remember()
        if what == "dns":
            self._notice_answers()
            self._told.set()

    def _notice_answers(self) -> None:
        """Note which record set each failover name is answered with, when that has changed."""
        for name, identifier in self._answers().items():
            if self._answered.get(name) != identifier:
                self._answered[name] = identifier
                self._note("answer", name=name, set=identifier)

    def _answers(self) -> dict[str, str]:
        """The set that is answered, by failover name."""
        names = {each.name: each.kind for zone in self._declared.zones for each in zone.sets if each.failover}
        return {name: next(iter(self._zones.resolve(name, kind).chosen_sets), "") for name, kind in names.items()}

    def _note(self, what: str, **details: Any) -> None:
        path = self._layout.traffic_events
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps({"at": self._clock.now(), "what": what, **details}) + "\n")

    def _remember(self) -> None:
        files.replace(self._layout.traffic_state, json.dumps(self._checks.memory()) + "\n")

    def _trouble(self) -> list[str]:
        alone = [] if can_ask_from(PLACES[0].source) else [_ALONE]
        return [*self._zones.unimitated(), *alone]

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question of `sandbox.control`."""
        try:
            asked = json.loads(await reader.readline())
            match asked["question"]:
                case "status":
                    host, port = addresses.dns(self._port)
                    told: dict[str, Any] = {
                        "sources": self._sources,
                        "dns": f"{host}:{port}",
                        "trouble": self._trouble(),
                    }
                case "strain":
                    told = {"strain": self._probe.strain(asked["since"])}
                case "health":
                    told = {
                        "now": self._clock.now(),
                        "speed": self._clock.speed,
                        "checks": self._checks.report(),
                        "answers": self._answers(),
                        "trouble": self._trouble(),
                    }
                case _:
                    return
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            pass  # who asked has given up
        finally:
            writer.close()


_ALONE = (
    f"this machine has no {PLACES[0].source}: the checkers ask from 127.0.0.1, "
    "and policies that let in the checkers' addresses alone refuse them"
)


def can_ask_from(address: str) -> bool:
    """Whether a connection can come from an address of this machine."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _remembered(layout: Layout) -> dict[str, dict[str, bool]]:
    """The statuses that the daemon before this one has found."""
    try:
        found = json.loads(layout.traffic_state.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: each for name, each in found.items() if isinstance(each, dict)} if isinstance(found, dict) else {}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
