"""The cloud: one application behind all addresses, the regions that are out, and the answers about itself."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from sandbox import addresses, control
from sandbox.cloud import metric_namespace, quotas, service_quotas, state
from sandbox.cloud.access_log import AccessLog
from sandbox.cloud.answers import Failure, fail, header
from sandbox.cloud.changes import Form, is_change, read_ahead
from sandbox.cloud.clockwork import Clockwork
from sandbox.cloud.code import CodeStore
from sandbox.cloud.emulator import UNRECORDED, Emulator
from sandbox.cloud.faults import Injection
from sandbox.cloud.function_faults import FunctionFaults
from sandbox.cloud.functions import ExecutionEnvironment
from sandbox.cloud.gateway import Gateway
from sandbox.cloud.persistence import Persistence
from sandbox.cloud.requests import operation, signed
from sandbox.cloud.resolver import Resolver
from sandbox.cloud.traffic import TrafficLink, names_a_bucket, seen_from_outside
from sandbox.cloud.watch.here import Here
from sandbox.distances import round_trip
from sandbox.faults import rules
from sandbox.faults.fault import InjectedFault
from sandbox.faults.rules import GATEWAY, Asked
from sandbox.server import RECEIVED, Server

if TYPE_CHECKING:
    import ssl

    from sandbox.cloud.cross_region import CrossRegion
    from sandbox.cloud.global_tables import GlobalTables
    from sandbox.layout import Layout
    from sandbox.server import Receive, Scope, Send


class Cloud:
    """AWS for one checkout."""

    def __init__(self, layout: Layout, port: int, digest: str) -> None:
        self._layout = layout
        self._endpoints = addresses.endpoints(port)
        self._https = addresses.https_endpoints(port)
        self._regions = {
            endpoint: region for table in (self._endpoints, self._https) for region, endpoint in table.items()
        }
        self._aws = (addresses.AWS, port)
        self._emulator = Emulator()
        self._gateway = Gateway(self._emulator)
        self._access_log = AccessLog(layout.access_log)
        self._server = Server(self)
        self._faults = Injection(layout.faults, self._server)
        self._function_faults = FunctionFaults(lambda: self._faults.in_force)
        self._traffic = TrafficLink(layout.traffic_socket, lambda region: self._is_out(region, "monitoring"))
        self._resolver = Resolver(port, lambda name: rules.resolves(self._faults.in_force, name), self._traffic.healthy)
        self._persistence = Persistence(layout.cloud, self._emulator.version)
        self._watch = Clockwork(layout, self._is_out, self._changed_by_itself)
        self._sources = digest
        self._control: asyncio.Server | None = None
        self._prepared: asyncio.Task[None]
        self._tls: ssl.SSLContext
        self._global_tables: GlobalTables | None = None
        self._between_regions: tuple[GlobalTables, CrossRegion]

    async def start(self) -> None:
        ExecutionEnvironment.layout = self._layout
        ExecutionEnvironment.faults = self._function_faults
        ExecutionEnvironment.code = CodeStore(self._layout.temporary / "functions", self._layout.bytecode)
        await self._emulator.start()
        await self._persistence.start()
        # A request that comes early waits for this; starting the sandbox does not.
        loop = asyncio.get_running_loop()
        self._prepared = asyncio.create_task(self._prepare())
        self._prepared.add_done_callback(lambda _: loop.run_in_executor(None, self._emulator.get_ahead))
        for endpoint in (self._aws, *self._endpoints.values()):
            await self._server.listen(endpoint)
        path = self._layout.cloud_socket
        path.unlink(missing_ok=True)
        self._control = await asyncio.start_unix_server(self._converse, path, limit=control.LARGEST)

    async def _prepare(self) -> None:
        self._tls = await asyncio.get_running_loop().run_in_executor(None, self._prepared_apart)
        await self._open_and_close()
        self._watch.start()

    def _prepared_apart(self) -> ssl.SSLContext:
        from sandbox.cloud import decisions  # noqa: PLC0415 - see below

        decisions.write_down(self._layout.decisions)  # behind it are those that repairs ask for beside
        self._emulator.prepare()
        self._watch.prepare()
        # Importing them imports what they change.
        from sandbox.cloud import account, cross_region, global_tables, throttling  # noqa: PLC0415
        from sandbox.cloud.repairs import routing  # noqa: PLC0415

        account.bootstrap(addresses.REGIONS)
        quotas.apply()
        throttling.install(self._function_faults)
        self._global_tables = global_tables.GlobalTables(self._faults.network, self._persistence.note_replicas)
        self._between_regions = (self._global_tables, cross_region.CrossRegion(self._faults.network))
        for each in self._between_regions:
            each.install()
        state.resume()
        routing.observe(self._traffic.observations)
        from sandbox.authority import Authority  # noqa: PLC0415 - its cryptography takes a while to load

        return Authority(self._layout).context()

    async def stop(self) -> None:
        if self._control is not None:
            self._control.close()
        self._watch.stop()
        await self._server.close()
        self._access_log.close()
        await self._persistence.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._prepared.done():
            await asyncio.wait({self._prepared})
        self._prepared.result()
        if scope["type"] != "http":
            await self._emulator.application(scope, receive, send)
            return
        RECEIVED.set(scope["headers"])
        asked, receive = await self._asked(scope, receive)
        seen = seen_from_outside(scope)
        if asked.service == "dynamodb":
            receive, send = await self._counted(asked, receive, send)
        with self._faults.under_way(asked, scope, receive) as request:
            if await self._faults.hold(request, send):
                return
            if asked.origin and (distance := round_trip(asked.origin, asked.region)):
                await Here.clock.sleep(distance)
            sender = self._faults.sender(request, send)
            if asked.service == GATEWAY:
                await self._gateway(asked.region, seen, receive, self._access_log.watched(asked.region, seen, sender))
            else:
                await self._ask_aws(asked.service, seen, receive, sender)

    async def _counted(self, asked: Asked, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """A request to DynamoDB, of which a refusal is counted; where a fault may refuse it, nobody else reads it."""
        from sandbox.cloud.watch import tables  # noqa: PLC0415 - see _prepare

        if self._faults.in_force:
            body, receive = await read_ahead(receive)
            return receive, tables.counted(asked.region, asked.operation, lambda: tables.table_of(body), send)
        form = Form(receive)
        return form, tables.counted(asked.region, asked.operation, lambda: tables.table_of(form.beginning), send)

    async def _asked(self, scope: Scope, receive: Receive) -> tuple[Asked, Receive]:
        """Who asks what of whom, and what the request's body is to be received by from now on."""
        caller = self._function_faults.regions.get(scope["client"][0] if scope["client"] else "", "")
        if region := self._regions.get(tuple(scope["server"][:2])):
            bucket = names_a_bucket(header(scope, b"host"), region)
            return Asked(region, "s3" if bucket else GATEWAY, origin=caller), receive
        signature = signed(header(scope, b"authorization"), scope["query_string"].decode("latin-1"))
        target, form = header(scope, b"x-amz-target"), b""
        if not target and signature.service in rules.operations(self._faults.in_force):
            form, receive = await read_ahead(receive)
        named = operation(scope, signature.service, target, form)
        origin = caller or self._function_faults.keys.get(signature.key, "")
        return Asked(signature.region, signature.service, named, origin), receive

    async def _ask_aws(self, service: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the emulator answer; what it changes is on record before the answer begins."""
        if service == "synthetics":
            await self._watch.synthetics(scope, receive, send)
            return
        if service == UNRECORDED:
            refusal = Failure(400, "UnsupportedOperationException", "the sandbox records no calls")
            await fail(scope, send, service, refusal)
            return
        if service == service_quotas.SERVICE:
            await service_quotas.serve(scope, receive, send)
            return
        if service == metric_namespace.SERVICE:
            receive = await metric_namespace.noted(scope, receive)
        form = Form(receive)

        def changes() -> bool:
            return is_change(scope, service, header(scope, b"x-amz-target"), form.beginning)

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and changes():
                self._persistence.changing()
                self._gateway.changed(service)
            await send(message)

        try:
            await self._emulator.application(scope, form, answer)
        finally:
            if changes():
                self._persistence.changed()
                if service == "route53":
                    self._traffic.changed()

    def _is_out(self, region: str, service: str) -> bool:
        """Whether (nearly) all requests to a service in a region fail: then it does nothing by itself either."""
        return rules.consequence(self._faults.in_force, Asked(region, service), lambda: 0.999).act != "answer"

    def _changed_by_itself(self) -> None:
        self._persistence.changing()
        self._persistence.changed()

    async def _begin(self, told: dict[str, Any]) -> dict[str, Any]:
        await asyncio.wait({self._prepared})
        wanted = InjectedFault.read(told)
        if problem := self._function_faults.missing(wanted):
            return {"problem": problem}
        begun = self._faults.begin(wanted)
        self._function_faults.begun(begun)
        await self._follow()
        return {"fault": begun.told()}

    async def _end(self, number: int | None, region: str) -> dict[str, Any]:
        await asyncio.wait({self._prepared})
        ended = self._faults.end(number, region)
        await self._follow()
        return {"ended": [fault.told() for fault in ended]}

    async def _follow(self) -> None:
        """Let all else follow a fault that has begun or ended."""
        await self._open_and_close()
        for each in self._between_regions:
            each.mend()
        self._persistence.changing()  # what waited has arrived
        self._persistence.changed()

    async def _open_and_close(self) -> None:
        """Listen for the gateways of all regions but those that refuse connections."""
        for region, endpoint in self._endpoints.items():
            refuses = rules.lasting(self._faults.in_force, Asked(region, GATEWAY)).act == "refuse"
            for each, tls in ((endpoint, None), (self._https[region], self._tls)):
                if refuses:
                    self._server.silence(each)
                elif not self._server.listens(each):
                    await self._server.listen(each, tls)

    def _status(self) -> dict[str, Any]:
        return {
            "sources": self._sources,
            "generation": self._persistence.generation.id,
            "recoveries": self._persistence.generation.recoveries,
            "lost_writes": self._global_tables.lost() if self._global_tables else {},
            "faults": [fault.told() for fault in self._faults.in_force],
            "versions": {"ministack": self._emulator.version},
            "trouble": self._persistence.trouble,
        }

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question of `sandbox.control`."""
        try:
            asked = json.loads(await reader.readline())
            match asked["question"]:
                case "status":
                    told = self._status()
                case "news":
                    told, self._persistence.news = {"line": self._persistence.news}, ""
                case "fault":
                    told = await self._begin(asked["fault"])
                case "heal":
                    told = await self._end(asked["number"], asked["region"])
                case "name":
                    told = {"endpoint": self._resolver.endpoint(asked["name"])}
                case "traffic":
                    await asyncio.wait({self._prepared})
                    alarms = [(region, name) for region, name in asked["alarms"]]
                    told = self._traffic.hear(self._persistence.generation.id, asked["healthy"], alarms)
                case _:
                    return
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        finally:
            writer.close()
