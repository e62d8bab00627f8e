"""The addresses of Route 53's health checkers, as AWS published them once: the sandbox asks nobody outside.

Recorded from https://ip-ranges.amazonaws.com/ip-ranges.json, createDate 2025-07-24-20-23-14, service
ROUTE53_HEALTHCHECKS, without China, GovCloud and the European Sovereign Cloud, whose checkers are other partitions'.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

HOST = "ip-ranges.amazonaws.com"
PATH = "/ip-ranges.json"

CREATED = "2025-07-24-20-23-14"
SYNC_TOKEN = 1753388594

IPV4 = (
    ("15.177.0.0/18", "GLOBAL"),
    ("107.23.255.0/26", "us-east-1"),
    ("54.243.31.192/26", "us-east-1"),
    ("54.183.255.128/26", "us-west-1"),
    ("54.241.32.64/26", "us-west-1"),
    ("54.244.52.192/26", "us-west-2"),
    ("54.245.168.0/26", "us-west-2"),
    ("176.34.159.192/26", "eu-west-1"),
    ("54.228.16.0/26", "eu-west-1"),
    ("54.251.31.128/26", "ap-southeast-1"),
    ("54.255.254.192/26", "ap-southeast-1"),
    ("54.252.254.192/26", "ap-southeast-2"),
    ("54.252.79.128/26", "ap-southeast-2"),
    ("54.248.220.0/26", "ap-northeast-1"),
    ("54.250.253.192/26", "ap-northeast-1"),
    ("177.71.207.128/26", "sa-east-1"),
    ("54.232.40.64/26", "sa-east-1"),
)
"""CIDR and region."""

IPV6 = (
    ("2600:1f18:3fff:f800::/56", "us-east-1"),
    ("2600:1f18:7fff:f800::/56", "us-east-1"),
    ("2600:1f1c:7ff:f800::/56", "us-west-1"),
    ("2600:1f1c:fff:f800::/56", "us-west-1"),
    ("2600:1f14:7ff:f800::/56", "us-west-2"),
    ("2600:1f14:fff:f800::/56", "us-west-2"),
    ("2600:f0f0:300:100::/56", "us-west-2"),
    ("2600:f0f0:30e::/48", "us-west-2"),
    ("2600:f0f0:30f::/48", "eu-central-1"),
    ("2a05:d018:7ff:f800::/56", "eu-west-1"),
    ("2a05:d018:fff:f800::/56", "eu-west-1"),
    ("2406:da18:7ff:f800::/56", "ap-southeast-1"),
    ("2406:da18:fff:f800::/56", "ap-southeast-1"),
    ("2406:da1c:7ff:f800::/56", "ap-southeast-2"),
    ("2406:da1c:fff:f800::/56", "ap-southeast-2"),
    ("2406:da14:7ff:f800::/56", "ap-northeast-1"),
    ("2406:da14:fff:f800::/56", "ap-northeast-1"),
    ("2600:1f1e:7ff:f800::/56", "sa-east-1"),
    ("2600:1f1e:fff:f800::/56", "sa-east-1"),
)


@dataclass(frozen=True)
class Place:
    """Where a health checker is: `source` is its loopback address here, `address` the one that policies see."""

    region: str
    address: str
    source: str


PLACES = tuple(
    Place(region, str(ip_network(cidr)[9]), f"127.4.0.{number}")
    for number, (cidr, region) in enumerate(((cidr, region) for cidr, region in IPV4 if region != "GLOBAL"), 1)
)
"""Sixteen checkers, one in each range: two in each of the eight regions that AWS documents. Its blog counts 16."""


def document() -> dict[str, Any]:
    """AWS's document, with the checkers' ranges alone."""
    service = "ROUTE53_HEALTHCHECKS"

    def listed(ranges: tuple[tuple[str, str], ...], name: str) -> list[dict[str, str]]:
        return [
            {name: cidr, "region": region, "service": service, "network_border_group": region}
            for cidr, region in ranges
        ]

    return {
        "syncToken": str(SYNC_TOKEN),
        "createDate": CREATED,
        "prefixes": listed(IPV4, "ip_prefix"),
        "ipv6_prefixes": listed(IPV6, "ipv6_prefix"),
    }
