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

if TYPE_CHECKING:
    from collections.abc import Callable

FROM = "127.0.0.1"
"""Where the request says it comes from."""


@dataclass(frozen=True)
class Invoked:
    """An entry point of aliases, by the path that each answers.

    The event is the one of Elastic Load Balancing's User Guide, "Use Lambda functions as targets of an Application Load
    Balancer", with multi-value headers.
    """

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
        sent = {"host": self.host, "accept": "application/json", "x-forwarded-for": FROM, **(headers or {})}
        if body is not None:
            sent["content-type"] = "application/json"
        event = {
            "requestContext": {"elb": {"targetGroupArn": f"arn:aws:elasticloadbalancing:{self.region}::none"}},
            "httpMethod": method,
            "path": path,
            "multiValueQueryStringParameters": {},
            "multiValueHeaders": {
                **{name.lower(): [value] for name, value in sent.items()},
                "x-amzn-trace-id": [f"Self=1-{secrets.token_hex(8)}"],
            },
            "body": "" if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
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
