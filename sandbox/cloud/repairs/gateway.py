"""API Gateway's REST APIs: how they answer their callers when no function does, and what is throttled and counted."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import apigateway_v1

from sandbox.cloud.watch.here import Here
from sandbox.cloud.watch.metrics import Name, Scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Invoke = Callable[..., Awaitable[Any]]
    Answer = tuple[int, dict[str, Any], bytes]

PROXY_ANSWER = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
"""What a function may answer with behind a proxy integration; an answer of another form is no answer."""

REMAPPED = frozenset(
    {"authorization", "connection", "content-md5", "date", "max-forwards", "server", "user-agent", "www-authenticate"}
)
"""Headers of a function's answer that reach the client as X-Amzn-Remapped-…:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html."""
DROPPED = frozenset({"expect", "host", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "via"})
"""Headers that do not reach the client, by the same table."""


class _FunctionError(Exception):
    """A function gave no answer for the client."""

    def __init__(self, kind: str, status: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status


class _FailedFunction(apigateway_v1._GatewayError):  # type: ignore[misc]
    """The same for API Gateway: the type of its response, and the status unless that is changed."""

    def __init__(self, kind: str, status: int) -> None:
        super().__init__(kind, "Internal server error", "InternalServerErrorException")
        self.status = status


def function_errors() -> None:
    """A throttled function reads as 429, a failed one tells its error, and an answer of another form counts as one.

    AWS answers 500 when Lambda refuses the invocation and 502 when the function fails, both by a gateway response.
    """
    shape, invoke = apigateway_v1._lambda_proxy_response, apigateway_v1._invoke_lambda_proxy_v1

    def shaped(result: dict[str, Any]) -> Any:
        if result.get("throttle"):
            raise _FunctionError("DEFAULT_5XX", 500)
        if result.get("error") or not _is_proxy_answer(result.get("body")):
            raise _FunctionError("INTEGRATION_FAILURE", 502)
        return shape(result)

    async def invoked(*arguments: Any, **options: Any) -> Any:
        try:
            return await invoke(*arguments, **options)
        except _FunctionError as error:
            return _FailedFunction(error.kind, error.status)

    apigateway_v1._lambda_proxy_response, apigateway_v1._invoke_lambda_proxy_v1 = shaped, invoked


def _is_proxy_answer(answer: Any) -> bool:
    if not isinstance(answer, dict) or answer.keys() - PROXY_ANSWER:
        return False
    status = str(answer.get("statusCode", 200))
    return isinstance(answer.get("body", ""), str | None) and status.isdecimal() and len(status) == 3


def gateway_response_statuses() -> None:
    """A changed status of DEFAULT_4XX or DEFAULT_5XX changes no other response's, and an error has its type's only."""
    respond, effective = apigateway_v1._gateway_error_response, apigateway_v1._gateway_response_for_type

    def for_type(customized: dict[str, Any], kind: str) -> dict[str, Any]:
        response: dict[str, Any] = effective(customized, kind)
        family = customized.get(apigateway_v1._gateway_response_family(kind)) or {}
        if kind not in customized and family.get("statusCode"):
            response["statusCode"] = family["statusCode"]
        return response

    def responded(error: Any, request: dict[str, Any]) -> Answer:
        status, headers, body = respond(error, request)
        kind = error.response_type
        of_type = apigateway_v1._default_gateway_response(kind).get("statusCode", _FAMILIES.get(kind))
        original = error.status if isinstance(error, _FailedFunction) else int(of_type)
        modified = status != int(of_type)
        if outcome := _outcome.get():
            outcome.modified = modified
        return status if modified else original, headers, body

    apigateway_v1._gateway_error_response, apigateway_v1._gateway_response_for_type = responded, for_type


def remapped_headers() -> None:
    """A function's headers all reach the client: AWS renames some, and drops others."""
    invoke = apigateway_v1._invoke_lambda_proxy_v1

    async def invoked(*arguments: Any, **options: Any) -> Any:
        answer = await invoke(*arguments, **options)
        if not isinstance(answer, tuple):
            return answer
        status, headers, body = answer
        return status, dict(_renamed(headers)), body

    apigateway_v1._invoke_lambda_proxy_v1 = invoked


def _renamed(headers: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in headers.items():
        lower = name.lower()
        if lower in REMAPPED:
            yield f"x-amzn-remapped-{lower}", value
        elif lower not in DROPPED:
            yield name, value


@dataclass
class _Outcome:
    """What is known of a request when it has been answered."""

    request: dict[str, Any] = field(default_factory=dict)
    modified: bool = False
    """A gateway response has changed the status."""
    integration: float | None = None
    """Seconds that the integration took; None when there was no need of it."""


def method_settings() -> None:
    """The path of a nested resource loses its escapes, and one without them is taken.

    AWS keeps `~1payment~1{id}/GET`. What it does with `payment/{id}/GET` is not documented: it is kept for no method,
    or not found again (terraform-provider-aws 9738, 37959), so it is refused here, in AWS's words for a wrong path.
    """
    apply, update = apigateway_v1._try_apply_method_settings_patch, apigateway_v1._update_stage

    def applied(stage: dict[str, Any], operation: dict[str, Any]) -> bool:
        if _is_not_escaped(operation):
            stage["methodSettings"].pop(operation["path"].removeprefix("/"))
            return True
        return bool(apply(stage, {**operation, "path": operation["path"].replace("~1", "~01")}))

    def updated(api: str, stage: str, request: dict[str, Any]) -> Answer:
        kept = (apigateway_v1._stages_v1.get(api, {}).get(stage) or {}).get("methodSettings", {})
        for each in request.get("patchOperations") or ():
            if _is_not_escaped(each) and not (each["op"] == "remove" and each["path"].removeprefix("/") in kept):
                told = f"Invalid method setting path: {each['path']}"
                return apigateway_v1._v1_error("BadRequestException", told, 400)  # type: ignore[no-any-return]
        return update(api, stage, request)  # type: ignore[no-any-return]

    def throttle(stage: dict[str, Any], path: str, method: str) -> dict[str, Any] | None:
        return next(_settings_of(stage, path, method), None)

    apigateway_v1._try_apply_method_settings_patch, apigateway_v1._update_stage = applied, updated
    apigateway_v1._method_throttle_settings = throttle


def _is_not_escaped(operation: dict[str, Any]) -> bool:
    """A setting's path is `/{path}/{method}/{category}/{name}`, and `/{path}/{method}` to remove them all."""
    path, *parts = operation["path"].removeprefix("/").split("/")
    if path in apigateway_v1._STAGE_ROOT_PATH_PREFIXES:
        return False
    if len(parts) > 2 and parts[-2] in apigateway_v1._METHOD_SETTING_CATEGORIES:
        return len(parts) > 3
    return len(parts) > 1 and operation["op"] == "remove" and parts[-1] in apigateway_v1._HTTP_METHOD_TOKENS


def _settings_of(stage: dict[str, Any], path: str, method: str) -> Iterator[dict[str, Any]]:
    """A method's own settings, and those of all methods. A path of one part has no need of escapes."""
    settings, path = stage.get("methodSettings") or {}, path.lstrip("/")
    escaped = "~1" + path.replace("/", "~1")
    names = [f"{escaped}/{method}", *([] if "/" in path else [f"{path}/{method}"]), "*/*"]
    yield from (settings[name] for name in names if name in settings)


_FAMILIES = {"DEFAULT_4XX": 403, "DEFAULT_5XX": 500}
"""What the emulator answers for a type without a status of its own."""

_outcome: ContextVar[_Outcome | None] = ContextVar("outcome", default=None)


def metrics() -> None:
    """No request is counted: AWS/ApiGateway has no metrics. A 5XX whose status was modified counts as 4XX on AWS."""
    handle, execute = apigateway_v1.handle_execute, apigateway_v1._execute_in_scope

    async def handled(api: str, stage: str, method: str, *arguments: Any) -> Answer:
        outcome, began = _Outcome(), time.monotonic()
        token = _outcome.set(outcome)
        try:
            answer: Answer = await handle(api, stage, method, *arguments)
        finally:
            _outcome.reset(token)
        scope = apigateway_v1.find_api_scope(api)
        if scope is not None and outcome.request.get("stage") is not None:
            with request_scope(*scope):
                _count(outcome, method, answer[0], time.monotonic() - began)
        return answer

    async def executed(request: dict[str, Any], *arguments: Any) -> Any:
        if outcome := _outcome.get():
            outcome.request = request
        return await execute(request, *arguments)

    apigateway_v1.handle_execute, apigateway_v1._execute_in_scope = handled, executed
    apigateway_v1._invoke_lambda_proxy_v1 = _timed(apigateway_v1._invoke_lambda_proxy_v1)
    apigateway_v1._invoke_lambda_custom_v1 = _timed(apigateway_v1._invoke_lambda_custom_v1)


def _timed(invoke: Invoke) -> Invoke:
    async def invoked(*arguments: Any, **options: Any) -> Any:
        began = time.monotonic()
        try:
            return await invoke(*arguments, **options)
        finally:
            if outcome := _outcome.get():
                outcome.integration = time.monotonic() - began

    return invoked


def _count(outcome: _Outcome, method: str, status: int, seconds: float) -> None:
    client_error = 400 <= status < 500 or (status >= 500 and outcome.modified)
    values = {
        "Count": ("Count", 1.0),
        "4XXError": ("Count", float(client_error)),
        "5XXError": ("Count", float(status >= 500 and not client_error)),
        "Latency": ("Milliseconds", float(round(seconds * 1000))),
    }
    if outcome.integration is not None:
        values["IntegrationLatency"] = ("Milliseconds", float(round(outcome.integration * 1000)))
    scope = Scope(get_account_id(), get_region())
    for dimensions in _dimensions(outcome.request, method):
        for name, (unit, value) in values.items():
            Here.metrics.count(scope, Name.of("AWS/ApiGateway", name, dimensions), value, unit)


def _dimensions(request: dict[str, Any], method: str) -> Iterator[dict[str, str]]:
    """What a request counts for: its API, the stage, and its method where that has detailed metrics turned on."""
    api, stage = apigateway_v1._rest_apis.get(request["api_id"]), request["stage"]
    yield {"ApiName": api["name"]}
    yield {"ApiName": api["name"], "Stage": request["stage_name"]}
    path = request["resource_path"]
    own = next(_settings_of(stage, path, method), {})
    if path and own.get("metricsEnabled"):
        yield {"ApiName": api["name"], "Stage": request["stage_name"], "Resource": path, "Method": method}


def time_of_requests() -> None:
    """A function hears the machine's time of a request, which the sandbox's may be far ahead of."""
    build = apigateway_v1._build_lambda_event_v1

    def built(*arguments: Any, **options: Any) -> dict[str, Any]:
        event: dict[str, Any] = build(*arguments, **options)
        now = Here.clock.now()
        event["requestContext"] |= {
            "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now * 1000),
        }
        return event

    apigateway_v1._build_lambda_event_v1 = built
