"""Synthetics' requests and answers: REST with JSON."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id

from sandbox.cloud.answers import Failure, answer, fail
from sandbox.cloud.synthetics.service import AskedOfSynthetics, Canaries, RefusedCanary
from sandbox.variables import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cloud.requests import Signed
    from sandbox.server import Receive, Scope, Send

log = logging.getLogger(__name__)

SERVICE = "synthetics"
_READS = ("/canaries", "/runs", "/last-run")


@dataclass
class SyntheticsEndpoint:
    """Answers requests; `changed` hears before the answer of one that changed something."""

    canaries: Canaries
    changed: Callable[[], None]

    async def __call__(self, signature: Signed, scope: Scope, receive: Receive, send: Send) -> None:
        if signature.key != CREDENTIALS["AWS_ACCESS_KEY_ID"]:
            message = "the sandbox's Synthetics knows the account's administrator alone"
            await fail(scope, send, SERVICE, Failure(403, "AccessDeniedException", message))
            return
        path = scope["raw_path"].decode("ascii")
        try:
            asked = AskedOfSynthetics(
                get_account_id(),
                signature.region,
                scope["method"],
                path,
                scope["query_string"].decode("latin-1"),
                json.loads(await _body(receive) or b"{}"),
            )
            told = await self.canaries.answer(asked)
        except RefusedCanary as refused:
            await fail(scope, send, SERVICE, refused.failure)
            return
        except Exception:
            log.exception("Synthetics cannot answer %s %s", scope["method"], path)
            await fail(scope, send, SERVICE, Failure(500, "InternalServerException", "see the sandbox's log"))
            return
        if scope["method"] != "GET" and not path.endswith(_READS):
            self.changed()
        await answer(send, 200, told)


async def _body(receive: Receive) -> bytes:
    found = b""
    while True:
        message: dict[str, Any] = await receive()
        body: bytes = message.get("body", b"")
        found += body
        if not message.get("more_body"):
            return found
