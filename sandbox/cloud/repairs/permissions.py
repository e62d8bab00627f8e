"""Who may invoke a function.

The emulator checks what an IAM principal does, and the policies of queues and topics. A function's own policy counts
for nothing: a permission that is missing, or has the wrong source, would first be noticed on AWS.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.services import apigateway_v1, eventbridge, lambda_svc

from sandbox.cloud.metric_namespace import CONDITION_KEY, NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Invoke = Callable[..., Awaitable[Any]]

log = logging.getLogger(__name__)


def of_apis() -> None:
    """An API invokes any function: AWS answers 500 when the function's policy does not name the API."""
    apigateway_v1._invoke_lambda_proxy_v1 = _asking(apigateway_v1._invoke_lambda_proxy_v1)
    apigateway_v1._invoke_lambda_custom_v1 = _asking(apigateway_v1._invoke_lambda_custom_v1)


def of_namespaces() -> None:
    """A condition on the namespace of metrics that are put is never met."""
    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        return NAMESPACE.get() if key.lower() == CONDITION_KEY else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolved


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


def allows(function: str, service: str, *, source: str) -> bool:
    """Whether a function's policy lets a service invoke it for a source; its ARN may have a qualifier."""
    _, _, _, region, account, _, name, *_ = function.split(":")
    record = lambda_svc._functions.get_scoped(account, region, name)
    if record is None:
        return True  # there is no such function: the emulator says so better
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=function,
        region=region,
        service_context={
            "aws:sourcearn": source,
            "aws:sourceaccount": account,
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
