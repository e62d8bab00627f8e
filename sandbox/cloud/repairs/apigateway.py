"""API Gateway's REST APIs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ministack.services import apigateway_v1

from sandbox.server import RECEIVED

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


def patches() -> None:
    """The path of a patch is a JSON pointer (RFC 6901), and `~1` in it, for a slash in a key, is kept as it is."""

    def patched(target: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
        for each in operations:
            *folders, key = (_decoded(part) for part in each["path"].lstrip("/").split("/"))
            place = target
            for folder in folders:
                if not isinstance(place.get(folder), dict):
                    place[folder] = {}
                place = place[folder]
            if each["op"] == "remove":
                place.pop(key, None)
            else:
                place[key] = each.get("value")
        return target

    apigateway_v1._apply_patch = patched


def _decoded(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def domain_name_updates() -> None:
    """UpdateDomainName and UpdateBasePathMapping are missing."""
    handle = apigateway_v1.handle_request

    async def handled(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        top, *names = [unquote(part) for part in path.strip("/").split("/")]
        if method != "PATCH" or top != "domainnames" or not names:
            return await handle(method, path, headers, body, query)
        domain, *mapping = names
        kept = apigateway_v1._domain_names.get(domain)
        if mapping:
            kept = apigateway_v1._base_path_mappings.get(domain, {}).get(mapping[-1])
        if kept is None:
            return apigateway_v1._v1_error("NotFoundException", f"Invalid identifier specified: {'/'.join(names)}", 404)
        operations = json.loads(body)["patchOperations"]
        for each in operations:
            each["path"] = each["path"].replace("/restapiId", "/restApiId")  # AWS's own spelling in patches
        apigateway_v1._apply_patch(kept, operations)
        return apigateway_v1._v1_response(apigateway_v1._public_mapping(kept) if mapping else kept)

    apigateway_v1.handle_request = handled


def domain_of_request() -> None:
    """A function is not told by which name it was called: `requestContext.domainName` is missing."""
    build = apigateway_v1._build_lambda_event_v1

    def built(*arguments: Any, **options: Any) -> dict[str, Any]:
        event: dict[str, Any] = build(*arguments, **options)
        host = event["headers"].get("host", "").partition(":")[0]
        event["requestContext"] |= {"domainName": host, "domainPrefix": host.partition(".")[0]}
        return event

    apigateway_v1._build_lambda_event_v1 = built


def repeated_headers() -> None:
    """Headers of one name are folded into one value, with commas: AWS gives the last value, and all beside it."""
    build = apigateway_v1._build_lambda_event_v1

    def built(*arguments: Any, **options: Any) -> dict[str, Any]:
        event: dict[str, Any] = build(*arguments, **options)
        lines: dict[str, list[str]] = {}
        for name, value in RECEIVED.get():
            lines.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        repeated = {name: values for name, values in lines.items() if len(values) > 1 and name in event["headers"]}
        event["multiValueHeaders"].update(repeated)
        event["headers"].update({name: values[-1] for name, values in repeated.items()})
        return event

    apigateway_v1._build_lambda_event_v1 = built


def models_by_content_type() -> None:
    """A body of another type than any model's is validated against the model for JSON: AWS leaves it alone.

    It says so under "Request validation for REST APIs": no matching content type, no validation, unless there is a
    model for `$default`.
    """
    check = apigateway_v1._check_request_validation

    def checked(method: dict[str, Any], api: str, request: Any, headers: Any, *rest: Any) -> Any:
        models = method.get("requestModels") or {}
        given = (apigateway_v1._header_ci(headers, "content-type") or "application/json").partition(";")[0].strip()
        model = next((models[name] for name in models if name.lower() == given.lower()), models.get("$default"))
        # Whatever it is found by, it is asked for under the name by which the emulator finds it in any case.
        only = {"application/json": model} if model else {}
        return check({**method, "requestModels": only}, api, request, headers, *rest)

    apigateway_v1._check_request_validation = checked


def integration_timeout() -> None:
    """An integration's time-out is stored and never enforced: a caller waits for as long as the function runs."""
    apigateway_v1._invoke_lambda_proxy_v1 = _bounded(apigateway_v1._invoke_lambda_proxy_v1)
    apigateway_v1._invoke_lambda_custom_v1 = _bounded(apigateway_v1._invoke_lambda_custom_v1)


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
