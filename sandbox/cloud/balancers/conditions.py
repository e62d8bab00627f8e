"""Which requests a listener's rule is for.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
"""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sandbox.cloud.balancers.client_request import ClientRequest

    Condition = Callable[[ClientRequest], bool]

log = logging.getLogger(__name__)


def condition(kept: Mapping[str, Any]) -> Condition:
    """A condition as the emulator keeps it. One that is not imitated is never met."""
    field, values = kept.get("Field", ""), tuple(kept.get("Values") or ())
    pairs = (kept.get("QueryStringConfig") or {}).get("Values") or ()
    if values and field in _BY_VALUES:
        return _BY_VALUES[field](values)
    if field == "http-header" and (header := kept.get("HttpHeaderConfig")):
        return _header(header["HttpHeaderName"].lower(), header.get("Values") or values)
    if field == "query-string" and pairs:
        return _query(pairs)
    log.warning("a rule whose condition is not imitated is never met: %s", dict(kept))
    return lambda _: False


def _path(values: Iterable[str]) -> Condition:
    """Case counts."""
    pattern = _pattern(values, 0)
    return lambda request: pattern.fullmatch(request.path) is not None


def _host(values: Iterable[str]) -> Condition:
    pattern = _pattern(values, re.IGNORECASE)
    return lambda request: pattern.fullmatch(request.host) is not None


def _method(values: Iterable[str]) -> Condition:
    """Exactly: case counts, and there are no wildcards."""
    wanted = frozenset(values)
    return lambda request: request.method in wanted


def _source(values: Iterable[str]) -> Condition:
    """The address that the connection comes from, not the one that X-Forwarded-For names."""
    networks = [ipaddress.ip_network(value) for value in values]
    return lambda request: any(ipaddress.ip_address(request.client) in network for network in networks)


def _header(name: str, values: Iterable[str]) -> Condition:
    pattern = _pattern(values, re.IGNORECASE)
    return lambda request: any(
        key == name and pattern.fullmatch(value.decode("latin-1")) for key, value in request.headers
    )


def _query(pairs: Iterable[Mapping[str, str]]) -> Condition:
    wanted = [
        (_pattern([pair.get("Key") or "*"], re.IGNORECASE), _pattern([pair["Value"]], re.IGNORECASE)) for pair in pairs
    ]
    return lambda request: any(
        key.fullmatch(name) and value.fullmatch(text) for name, text in request.parameters() for key, value in wanted
    )


_BY_VALUES: dict[str, Callable[[Iterable[str]], Condition]] = {
    "path-pattern": _path,
    "host-header": _host,
    "http-request-method": _method,
    "source-ip": _source,
}


def _pattern(values: Iterable[str], flags: int) -> re.Pattern[str]:
    """Any of the values, in which * is any number of characters and ? is one."""
    each = (re.escape(value).replace(r"\*", ".*").replace(r"\?", ".") for value in values)
    return re.compile("|".join(each), flags | re.DOTALL)
