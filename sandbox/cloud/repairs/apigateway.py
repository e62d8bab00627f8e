"""API Gateway's REST APIs: what is asked of its API. How it answers its callers is in `gateway.py`."""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ministack.core.responses import get_region, get_request_client_ip
from ministack.services import apigateway_v1

from sandbox.server import RECEIVED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    Invoke = Callable[..., Awaitable[Any]]
    Answer = tuple[int, dict[str, str], bytes]

LONGEST_INTEGRATION = 29_000
"""Milliseconds that AWS gives an integration which names no time-out."""

_running: set[asyncio.Future[Any]] = set()

_HOSTED_ZONES = {
    "us-east-1": "Z1UJRXOUMOOFQ8",
    "us-east-2": "ZOJJZC49E0EPZ",
    "us-west-1": "Z2MUQ32089INYE",
    "us-west-2": "Z2OJLYMUO9EFXC",
    "ca-central-1": "Z19DQILCV0OWEC",
    "ca-west-1": "Z04745493436AWVTG1OQY",
    "sa-east-1": "ZCMLWB8V5SYIT",
    "eu-west-1": "ZLY8HYME6SFDD",
    "eu-west-2": "ZJ5UAJN8Y3Z2Q",
    "eu-west-3": "Z3KY65QIEKYHQQ",
    "eu-central-1": "Z1U9ULNL0V5AJ3",
    "eu-central-2": "Z09222482MK253X48U76H",
    "eu-north-1": "Z3UWIKFBOOGXPP",
    "eu-south-1": "Z3BT4WSQ9TDYZV",
    "eu-south-2": "Z02499852UI5HEQ5JVWX3",
    "ap-south-1": "Z3VO1THU9YC4UR",
    "ap-south-2": "Z0853509Q1135NJ66RUH",
    "ap-east-1": "Z3FD1VL90ND7K5",
    "ap-northeast-1": "Z1YSHQZHG15GKL",
    "ap-northeast-2": "Z20JF4UZKIW1U8",
    "ap-northeast-3": "Z22ILHG95FLSZ2",
    "ap-southeast-1": "ZL327KTPIQFUL",
    "ap-southeast-2": "Z2RPCDW04V8134",
    "ap-southeast-3": "Z10132843TYUYSLUG4HA3",
    "ap-southeast-4": "Z092189423Y7RJK61311D",
    "ap-southeast-5": "Z0314042F0KBUTZ3X5HF",
    "af-south-1": "Z2DHW2332DAMTN",
    "me-south-1": "Z20ZBPC0SS8806",
    "me-central-1": "Z08780021BKYYY8U0YHTV",
    "il-central-1": "Z07264553HBI44N5X2CKP",
}
"""The zones of regional names: https://docs.aws.amazon.com/general/latest/gr/apigateway.html."""
_LETTERS = string.ascii_lowercase + string.digits


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
        if refused := _refused(kept, operations):
            return refused
        apigateway_v1._apply_patch(kept, operations)
        answer: Answer = apigateway_v1._v1_response(apigateway_v1._public_mapping(kept) if mapping else kept)
        return answer

    apigateway_v1.handle_request = handled


def security_policies() -> None:
    """An API has no security policy, and one that needs an access mode is taken without it, also for domain names."""
    create, update = apigateway_v1._create_rest_api, apigateway_v1._update_rest_api
    create_name = apigateway_v1._create_domain_name

    def created(request: dict[str, Any]) -> Answer:
        if refused := _without_access_mode(request):
            return refused
        status, headers, body = create(request)
        if status != 201:
            return status, headers, body
        api = apigateway_v1._rest_apis[json.loads(body)["id"]]
        private = "PRIVATE" in (api["endpointConfiguration"].get("types") or ())
        api["securityPolicy"] = request.get("securityPolicy") or ("TLS_1_2" if private else "TLS_1_0")
        if mode := request.get("endpointAccessMode"):
            api["endpointAccessMode"] = mode
        return apigateway_v1._v1_response(apigateway_v1._rest_api_view(api), 201)  # type: ignore[no-any-return]

    def updated(api: str, request: dict[str, Any]) -> Answer:
        operations = request.get("patchOperations") or []
        return _refused(apigateway_v1._rest_apis.get(api) or {}, operations) or update(api, request)

    def created_name(request: dict[str, Any]) -> Answer:
        return _without_access_mode(request) or create_name(request)

    apigateway_v1._create_rest_api, apigateway_v1._update_rest_api = created, updated
    apigateway_v1._create_domain_name = created_name


def _refused(kept: dict[str, Any], operations: list[dict[str, Any]]) -> Answer | None:
    return _without_access_mode(apigateway_v1._apply_patch(copy.deepcopy(kept), operations))


def _without_access_mode(settings: Mapping[str, Any]) -> Answer | None:
    """As AWS answers: https://github.com/aws/aws-sam-cli/issues/9007."""
    if not str(settings.get("securityPolicy")).startswith("SecurityPolicy_") or settings.get("endpointAccessMode"):
        return None
    message = "Endpoint access mode is required for the specified security policy"
    return apigateway_v1._v1_error("BadRequestException", message, 400)  # type: ignore[no-any-return]


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


def callers_address() -> None:
    """A request comes from 127.0.0.1, or from where its own X-Forwarded-For says: AWS tells the address that connects.

    It stands behind those that the caller forwards, too, which anybody can make up.
    """
    build = apigateway_v1._build_lambda_event_v1

    def built(*arguments: Any, **options: Any) -> dict[str, Any]:
        event: dict[str, Any] = build(*arguments, **options)
        source = get_request_client_ip()
        event["requestContext"]["identity"]["sourceIp"] = source
        lines = event["multiValueHeaders"].get("x-forwarded-for", [])
        told = {
            "x-forwarded-for": ", ".join([*lines, source]),
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        }
        event["headers"] |= told
        event["multiValueHeaders"] |= {name: [value] for name, value in told.items()}
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


def domain_names() -> None:
    """A domain name has no status, a regional name of no form that AWS has, us-east-1's zone, and empty settings.

    And it can be made twice, which ends its mappings.
    """
    create = apigateway_v1._create_domain_name

    def created(request: dict[str, Any]) -> Answer:
        answer: Answer
        if request.get("domainName") in apigateway_v1._domain_names:
            message = "The domain name you provided already exists."
            answer = apigateway_v1._v1_error("ConflictException", message, 409)
            return answer
        answer = create(request)
        if answer[0] != 201:
            return answer
        kept = apigateway_v1._domain_names.get(request["domainName"])
        told = {name: value for name, value in kept.items() if value not in ("", {}, [])}
        if "EDGE" not in told["endpointConfiguration"]["types"]:
            for name in ("distributionDomainName", "distributionHostedZoneId"):
                told.pop(name, None)
        label = "".join(secrets.choice(_LETTERS) for _ in range(10))
        told |= {
            "domainNameStatus": "AVAILABLE",
            "regionalDomainName": f"d-{label}.execute-api.{get_region()}.amazonaws.com",
            "regionalHostedZoneId": _HOSTED_ZONES.get(get_region(), kept["regionalHostedZoneId"]),
            "tags": kept["tags"],
        }
        kept.clear()
        kept.update(told)
        answered: Answer = apigateway_v1._v1_response(kept, 201)
        return answered

    apigateway_v1._create_domain_name = created


def tags() -> None:
    """Later tags are told by GetTags alone, and those of a creation, but for an API's, by all others alone."""

    def shown(arn: str) -> Answer:
        return _on_tags(arn, lambda kept: kept, lambda kept: apigateway_v1._v1_response({"tags": kept}))

    def tagged(arn: str, request: dict[str, Any]) -> Answer:
        return _on_tags(arn, lambda kept: {**kept, **request.get("tags", {})}, _no_content)

    def untagged(arn: str, keys: Iterable[str]) -> Answer:
        gone = set(keys)
        return _on_tags(arn, lambda kept: {key: kept[key] for key in kept if key not in gone}, _no_content)

    apigateway_v1._get_v1_tags, apigateway_v1._tag_v1_resource = shown, tagged
    apigateway_v1._untag_v1_resource = untagged


def _no_content(_: dict[str, str]) -> Answer:
    return 204, {}, b""


def _on_tags(
    arn: str, change: Callable[[dict[str, str]], dict[str, str]], answer: Callable[[dict[str, str]], Answer]
) -> Answer:
    """Change the tags of what has this ARN, in the one place that every answer takes them from."""
    known, refused = apigateway_v1._resolve_v1_tag_resource_arn(arn)
    if refused is not None:
        return refused  # type: ignore[no-any-return]
    _, kind, name, *more = known.split(":")[5].split("/")
    if more:
        record = apigateway_v1._stages_v1[name][more[1]]
    else:
        stores = {
            "restapis": apigateway_v1._rest_apis,
            "apikeys": apigateway_v1._api_keys,
            "usageplans": apigateway_v1._usage_plans,
            "domainnames": apigateway_v1._domain_names,
        }
        record = stores[kind][name]
    record["tags"] = change({**(record.get("tags") or {}), **apigateway_v1._v1_tags.pop(known, {})})
    return answer(record["tags"])


def logging_needs_a_role() -> None:
    """A stage logs although the account has no role for it, which AWS refuses: a deployment would fail there."""
    update = apigateway_v1._update_stage

    def updated(api: str, stage: str, request: dict[str, Any]) -> Answer:
        known = (apigateway_v1._account_settings.get("settings") or {}).get("cloudwatchRoleArn")
        answer: Answer
        if not known and any(_turns_logging_on(each) for each in request.get("patchOperations") or ()):
            told = "CloudWatch Logs role ARN must be set in account settings to enable logging"
            answer = apigateway_v1._v1_error("BadRequestException", told, 400)
        else:
            answer = update(api, stage, request)
        return answer

    apigateway_v1._update_stage = updated


def _turns_logging_on(patch: dict[str, str]) -> bool:
    value = patch.get("value") or ""
    if patch.get("op") == "remove" or not value:
        return False
    path = patch["path"]
    return path == "/accessLogSettings/destinationArn" or (path.endswith("/logging/loglevel") and value != "OFF")
