"""Whether the world finds a zone: asked before certificates wait for it, which would take 75 minutes to give up."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence

import pulumi
from dnslib import QTYPE, RCODE, DNSRecord

RESOLVERS = "DNS_RESOLVERS"
"""The variable that names other resolvers than the public ones, with commas between; empty: none is asked."""
PUBLIC = "1.1.1.1,8.8.8.8,9.9.9.9"
DNS_PORT = 53
WITHIN = 2.0
"""Seconds that a resolver has for an answer."""
PATIENCE = 6.0
"""Seconds in which one of them must say yes or no."""
PAUSE = 0.25


class NotDelegatedError(pulumi.RunError):
    """The zone's parent does not lead to it. The text is one line that says what to set."""


async def require(zone: str, name_servers: Sequence[str]) -> str:
    """Return the zone's name when it is found by its name servers. Raises NotDelegatedError.

    Where no resolver answers, as behind a firewall, it goes on with a warning: the certificates' own time is bounded.
    """
    resolvers = [each for each in os.environ.get(RESOLVERS, PUBLIC).split(",") if each]
    if resolvers and not pulumi.runtime.is_dry_run():
        await asyncio.to_thread(_ask, zone, name_servers, resolvers)
    return zone


def _ask(zone: str, name_servers: Sequence[str], resolvers: Sequence[str]) -> None:
    wanted = {_plain(each) for each in name_servers}
    until = time.monotonic() + PATIENCE
    while True:
        found: list[set[str]] = []
        for answer in _answers(zone, resolvers):
            if answer is not None and answer & wanted:  # the others may remember for a while that there was none
                return
            found += [] if answer is None else [answer]
        if found:
            raise NotDelegatedError(_what_to_set(zone, sorted(wanted), set().union(*found)))
        if time.monotonic() > until:
            break
        time.sleep(PAUSE)
    pulumi.log.warn(
        f"no resolver of {', '.join(resolvers)} tells whether {zone} is delegated: certificates are issued once its NS "
        f"records at the parent say {', '.join(sorted(wanted))}"
    )


def _what_to_set(zone: str, wanted: Sequence[str], found: set[str]) -> str:
    there = f"its NS records say {', '.join(sorted(found))}" if found else "its parent has no NS records of it"
    return (
        f"the zone {zone} is not delegated ({there}), and no certificate is issued before that: set NS records of "
        f"{zone} to {', '.join(wanted)} where {zone.partition('.')[2]} is served, and run this again (a resolver may "
        f"remember the old answer for some minutes; {RESOLVERS}=<address> asks another)"
    )


def _answers(zone: str, resolvers: Sequence[str]) -> Iterator[set[str] | None]:
    """Each resolver's NS records of a zone: empty when there is none, None when it does not know."""
    for resolver in resolvers:
        host, _, port = resolver.partition(":")
        try:
            raw = DNSRecord.question(zone, "NS").send(host, int(port or DNS_PORT), timeout=WITHIN)
            answer = DNSRecord.parse(raw)
        except Exception:  # noqa: BLE001 - no answer, or whatever dnslib makes of what is none
            yield None
            continue
        known = answer.header.rcode in {RCODE.NOERROR, RCODE.NXDOMAIN}
        yield {_plain(str(each.rdata)) for each in answer.rr if each.rtype == QTYPE.NS} if known else None


def _plain(name: str) -> str:
    return name.rstrip(".").lower()
