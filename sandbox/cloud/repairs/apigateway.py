"""API Gateway's REST APIs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ministack.services import apigateway_v1

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Invoke = Callable[..., Awaitable[Any]]

LONGEST_INTEGRATION = 29_000
"""Milliseconds that AWS gives an integration which names no time-out."""

_running: set[asyncio.Future[Any]] = set()


def base_path_mapping() -> None:
    """A mapping with an empty base path cannot be found again: AWS calls it "(none)"."""
    create = apigateway_v1._create_base_path_mapping

    def created(domain_name: str, request: dict[str, Any]) -> Any:
        return create(domain_name, {**request, "basePath": request.get("basePath") or "(none)"})

    apigateway_v1._create_base_path_mapping = created


def domain_of_request() -> None:
    """A function is not told by which name it was called: `requestContext.domainName` is missing."""
    build = apigateway_v1._build_lambda_event_v1

    def built(*arguments: Any, **options: Any) -> dict[str, Any]:
        event: dict[str, Any] = build(*arguments, **options)
        host = event["headers"].get("host", "").partition(":")[0]
        event["requestContext"] |= {"domainName": host, "domainPrefix": host.partition(".")[0]}
        return event

    apigateway_v1._build_lambda_event_v1 = built


def integration_timeout() -> None:
    """An integration's time-out is stored and never enforced: a caller waits for as long as the function runs."""
    for name in ("_invoke_lambda_proxy_v1", "_invoke_lambda_custom_v1"):
        setattr(apigateway_v1, name, _bounded(getattr(apigateway_v1, name)))


def _bounded(invoke: Invoke) -> Invoke:
    async def invoked(integration: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        running = asyncio.ensure_future(invoke(integration, *arguments, **options))
        _running.add(running)  # the function goes on after its caller has been told off
        running.add_done_callback(_running.discard)
        timeout = int(integration.get("timeoutInMillis") or LONGEST_INTEGRATION) / 1000
        done, _ = await asyncio.wait({running}, timeout=timeout)
        if done:
            return running.result()
        return apigateway_v1._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")

    return invoked
