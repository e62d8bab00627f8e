"""The regions' access log: one line for each request to a gateway, with the version of the function that answered it.

A REST API's own access log (API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs") and a load
balancer's (User Guide, "Access logs for your Application Load Balancer") name no version. This one does: it tells which
release a client has met. It holds no path, key or address, as a payment's id is in the path.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sandbox.cloud.answers import header
from sandbox.cloud.watch.here import Here

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from sandbox.server import Scope, Send

LARGEST = 16 * 1024 * 1024
"""Bytes; then a new file is begun, and the one before is kept beside it."""
ANSWERED_BY: ContextVar[dict[str, str] | None] = ContextVar("function and version that answer a request", default=None)
"""Filled by the execution environment: a dictionary is the same in all contexts that are copied from the request's."""


class AccessLog:
    """Appends to a file of JSON lines: at, region, host, method, route, status, function, version."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def watched(self, region: str, scope: Scope, send: Send) -> Send:
        """Return what sends the answer, and writes the line when it begins: a client may leave before it ends."""
        by: dict[str, str] = {}
        ANSWERED_BY.set(by)
        line = {
            "at": round(Here.clock.now(), 3),
            "region": region,
            "host": header(scope, b"host"),
            "method": scope["method"],
            "route": "/" + scope["path"].lstrip("/").partition("/")[0],
        }

        async def told(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._append({**line, "status": message["status"], **by})
            await send(message)

        return told

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", buffering=1, encoding="utf-8")
        elif self._file.tell() > LARGEST:
            self._file.close()
            self._path.replace(self._path.with_suffix(".old.jsonl"))
            self._file = self._path.open("a", buffering=1, encoding="utf-8")
        self._file.write(json.dumps(line) + "\n")
