"""Synthetics' requests and answers: REST with JSON."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ministack.core import iam_actions
from ministack.core.responses import get_account_id

from sandbox.cloud.answers import Failure, answer, fail
from sandbox.cloud.judging import refused
from sandbox.cloud.synthetics.service import AskedOfSynthetics, Canaries, RefusedCanary

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cloud.requests import Signed
    from sandbox.server import Receive, Scope, Send

log = logging.getLogger(__name__)

SERVICE = "synthetics"
iam_actions._BOTOCORE_SERVICE_MAP.update({SERVICE: [SERVICE]})
_READS = ("/canaries", "/runs", "/last-run", "/runtime-versions")


@dataclass
class SyntheticsEndpoint:
    """Answers requests; `changed` hears before the answer of one that changed something."""

    canaries: Canaries
    changed: Callable[[], None]

    async def __call__(self, signature: Signed, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("ascii")
        if message := _may_not(signature, scope["method"], unquote(path)):
            await fail(scope, send, SERVICE, Failure(403, "AccessDeniedException", message))
            return
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
        except RefusedCanary as wrong:
            await fail(scope, send, SERVICE, wrong.failure)
            return
        except Exception:
            log.exception("Synthetics cannot answer %s %s", scope["method"], path)
            await fail(scope, send, SERVICE, Failure(500, "InternalServerException", "see the sandbox's log"))
            return
        if scope["method"] != "GET" and not path.endswith(_READS):
            self.changed()
        await answer(send, 200, told)


def _may_not(signature: Signed, method: str, path: str) -> str | None:
    """Why the caller may not do it; asked of the canary that the path names, or of its tags."""
    account = get_account_id()
    action = iam_actions._match_rest_action(SERVICE, method, path) or "UnknownAction"
    about = re.search(r"/canary/([^/]+)|/tags/(arn:.+)", path)
    named = f"arn:aws:{SERVICE}:{signature.region}:{account}:canary:"
    resource = (about[2] or named + about[1]) if about else "*"
    return refused(signature, account, f"{SERVICE}:{action}", resource)


async def _body(receive: Receive) -> bytes:
    found = b""
    while True:
        message: dict[str, Any] = await receive()
        body: bytes = message.get("body", b"")
        found += body
        if not message.get("more_body"):
            return found
