"""The API of a region whose entry point has no name yet: its functions, called as a load balancer would call them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.api import ApiResponse, decoded
from orchestration.aws import Aws, asked
from shared.errors import Problem
from shared.proxy_events import ProxiedRequest, load_balancer_event

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Invoked:
    """An entry point of aliases, by the path that each answers."""

    aws: Aws
    region: str
    aliases: Mapping[str, str]
    """ARNs by the first part of the path."""
    host: str

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiResponse:
        """Call the function for one request. Raises Problem where it fails, or may not be called."""
        content, trace = "" if body is None else json.dumps(body), f"Self=1-{secrets.token_hex(8)}"
        request = ProxiedRequest(method, path, self.host, headers or {}, content, trace)
        event = load_balancer_event(request, self.region)
        alias = self.aliases[path.split("/")[1]]
        call: Callable[[], Any] = lambda: self.aws.client("lambda", self.region).invoke(  # noqa: E731
            FunctionName=alias, Payload=json.dumps(event).encode()
        )
        answer = asked(call, f"call {alias}", self.region)
        told = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise Problem(f"{method} {path}: the function failed: {told.get('errorType', 'no reason given')}")
        told_headers = {name.lower(): values[-1] for name, values in (told.get("multiValueHeaders") or {}).items()}
        return ApiResponse(int(told["statusCode"]), told_headers, decoded(told.get("body") or ""))
