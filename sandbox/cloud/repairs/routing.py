"""The emulator's own routing, and Route 53."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import SubElement

from ministack.core import router
from ministack.services import route53

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def known_services() -> None:
    """The first request to a service that it lacks loads all of botocore's models: 3 seconds and 390 MB."""
    router._KNOWN_AWS_SERVICE_NAMES = frozenset(
        {"fis", "monitoring", "route53-recovery-cluster", "rum", "synthetics", "xray"}
    )


def health_check_lists() -> None:
    """Health checks lose their children and regions, and their booleans come out as Python's, which reads as false."""
    parse = route53._parse_health_check_config

    def parsed(element: Element) -> dict[str, Any]:
        config: dict[str, Any] = parse(element)
        for name, member in (("ChildHealthChecks", "ChildHealthCheck"), ("Regions", "Region")):
            listed = route53._find(element, name)
            if listed is not None:
                config[name] = [each.text or "" for each in route53._findall(listed, member)]
        return {name: str(value).lower() if isinstance(value, bool) else value for name, value in config.items()}

    route53._parse_health_check_config = parsed


def signing_of_zones() -> None:
    """GetDNSSEC is missing: a zone that nobody signs answers that it is not signing."""
    handle = route53.handle_request

    async def handled(method: str, path: str, *arguments: Any) -> Any:
        asked = re.fullmatch(r"/2013-04-01/hostedzone/([^/]+)/dnssec", path)
        if method != "GET" or asked is None:
            return await handle(method, path, *arguments)
        if asked[1] not in route53._zones:
            return route53._error_response("NoSuchHostedZone", f"No hosted zone found with ID: {asked[1]}", 404)
        return route53._xml_response("GetDNSSECResponse", _not_signing)

    route53.handle_request = handled


def _not_signing(root: Element) -> None:
    SubElement(SubElement(root, "Status"), "ServeSignature").text = "NOT_SIGNING"
    SubElement(root, "KeySigningKeys")
