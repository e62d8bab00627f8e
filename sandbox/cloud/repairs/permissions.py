"""Who may invoke a function.

The emulator checks what an IAM principal does, and the policies of queues and topics. A function's own policy counts
for nothing: a permission that is missing, or has the wrong source, would first be noticed on AWS.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.services import apigateway_v1, eventbridge, lambda_svc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Invoke = Callable[..., Awaitable[Any]]

log = logging.getLogger(__name__)

FORBIDDEN = (
    403,
    {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"},
    b'{"Message":"Forbidden"}',
)


def of_apis() -> None:
    """An API invokes any function: AWS answers 500 when the function's policy does not name the API."""
    apigateway_v1._invoke_lambda_proxy_v1 = _asking(apigateway_v1._invoke_lambda_proxy_v1)
    apigateway_v1._invoke_lambda_custom_v1 = _asking(apigateway_v1._invoke_lambda_custom_v1)


def of_rules() -> None:
    """A rule invokes any function: AWS does not when the function's policy does not name the rule."""
    invoke = eventbridge._invoke_target

    def invoked(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], *more: Any) -> None:
        function, source = target.get("Arn", ""), rule.get("Arn", "")
        asked = ":lambda:" in function and ":rule/" in source  # a schedule of EventBridge Scheduler acts by its role
        if asked and not allows(function, "events.amazonaws.com", source=source):
            log.warning("%s may not invoke %s: its policy does not allow it", source, function)
        else:
            invoke(target, event, rule, *more)

    eventbridge._invoke_target = invoked


def of_function_urls() -> None:
    """A function URL without authorization is open to all: AWS wants both permissions for that in the policy."""
    handle = lambda_svc.handle_function_url_request

    async def handled(url_id: str, *arguments: Any, resolved: Any = None, **options: Any) -> Any:
        found = resolved or lambda_svc.resolve_function_url(url_id)
        if found is not None and found[4].get("AuthType") == "NONE" and not _is_public(*found[:4]):
            return FORBIDDEN
        return await handle(url_id, *arguments, resolved=found, **options)

    lambda_svc.handle_function_url_request = handled


def allows(
    function: str, service: str, *, source: str = "", action: str = "lambda:InvokeFunction", **conditions: str
) -> bool:
    """Whether the policy of a function, by its ARN with or without a qualifier, lets a service act for a source."""
    _, _, _, region, account, _, name, *_ = function.split(":")
    record = lambda_svc._functions.get_scoped(account, region, name)
    if record is None:
        return True  # there is no such function: the emulator says so better
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=function,
        region=region,
        service_context={
            "aws:sourcearn": source,
            "aws:sourceaccount": account,
            "lambda:invokedviafunctionurl": "false",
            **conditions,
        },
    )
    return bool(evaluate_resource_policy(record.get("policy"), context, service=service).decision == "Allow")


def _asking(invoke: Invoke) -> Invoke:
    async def invoked(integration: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        api, stage, _, resource, _, method, *_ = arguments
        place = f"{options['owner_region']}:{options['owner_account_id']}:{api}/{stage}/{method}{resource['path']}"
        caller = f"arn:aws:execute-api:{place}"
        function = apigateway_v1._extract_lambda_ref_from_integration_uri(integration.get("uri", ""))
        if function.startswith("arn:") and not allows(function, "apigateway.amazonaws.com", source=caller):
            log.warning("%s may not invoke %s: its policy does not allow it", caller, function)
            return apigateway_v1._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
        return await invoke(integration, *arguments, **options)

    return invoked


def _is_public(account: str, region: str, name: str, qualifier: str | None) -> bool:
    function = f"arn:aws:lambda:{region}:{account}:function:{name}" + (f":{qualifier}" if qualifier else "")
    by_url = {"lambda:functionurlauthtype": "NONE", "lambda:invokedviafunctionurl": "true"}
    return all(
        allows(function, "", action=action, **by_url)
        for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")
    )
