"""What AWS itself posts to the outside by https: to where the sandbox has what is not AWS, trusting its authority."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox import addresses, ports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.layout import Layout

WAITS = 15
"""Seconds that SNS waits for an endpoint (SNS Developer Guide, "HTTP/HTTPS delivery")."""


class Outside:
    """Every name outside leads there."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status that is answered. Raises OSError when nobody answers, or the certificate is not trusted."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        there = addresses.outside(ports.remembered(self._layout) or 0)
        context = ssl.create_default_context(cafile=str(self._layout.authority))
        with (
            socket.create_connection(there, WAITS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            connection = http.client.HTTPConnection(host, timeout=WAITS)
            connection.sock = secured
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path or "/", body, {"Host": host, **headers})
            return connection.getresponse().status
