"""The emulator's own routing, and Route 53."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import SubElement

from ministack.core import router
from ministack.services import route53

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from xml.etree.ElementTree import Element

    Observations = Callable[[str], Awaitable[dict[str, Any] | None]]

_observed: list[Observations] = []
"""Whoever tells what the checkers found of a check; the last one holds."""


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


def tags_of_several() -> None:
    """ListTagsForResources is missing: it tells the tags of up to ten zones or health checks at once."""
    handle = route53.handle_request

    async def handled(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        asked = re.fullmatch(r"/2013-04-01/tags/(healthcheck|hostedzone)", path)
        if method != "POST" or asked is None:
            return await handle(method, path, headers, body, query)
        named = route53._find(route53._parse_body(body), "ResourceIds")
        ids = [each.text or "" for each in route53._findall(named, "ResourceId")]
        if len(ids) > _TAGGED_AT_ONCE:
            return route53._error_response("InvalidInput", f"At most {_TAGGED_AT_ONCE} resources at once.")
        there, unknown = _TAGGED[asked[1]]
        if missing := [each for each in ids if there.get(each) is None]:
            return route53._error_response(unknown, f"There is no {asked[1]} with the ID {missing[0]}.", 404)

        def told(root: Element) -> None:
            listed = SubElement(root, "ResourceTagSets")
            for each in ids:
                tagged = SubElement(listed, "ResourceTagSet")
                SubElement(tagged, "ResourceType").text, SubElement(tagged, "ResourceId").text = asked[1], each
                tags = SubElement(tagged, "Tags")
                for key, value in route53._tags.get((asked[1], each), {}).items():
                    tag = SubElement(tags, "Tag")
                    SubElement(tag, "Key").text, SubElement(tag, "Value").text = key, value

        return route53._xml_response("ListTagsForResourcesResponse", told)

    route53.handle_request = handled


_TAGGED_AT_ONCE = 10
_TAGGED: dict[str, tuple[Any, str]] = {
    "healthcheck": (route53._health_checks, "NoSuchHealthCheck"),
    "hostedzone": (route53._zones, "NoSuchHostedZone"),
}


def account_limits() -> None:
    """GetAccountLimit is missing: it tells what the account may have of zones and health checks, and what it has."""
    handle = route53.handle_request

    async def handled(method: str, path: str, *arguments: Any) -> Any:
        asked = re.fullmatch(r"/2013-04-01/accountlimit/(\w+)", path)
        if method != "GET" or asked is None or asked[1] not in _LIMITS:
            return await handle(method, path, *arguments)
        most, there = _LIMITS[asked[1]]

        def told(root: Element) -> None:
            limit = SubElement(root, "Limit")
            SubElement(limit, "Type").text, SubElement(limit, "Value").text = asked[1], str(most)
            SubElement(root, "Count").text = str(len(list(there.values())))

        return route53._xml_response("GetAccountLimitResponse", told)

    route53.handle_request = handled


_LIMITS: dict[str, tuple[int, Any]] = {
    "MAX_HEALTH_CHECKS_BY_OWNER": (200, route53._health_checks),
    "MAX_HOSTED_ZONES_BY_OWNER": (500, route53._zones),
}
"""AWS's defaults, and what counts (Route 53 Developer Guide, "Quotas")."""


def _not_signing(root: Element) -> None:
    SubElement(SubElement(root, "Status"), "ServeSignature").text = "NOT_SIGNING"
    SubElement(root, "KeySigningKeys")


def observe(observations: Observations) -> None:
    """Tell what the health checkers found by this from now on."""
    _observed.append(observations)


def health_check_status() -> None:
    """GetHealthCheckStatus and GetHealthCheckLastFailureReason are missing: nobody checks anything."""
    handle = route53.handle_request

    async def handled(method: str, path: str, *arguments: Any) -> Any:
        asked = re.fullmatch(r"/2013-04-01/healthcheck/([^/]+)/(status|lastfailurereason)", path)
        if method != "GET" or asked is None:
            return await handle(method, path, *arguments)
        check, what = asked.groups()
        known = route53._health_checks.get(check)
        if known is None:
            message = f"No health check exists with the specified ID {check}."
            return route53._error_response("NoSuchHealthCheck", message, 404)
        if known["config"]["Type"] == "CALCULATED":
            message = "The status of a calculated health check is not available by this operation."
            return route53._error_response("InvalidInput", message, 400)
        found = await _observed[-1](check) if _observed else None
        observations = found["observations"] if found else []
        if what == "status":
            told = [(each, each["status"], each["at"]) for each in observations]
            return route53._xml_response("GetHealthCheckStatusResponse", lambda root: _observations(root, told))
        told = [(each, each["failure"], each["failed_at"]) for each in observations if each["failure"]]
        return route53._xml_response("GetHealthCheckLastFailureReasonResponse", lambda root: _observations(root, told))

    route53.handle_request = handled


def _observations(root: Element, told: list[tuple[dict[str, Any], str, float]]) -> None:
    listed = SubElement(root, "HealthCheckObservations")
    for observation, report, at in told:
        element = SubElement(listed, "HealthCheckObservation")
        SubElement(element, "Region").text = observation["region"]
        SubElement(element, "IPAddress").text = observation["address"]
        status = SubElement(element, "StatusReport")
        SubElement(status, "Status").text = report
        SubElement(status, "CheckedTime").text = (
            datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        )
