"""One HTTPS request to somebody outside AWS, which is over in time whatever happens to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final

from lambdas.in_time import in_time

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST: Final = 64 * 1024
"""Bytes of an answer; a longer one is none."""


class NoReply(Exception):
    """No whole answer came in time. The request may have had its effect. The text says why, without headers or body."""


@dataclass(frozen=True, slots=True)
class HttpsCall:
    """One request, to a server by its name."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class HttpsReply:
    """What the server answered."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Https:
    """Asks servers by name, at port 443, and believes those whose certificate says that they have the name.

    Each request has a connection of its own: an idle one may be closed at the other end in the moment of its use, and
    nobody knows then whether the request was read.
    """

    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def __call__(self, call: HttpsCall, within: int) -> HttpsReply:
        """The answer, within so many milliseconds. Redirects are not followed. Raises NoReply."""
        request = _Request(HTTPSConnection(call.host, timeout=within / 1000, context=self.context))
        try:
            return in_time(partial(request.run, call), within / 1000)
        except TimeoutError:
            request.given_up = True
            raise NoReply(f"{call.method} {call.host}: no answer within {within} ms") from None


@dataclass(slots=True)
class _Request:
    connection: HTTPSConnection
    given_up: bool = False
    """Nobody waits any more. Lambda may freeze the thread and let it go on an hour later, when it must send nothing."""

    def run(self, call: HttpsCall) -> HttpsReply:
        """Raises NoReply, and nothing that the caller could take for its own time-out."""
        failure = "given up"
        try:
            self.connection.connect()
            if not self.given_up:
                self.connection.request(call.method, call.path, call.body, dict(call.headers))
                answer = self.connection.getresponse()
                content = answer.read(LARGEST + 1)
                if len(content) <= LARGEST and not answer.length:
                    return HttpsReply(answer.status, content)
                failure = f"the answer is {'too long' if len(content) > LARGEST else 'cut short'}"
        except (OSError, HTTPException, ValueError) as error:
            # ValueError: a name or a header that no request can have. The text of others may quote what was sent.
            failure = type(error).__name__
        finally:
            self.connection.close()
        raise NoReply(f"{call.method} {call.host}: {failure}")
