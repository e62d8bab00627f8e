"""One HTTPS request to somebody outside AWS, which is over in time whatever happens to it.

A socket's time-out is no end: it holds for each address of a name, for TLS and for each piece of an answer anew, and
looking the name up has none. So a thread makes the request, and its caller waits as long as it said.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final

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
        threading.Thread(target=request.run, args=(call,), daemon=True).start()
        if not request.done.wait(within / 1000):
            request.given_up = True
            raise NoReply(f"{call.method} {call.host}: no answer within {within} ms")
        if request.reply is None:
            raise NoReply(f"{call.method} {call.host}: {request.failure}")
        return request.reply


@dataclass(slots=True)
class _Request:
    connection: HTTPSConnection
    done: threading.Event = field(default_factory=threading.Event)
    given_up: bool = False
    """Nobody waits any more. Lambda may freeze the thread and let it go on an hour later, when it must send nothing."""
    reply: HttpsReply | None = None
    failure: str = ""

    def run(self, call: HttpsCall) -> None:
        try:
            self.connection.connect()
            if not self.given_up:
                self.connection.request(call.method, call.path, call.body, dict(call.headers))
                answer = self.connection.getresponse()
                content = answer.read(LARGEST + 1)
                if len(content) > LARGEST:
                    self.failure = "the answer is too long"
                elif answer.length:
                    self.failure = "the answer is cut short"
                else:
                    self.reply = HttpsReply(answer.status, content)
        except (OSError, HTTPException, ValueError) as error:
            # ValueError: a name or a header that no request can have. The text of others may quote what was sent.
            self.failure = type(error).__name__
        finally:
            self.connection.close()
            self.done.set()
