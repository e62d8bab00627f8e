"""The loopback addresses of the sandbox: AWS itself, one gateway for each AWS region, and what is outside AWS."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

AWS = "127.0.0.1"
"""Where the AWS API answers."""

REGIONS = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "ca-west-1",
    "sa-east-1",
    "mx-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "af-south-1",
)
"""The regions of AWS's standard partition. A region's place decides its gateway's address: append, never reorder."""

Endpoint = tuple[str, int]
"""An address and a port."""


def url(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"http://{host}:{port}"


def endpoints(port: int) -> dict[str, Endpoint]:
    """The gateway of each region: one address each and the same port everywhere.

    Linux answers on all of 127.0.0.0/8. Elsewhere (macOS) only 127.0.0.1 exists: there the regions take the ports
    that follow.
    """
    if _every_loopback_address():
        return {region: (f"127.1.0.{number}", port) for region, number in _numbered()}
    return {region: (AWS, port + number) for region, number in _numbered()}


def outside(port: int) -> Endpoint:
    """What is not AWS: the card processor, by https."""
    return ("127.2.0.1", port) if _every_loopback_address() else (AWS, port + len(REGIONS) + 1)


def https_endpoints(port: int) -> dict[str, Endpoint]:
    """The gateway of each region again, by https: where the APIs' names lead."""
    if _every_loopback_address():
        return {region: (f"127.3.0.{number}", port) for region, number in _numbered()}
    return {region: (AWS, port + len(REGIONS) + 1 + number) for region, number in _numbered()}


def dns(port: int) -> Endpoint:
    """Where DNS is served, by UDP and TCP: beside the AWS API; behind all others where there is one address for all."""
    return (AWS, port + 1) if _every_loopback_address() else (AWS, port + 2 * len(REGIONS) + 2)


def of_functions() -> dict[str, str]:
    """The address from which the functions of each region call, so that their calls are known as theirs.

    Empty where there is but one address: a call of theirs to a gateway is nobody's then.
    """
    return {region: f"127.5.0.{number}" for region, number in _numbered()} if _every_loopback_address() else {}


def everything(port: int) -> list[Endpoint]:
    """All that the sandbox listens at."""
    return [(AWS, port), *endpoints(port).values(), outside(port), *https_endpoints(port).values(), dns(port)]


def _numbered() -> Iterator[tuple[str, int]]:
    return ((region, number) for number, region in enumerate(REGIONS, 1))


def _every_loopback_address() -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.1.0.1", 0))
        except OSError:
            return False
    return True
