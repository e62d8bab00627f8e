"""The regions' gateways: which API, stage and path, or which load balancer, a request for a host name means."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.cloud.answers import answer, header
from sandbox.cloud.balancers.table import LoadBalancer, LoadBalancers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud.emulator import Emulator
    from sandbox.server import Receive, Scope, Send

_EXECUTE_API = re.compile(r"^([a-z0-9]+)\.execute-api\.([a-z0-9-]+)\.amazonaws\.com$")
_OF_LOAD_BALANCERS = frozenset({"elasticloadbalancing", "acm", ""})
"""Services, as requests are signed for them, whose changes may be of what a load balancer answers to, or how."""


@dataclass(frozen=True)
class EmulatorPath:
    """The emulator's path for what a client asked for."""

    path: str


class Gateway:
    """Finds what answers to a host name, within one region, as the region's own endpoints would."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._balancers = LoadBalancers()

    async def __call__(self, region: str, scope: Scope, receive: Receive, send: Send) -> None:
        host = _host(scope)
        path = scope["raw_path"].decode("ascii")
        route = self.route(region, host, path)
        if route is None:
            await answer(
                send, 404, {"message": f"{host} names no API in {region}", "hosts": sorted(set(self.hosts(region)))}
            )
            return
        if isinstance(route, LoadBalancer):
            from sandbox.cloud.balancers.serving import serve  # noqa: PLC0415 - it needs the repaired services

            await serve(route, scope, receive, send)
            return
        raw = route.path.encode("ascii")
        await self._emulator.application({**scope, "path": unquoted(route.path), "raw_path": raw}, receive, send)

    def changed(self, service: str) -> None:
        """A service's API has been asked for a change, and has made it; empty for a request that names no service."""
        if service in _OF_LOAD_BALANCERS:
            self._balancers.forget()

    def route(self, region: str, host: str, path: str) -> EmulatorPath | LoadBalancer | None:
        """Where a request goes; None when the region has nothing by that name.

        A custom domain name or an API's own name selects it, and so does a load balancer's, or a name on a certificate
        of its listeners. An address, or any other name, means the region's only API or load balancer if it has just
        one of them. A load balancer without a listener counts as none: on AWS nobody can connect to it.
        """
        if found := _EXECUTE_API.match(host):
            return self._api(found[1], path) if found[2] == region and found[1] in self._apis(region) else None
        domains = self._domains(region)
        if host in domains:
            return self._mapped(domains[host], path)
        if balancer := self._balancers.named(region, host):
            return balancer
        if not _is_address(host) and host.endswith(".amazonaws.com"):
            return None
        return self._only(region, path)

    def hosts(self, region: str) -> Iterator[str]:
        """The names that mean something in the region."""
        yield from self._domains(region)
        for api in self._apis(region):
            yield f"{api}.execute-api.{region}.amazonaws.com"
        yield from self._balancers.hosts(region)

    def _only(self, region: str, path: str) -> EmulatorPath | LoadBalancer | None:
        balancers, apis = self._balancers.of(region), self._apis(region)
        if len(balancers) + len(apis) != 1:
            return None
        if balancers:
            return balancers[0]
        mappings = [mapping for mapped in self._domains(region).values() for mapping in mapped.values()]
        (api,) = apis
        stages = self._stages(region, api)
        mapped = {mapping["stage"] for mapping in mappings if mapping["restApiId"] == api and mapping.get("stage")}
        candidates = mapped if len(mapped) == 1 else stages
        if len(candidates) != 1:
            return None
        (stage,) = candidates
        return EmulatorPath(f"/restapis/{api}/{stage}/_user_request_{path}")

    def _api(self, api: str, path: str) -> EmulatorPath:
        stage, _, rest = path.lstrip("/").partition("/")
        return EmulatorPath(f"/restapis/{api}/{stage}/_user_request_/{rest}")

    def _mapped(self, mappings: dict[str, dict[str, str]], path: str) -> EmulatorPath | None:
        for base in sorted(mappings, key=len, reverse=True):
            mapping = mappings[base]
            prefix = "" if base in {"", "(none)"} else f"/{base}"
            if prefix and path != prefix and not path.startswith(prefix + "/"):
                continue
            rest = path[len(prefix) :] or "/"
            if not mapping.get("stage"):
                return self._api(mapping["restApiId"], rest)
            return EmulatorPath(f"/restapis/{mapping['restApiId']}/{mapping['stage']}/_user_request_{rest}")
        return None

    def _apis(self, region: str) -> list[str]:
        from ministack.services import apigateway_v1  # noqa: PLC0415 - as late as the emulator's own import of it

        return [api for (_, home, api), _ in apigateway_v1._rest_apis.all_items() if home == region]

    def _stages(self, region: str, api: str) -> set[str]:
        from ministack.services import apigateway_v1  # noqa: PLC0415

        return {
            stage
            for (_, home, owner), stages in apigateway_v1._stages_v1.all_items()
            if (home, owner) == (region, api)
            for stage in stages
        }

    def _domains(self, region: str) -> dict[str, dict[str, dict[str, str]]]:
        from ministack.services import apigateway_v1  # noqa: PLC0415

        mappings = {(home, name): mapped for (_, home, name), mapped in apigateway_v1._base_path_mappings.all_items()}
        return {
            name.lower(): mappings.get((home, name), {})
            for (_, home, name), _ in apigateway_v1._domain_names.all_items()
            if home == region
        }


def unquoted(path: str) -> str:
    from urllib.parse import unquote  # noqa: PLC0415

    return unquote(path)


def _host(scope: Scope) -> str:
    return header(scope, b"host").rpartition("@")[2].partition(":")[0].rstrip(".").lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
