"""The cloud: one application behind all addresses, the regions that are out, and the answers about itself."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from sandbox import addresses, control
from sandbox.cloud import quotas, state
from sandbox.cloud.changes import Form, is_change
from sandbox.cloud.code import CodeStore
from sandbox.cloud.emulator import Emulator
from sandbox.cloud.functions import ExecutionEnvironment
from sandbox.cloud.gateway import Gateway, answer, header
from sandbox.cloud.persistence import Persistence
from sandbox.cloud.region_states import RegionStates, signed
from sandbox.cloud.resolver import Resolver
from sandbox.cloud.traffic import TrafficLink, names_a_bucket, seen_from_outside
from sandbox.server import RECEIVED, Server

if TYPE_CHECKING:
    import ssl

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
        self._states = RegionStates()
        self._server = Server(self)
        self._traffic = TrafficLink(layout.traffic_socket, self._states)
        self._resolver = Resolver(port, self._traffic.healthy)
        self._persistence = Persistence(layout.cloud, self._emulator.version)
        self._sources = digest
        self._control: asyncio.Server | None = None
        self._prepared: asyncio.Task[None]
        self._tls: ssl.SSLContext

    async def start(self) -> None:
        ExecutionEnvironment.layout = self._layout
        ExecutionEnvironment.code = CodeStore(self._layout.temporary / "functions")
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
        for endpoint in self._https.values():
            await self._server.listen(endpoint, self._tls)

    def _prepared_apart(self) -> ssl.SSLContext:
        self._emulator.prepare()
        from sandbox.cloud import account  # noqa: PLC0415 - importing it imports what it changes
        from sandbox.cloud.repairs import routing  # noqa: PLC0415

        account.bootstrap(addresses.REGIONS)
        quotas.apply()
        state.resume()
        routing.observe(self._traffic.observations)
        from sandbox.authority import Authority  # noqa: PLC0415 - its cryptography takes a while to load

        return Authority(self._layout).context()

    async def stop(self) -> None:
        if self._control is not None:
            self._control.close()
        await self._server.close()
        await self._persistence.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._prepared.done():
            await asyncio.wait({self._prepared})
        self._prepared.result()
        if scope["type"] != "http":
            await self._emulator.application(scope, receive, send)
            return
        RECEIVED.set(scope["headers"])
        host, port = scope["server"][:2]
        region = self._regions.get((host, port))
        signature = signed(header(scope, b"authorization"), scope["query_string"].decode("latin-1"))
        within = region or signature.region
        state = self._states.state(within)
        if state == "refuse":
            await self._server.cut(scope, receive)
        elif state == "hang":
            await self._states.hang()
            await self._server.cut(scope, receive)
        elif state == "errors":
            await answer(send, 503, {"__type": "ServiceUnavailable", "message": f"{within} is unavailable"})
        elif region is not None and not names_a_bucket(header(scope, b"host"), region):
            await self._gateway(region, seen_from_outside(scope), receive, send)
        else:
            await self._ask_aws(signature.service, seen_from_outside(scope), receive, send)

    async def _ask_aws(self, service: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the emulator answer; what it changes is on record before the answer begins."""
        form = Form(receive)

        def changes() -> bool:
            return is_change(scope, service, header(scope, b"x-amz-target"), form.beginning)

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and changes():
                self._persistence.changing()
            await send(message)

        try:
            await self._emulator.application(scope, form, answer)
        finally:
            if changes():
                self._persistence.changed()
                if service == "route53":
                    self._traffic.changed()

    async def _set_region(self, region: str, state: Any) -> dict[str, Any]:
        if region not in self._endpoints or state not in control.REGION_STATES:
            raise ValueError(f"no such region or state: {region} {state}")
        self._states.set(region, state)
        await asyncio.wait({self._prepared})
        for endpoint, tls in ((self._endpoints[region], None), (self._https[region], self._tls)):
            if state == "refuse":
                self._server.silence(endpoint)
            elif not self._server.listens(endpoint):
                await self._server.listen(endpoint, tls)
        return {}

    def _status(self) -> dict[str, Any]:
        return {
            "sources": self._sources,
            "generation": self._persistence.generation.id,
            "recoveries": self._persistence.generation.recoveries,
            "closed_regions": dict(self._states.closed()),
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
                case "region":
                    told = await self._set_region(asked["region"], asked["state"])
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
