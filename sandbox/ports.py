"""The sandbox's port: chosen free, remembered in `ports.json`, and given up when another program has taken it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sandbox import addresses
from shared import files
from shared.errors import Problem

if TYPE_CHECKING:
    from sandbox.layout import Layout

# Below the range that systems give to outgoing connections (32768 on Linux, 49152 elsewhere): one of those may hold
# a remembered port whenever the sandbox is down.
FIRST, LAST = 20000, 32000


def remembered(layout: Layout) -> int | None:
    """The port of the last start; None where there is none, or the file is damaged."""
    try:
        port = json.loads(layout.ports.read_text(encoding="utf-8"))["port"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return port if type(port) is int and FIRST <= port < LAST else None  # a bool is an int too


def choose(layout: Layout) -> int:
    """The remembered port if it is free, else another one, which is remembered from now on.

    URLs survive a restart that way, and a port that somebody else took meanwhile does not keep the sandbox down.
    """
    before = remembered(layout)
    if before is not None and is_free(before):
        return before
    port = _search(layout)
    try:
        files.replace(layout.ports, json.dumps({"port": port}) + "\n")
    except IsADirectoryError:
        raise Problem(f"{layout.ports} is a folder, and the sandbox's port is kept there: move it away") from None
    return port


def is_free(port: int) -> bool:
    """Whether AWS, all gateways and what is outside can be bound at the port."""
    with ExitStack() as opened:
        for address in addresses.everything(port):
            probes = [opened.enter_context(socket.socket())]
            probes[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address == addresses.dns(port):
                probes.append(opened.enter_context(socket.socket(type=socket.SOCK_DGRAM)))
            try:
                for probe in probes:
                    probe.bind(address)
            except OSError as error:
                if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                    return False
                raise
    return True


def _search(layout: Layout) -> int:
    # Each checkout starts elsewhere, always at the same place: a sandbox made anew keeps its URLs.
    last = max(port for _, port in addresses.everything(FIRST))
    needed = 1 + last - FIRST
    ports = range(FIRST, LAST, needed)
    start = int.from_bytes(hashlib.sha256(os.fsencode(layout.root)).digest()[:4], "big")
    for offset in range(len(ports)):
        port = ports[(start + offset) % len(ports)]
        if is_free(port):
            return port
    raise Problem(f"no free port between {FIRST} and {LAST} on the loopback addresses; stop what listens there")
