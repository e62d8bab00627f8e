"""What AWS's managed rule groups find, as far as their page says it; what it does not say is not imitated.

https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html gives sizes in full, and of
patterns an example for each: these examples are found here, and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.cloud.web_requests import WebRequest

    Test = Callable[[WebRequest], bool]

_JNDI = "${jndi:ldap://"
_RUNTIME = "(java.lang.runtime).getruntime().exec("


def _longer(part: Callable[[WebRequest], str | bytes | None], size: int) -> Test:
    return lambda request: len(part(request) or b"") > size


def _in(part: Callable[[WebRequest], str | None], *patterns: str) -> Test:
    return lambda request: any(pattern in (part(request) or "").lower() for pattern in patterns)


def _header(name: str) -> Callable[[WebRequest], str | None]:
    return lambda request: request.header(name)


def _headers(request: WebRequest) -> str:
    return "\n".join(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in request.headers)


def _body(request: WebRequest) -> str:
    return request.body[:8192].decode("latin-1")


def _path(request: WebRequest) -> str:
    return request.path


def _query(request: WebRequest) -> str:
    return request.query


def _nobody(request: WebRequest) -> bool:  # noqa: ARG001 - a test as the others are
    """AWS publishes no address of its lists."""
    return False


GROUPS: Mapping[str, Mapping[str, Test]] = {
    "AWSManagedRulesCommonRuleSet": {
        "NoUserAgent_HEADER": lambda request: not request.header("user-agent"),
        "UserAgent_BadBots_HEADER": _in(_header("user-agent"), "nessus", "nmap"),
        "SizeRestrictions_QUERYSTRING": _longer(_query, 2048),
        "SizeRestrictions_Cookie_HEADER": _longer(_header("cookie"), 10_240),
        "SizeRestrictions_BODY": _longer(lambda request: request.body, 8192),
        "SizeRestrictions_URIPATH": _longer(_path, 1024),
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {
        "JavaDeserializationRCE_HEADER": _in(_headers, _RUNTIME),
        "JavaDeserializationRCE_BODY": _in(_body, _RUNTIME),
        "JavaDeserializationRCE_URIPATH": _in(_path, _RUNTIME),
        "JavaDeserializationRCE_QUERYSTRING": _in(_query, _RUNTIME),
        "Host_localhost_HEADER": _in(_header("host"), "localhost"),
        "PROPFIND_METHOD": lambda request: request.method == "PROPFIND",
        "ExploitablePaths_URIPATH": _in(_path, "web-inf"),
        "Log4JRCE_HEADER": _in(_headers, _JNDI),
        "Log4JRCE_QUERYSTRING": _in(_query, _JNDI),
        "Log4JRCE_BODY": _in(_body, _JNDI),
        "Log4JRCE_URIPATH": _in(_path, _JNDI),
    },
    # https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-ip-rep.html
    "AWSManagedRulesAmazonIpReputationList": {
        "AWSManagedIPReputationList": _nobody,
        "AWSManagedReconnaissanceList": _nobody,
        "AWSManagedIPDDoSList": _nobody,
    },
}
"""By group, its rules in their order; each blocks."""
