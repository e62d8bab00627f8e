"""A load balancer answers a request: by its listener's rules, with a function's answer or one of its own.

What a function's failure is to its client:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#load-balancer-http-error-codes
"""

from __future__ import annotations

import logging
import random
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from ministack.core.concurrency import run_reentrant
from ministack.services import lambda_svc

from sandbox.cloud import firewall
from sandbox.cloud.balancers import metrics
from sandbox.cloud.balancers.answers import SERVER, BalancerAnswer, FunctionFailedError, of_function, page
from sandbox.cloud.balancers.client_request import LARGEST, received
from sandbox.cloud.balancers.events import event
from sandbox.cloud.balancers.metrics import Served
from sandbox.cloud.repairs.permissions import allows
from sandbox.cloud.watch.here import Here
from sandbox.cloud.web_requests import WebRequest

if TYPE_CHECKING:
    from sandbox.cloud.balancers.client_request import ClientRequest
    from sandbox.cloud.balancers.table import Forward, LoadBalancer, TargetGroup
    from sandbox.server import Receive, Scope, Send

PRINCIPAL = "elasticloadbalancing.amazonaws.com"
"""Whom a function's policy must allow to invoke it, for the target group's ARN."""
_NO_BODY = frozenset({204, 304})

log = logging.getLogger(__name__)


async def serve(balancer: LoadBalancer, scope: Scope, receive: Receive, send: Send) -> None:
    request = await received(scope, receive)
    outcome = await _outcome(balancer, request)
    metrics.count(balancer, outcome)
    await _send(balancer, outcome.answer, send)


async def _outcome(balancer: LoadBalancer, request: ClientRequest) -> Served:
    if refused := _refused(balancer, request):
        return Served(refused)
    action = next(rule.action for rule in balancer.rules if all(met(request) for met in rule.conditions))
    if isinstance(action, BalancerAnswer):
        return Served(action, fixed=True)
    if action is None:
        return Served(page(500))
    group = _chosen(action)
    if group is None or not group.function:
        return Served(page(503))
    if request.header("upgrade").lower() == "websocket":
        return Served(page(400))
    return await _forwarded(balancer, group, request)


def _refused(balancer: LoadBalancer, request: ClientRequest) -> BalancerAnswer | None:
    """The answer to what AWS WAF blocks, before any rule of the listener is asked."""
    place = (balancer.account, balancer.region, balancer.arn)
    if not firewall.guards(*place):
        return None
    headers = tuple((name.encode("latin-1"), value) for name, value in request.headers)
    seen = WebRequest(request.client, request.method, request.path, request.query, headers, request.body)
    refusal = firewall.blocks(*place, seen)
    if isinstance(refusal, firewall.Refusal):
        return BalancerAnswer(*refusal)
    return page(403) if refusal else None


def _chosen(action: Forward) -> TargetGroup | None:
    """One of the groups, by their weights; None when no group has any."""
    if len(action.groups) == 1:
        return action.groups[0]
    return random.choices(action.groups, action.weights)[0] if any(action.weights) else None  # noqa: S311 - no secret


async def _forwarded(balancer: LoadBalancer, group: TargetGroup, request: ClientRequest) -> Served:
    """Nothing ends the wait for a function but its own time-out."""
    seconds = None
    try:
        told, record = _asked(balancer, group, request)
        began = time.monotonic()
        result = await _executed(record, told)
        seconds = None if result.get("throttle") else time.monotonic() - began
        answer = _answered(result, group)
    except FunctionFailedError as failed:
        return Served(page(failed.status), group, failed.reason, seconds)
    return Served(answer, group, seconds=seconds)


async def _executed(record: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """What Lambda says of an invocation. Raises FunctionFailedError where Lambda itself fails."""
    try:
        result: dict[str, Any] = await run_reentrant(
            lambda_svc._execute_function_with_config_scope, record, told, thread_name="load balancer"
        )
    except Exception as error:
        log.exception("Lambda failed to run a function for a load balancer")
        raise FunctionFailedError("LambdaServiceException") from error
    return result


def _asked(balancer: LoadBalancer, group: TargetGroup, request: ClientRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event, and the function that gets it. Raises FunctionFailedError."""
    if len(request.body) > LARGEST:
        raise FunctionFailedError("LambdaRequestTooLarge", 413)
    return event(request, balancer, group, Here.clock.now()), _function(balancer, group)


def _answered(result: dict[str, Any], group: TargetGroup) -> BalancerAnswer:
    """What an invocation came to. Raises FunctionFailedError."""
    if result.get("throttle"):
        raise FunctionFailedError("LambdaThrottling")
    if result.get("error"):
        raise FunctionFailedError("LambdaUnhandled")
    return of_function(result.get("body"), multi_value=group.multi_value)


def _function(balancer: LoadBalancer, group: TargetGroup) -> dict[str, Any]:
    """The function that is registered, as the emulator runs it. Raises FunctionFailedError."""
    if not allows(group.function, PRINCIPAL, source=group.arn):
        log.warning("%s may not invoke %s: its policy does not allow it", group.arn, group.function)
        raise FunctionFailedError("LambdaAccessDenied")
    record, config, _ = lambda_svc._get_func_record_for_ref_in_scope(
        group.function, account_id=balancer.account, region=balancer.region
    )
    if record is None or config is None:
        raise FunctionFailedError("LambdaResourceNotFound")
    found: dict[str, Any] = lambda_svc._execution_record_for_config(record, config)
    return found


async def _send(balancer: LoadBalancer, answer: BalancerAnswer, send: Send) -> None:
    """The body of an answer to HEAD is left out by the server."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"Date", formatdate(Here.clock.now(), usegmt=True).encode()))
    if balancer.tells_server and all(name.lower() != b"server" for name, _ in headers):
        headers.append((b"Server", SERVER.encode()))
    if answer.status not in _NO_BODY:
        headers.append((b"Content-Length", str(len(answer.body)).encode()))
    body = b"" if answer.status in _NO_BODY else answer.body
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
