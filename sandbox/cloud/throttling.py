"""Throttling as a fault: API Gateway and Lambda refuse calls as they do when there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_region
from ministack.services import apigateway_v1, lambda_svc

from sandbox.cloud.watch.here import Here

if TYPE_CHECKING:
    from sandbox.cloud.function_faults import FunctionFaults


def install(faults: FunctionFaults) -> None:
    """Have the emulator ask, at each call of an API or a function; its own limits are per virtual second."""
    check, reserved = apigateway_v1._check_throttle, lambda_svc._reserved_concurrency
    take = apigateway_v1._take_token

    def taken(slot: Any, limits: dict[str, Any]) -> bool:
        rate = limits.get("rateLimit")
        allowed: bool = take(slot, limits if rate is None else {**limits, "rateLimit": float(rate) * Here.clock.speed})
        return allowed

    def checked(*arguments: Any) -> Any:
        if faults.throttled(get_region(), "api"):
            return apigateway_v1._gw_error("THROTTLED", "Too Many Requests")
        return check(*arguments)

    def reserves(function: dict[str, Any], config: dict[str, Any]) -> int | None:
        if faults.throttled(config["FunctionArn"].split(":")[3], "functions"):
            return 0
        found: int | None = reserved(function, config)
        return found

    apigateway_v1._take_token = taken
    apigateway_v1._check_throttle, lambda_svc._reserved_concurrency = checked, reserves
