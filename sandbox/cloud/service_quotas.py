"""Service Quotas: what the account may have of a few things, each AWS's default. Nothing can be asked for here.

https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.cloud.answers import Failure, answer, fail, header
from sandbox.cloud.changes import read_ahead
from sandbox.cloud.requests import signed

if TYPE_CHECKING:
    from sandbox.server import Receive, Scope, Send

SERVICE = "servicequotas"
"""As requests to it are signed."""
READS = frozenset({"GetServiceQuota", "GetAWSDefaultServiceQuota"})

DEFAULTS: dict[tuple[str, str], tuple[str, float]] = {
    ("apigateway", "L-8A5B8E43"): ("Throttle rate", 10_000.0),
    ("apigateway", "L-A93447B8"): ("Custom Domain Names", 120.0),
    ("elasticloadbalancing", "L-53DA6B97"): ("Application Load Balancers per Region", 50.0),
    ("lambda", "L-B99A9384"): ("Concurrent executions", 1000.0),
    ("monitoring", "L-C1FE0F5C"): ("Canary limit", 200.0),
    ("vpc", "L-A4707A72"): ("Internet gateways per Region", 5.0),
    ("vpc", "L-F678F1CE"): ("VPCs per Region", 5.0),
}
"""By service and quota, as AWS names them: its name and value. Synthetics' is of the largest regions."""


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    from sandbox.cloud.judging import refused as may_not  # noqa: PLC0415 - it imports the emulator

    operation = header(scope, b"x-amz-target").rpartition(".")[2]
    caller = signed(header(scope, b"authorization"), "")
    if message := may_not(caller, "000000000000", f"{SERVICE}:{operation}"):
        await fail(scope, send, SERVICE, Failure(400, "AccessDeniedException", message))
        return
    body, _ = await read_ahead(receive)
    asked: dict[str, Any] = json.loads(body or b"{}")
    service, code = str(asked.get("ServiceCode")), str(asked.get("QuotaCode"))
    if operation not in READS:
        refused = Failure(400, "IllegalArgumentException", f"the sandbox's Service Quotas has no {operation}")
    elif (service, code) not in DEFAULTS:
        refused = Failure(400, "NoSuchResourceException", f"the sandbox knows no quota {code} of {service}")
    else:
        name, value = DEFAULTS[service, code]
        told = {"ServiceCode": service, "QuotaCode": code, "QuotaName": name, "Value": value, "GlobalQuota": False}
        await answer(send, 200, {"Quota": told})
        return
    await fail(scope, send, SERVICE, refused)
