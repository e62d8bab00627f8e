"""What DynamoDB tells of the requests that it refused, by account and by table; a replica's lag is `global_tables`'.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from ministack.core.responses import get_account_id

from sandbox.cloud.watch.here import Here
from sandbox.cloud.watch.metrics import Name, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.server import Send

NAMESPACE: Final = "AWS/DynamoDB"
THROTTLED: Final = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})
NO_USER_ERRORS: Final = THROTTLED | {"ConditionalCheckFailedException"}
"""HTTP 400 all the same: their own metrics have them."""
READS: Final = ("Get", "Query", "Scan", "BatchGet", "TransactGet")
CODE: Final = b"x-amzn-errortype"
TABLE: Final = re.compile(rb'"(?:TableName"|RequestItems"\s*:\s*\{)\s*:?\s*"([A-Za-z0-9_.-]{3,255})"')
LARGEST: Final = 4096
"""Bytes of an error's body."""


def counted(region: str, operation: str, table: Callable[[], str], send: Send) -> Send:
    """Send answers on, and count those that refuse. `table`: the name that the request has, if it has one."""
    status, code, body = 0, "", b""

    async def sent(message: dict[str, Any]) -> None:
        nonlocal status, code, body
        if message["type"] == "http.response.start":
            status = message["status"]
            code = next((value.decode("latin-1") for name, value in message["headers"] if name.lower() == CODE), "")
        elif status >= 400:
            body += message.get("body", b"")[: LARGEST - len(body)]
            if not message.get("more_body"):
                measure(region, operation, table(), status, code or _code(body))
        await send(message)

    return sent


def measure(region: str, operation: str, table: str, status: int, code: str) -> None:
    """Count one refused request."""
    of_table = {"TableName": table, "Operation": operation}
    if status >= 500:
        _count(region, "SystemErrors", of_table)
        return
    if code in THROTTLED:
        _count(region, "ThrottledRequests", of_table)
        kind = "Read" if operation.startswith(READS) else "Write"
        _count(region, f"{kind}ThrottleEvents", {"TableName": table})
    elif code == "ConditionalCheckFailedException":
        _count(region, "ConditionalCheckFailedRequests", {"TableName": table})
    if code not in NO_USER_ERRORS:
        _count(region, "UserErrors", {})


def table_of(body: bytes) -> str:
    """The table that a request names, the first of several; `body` may be its beginning alone."""
    found = TABLE.search(body)
    return found[1].decode() if found else ""


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return ""


def _count(region: str, metric: str, dimensions: Mapping[str, str]) -> None:
    if "" not in dimensions.values():
        Here.metrics.count(Scope(get_account_id(), region), Name.of(NAMESPACE, metric, dimensions), 1.0, "Count")
