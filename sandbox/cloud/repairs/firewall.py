"""AWS WAF: web ACLs, IP sets, and what they are associated with."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ministack.core.responses import get_request_client_ip, json_response
from ministack.services import alb, apigateway_v1, waf

from sandbox.cloud import firewall
from sandbox.cloud.firewall_rules import UnknownRule, check
from sandbox.cloud.web_requests import WebRequest
from sandbox.server import RECEIVED

if TYPE_CHECKING:
    from collections.abc import Callable

    Request = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]
    Action = Callable[[Request], Answer]

_STAGE = re.compile(r"^arn:aws:apigateway:([a-z0-9-]+)::/restapis/([a-z0-9]+)/stages/([A-Za-z0-9_-]+)$")
_EXECUTE_API = re.compile(r"^[a-z0-9]+\.execute-api\.")


def web_acl_settings() -> None:
    """A web ACL forgets responses and what is kept out of logs, and at an update its description."""
    create, update = waf.create_web_acl_record, waf._update_web_acl

    def created(name: str, scope: str, told: Request) -> tuple[str, str, Request]:
        uid, arn, record = create(name, scope, told)
        _keep(record, told)
        return uid, arn, record

    def updated(told: Request) -> Answer:
        answer: Answer = update(told)
        if answer[0] == 200:
            record = waf.web_acl_record(told["Id"], told["Scope"])
            record["Description"] = told.get("Description", "")
            _keep(record, told)
        return answer

    waf.create_web_acl_record, waf._update_web_acl = created, updated


def _keep(record: Request, told: Request) -> None:
    record["CustomResponseBodies"] = told.get("CustomResponseBodies") or {}
    record["DataProtectionConfig"] = told.get("DataProtectionConfig")


def logging() -> None:
    """No web ACL can be told where to log. It is kept, and nothing is written there."""
    handle = waf.handle_request
    actions: dict[str, Action] = {
        "PutLoggingConfiguration": _put_logging,
        "GetLoggingConfiguration": _get_logging,
        "DeleteLoggingConfiguration": _delete_logging,
    }

    async def handled(method: str, path: str, headers: Request, body: bytes, query: Request) -> Answer:
        act = actions.get(headers.get("x-amz-target", "").rpartition(".")[2])
        answer: Answer = await handle(method, path, headers, body, query) if act is None else act(json.loads(body))
        return answer

    waf.handle_request = handled


_LOGGING = "LoggingConfiguration"
_LOG_GROUP = re.compile(r"^arn:aws:logs:[a-z0-9-]+:\d{12}:log-group:aws-waf-logs-[^:]+$")
"""https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html"""


def _put_logging(told: Request) -> Answer:
    wanted = told[_LOGGING]
    acl = _acl_of(wanted)
    if acl is None:
        return _no_logging()
    if not all(_LOG_GROUP.match(each) for each in wanted["LogDestinationConfigs"]):
        return _refused("WAFInvalidParameterException", "A log group's name begins with aws-waf-logs-.")
    acl[_LOGGING] = wanted
    return _answer({_LOGGING: wanted})


def _get_logging(told: Request) -> Answer:
    wanted = (_acl_of(told) or {}).get(_LOGGING)
    return _no_logging() if wanted is None else _answer({_LOGGING: wanted})


def _delete_logging(told: Request) -> Answer:
    there = (_acl_of(told) or {}).pop(_LOGGING, None)
    return _no_logging() if there is None else _answer({})


def _acl_of(told: Request) -> Request | None:
    found: Request | None = waf.web_acl_record(told["ResourceArn"].rpartition("/")[2], "REGIONAL")
    return found


def _no_logging() -> Answer:
    words = "AWS WAF couldn't perform the operation because your resource doesn't exist."
    return _refused("WAFNonexistentItemException", words)


def ip_sets() -> None:
    """An IP set is changed and deleted whatever the lock token, and an update forgets its description."""
    update, delete = waf._update_ip_set, waf._delete_ip_set

    def found(told: Request) -> Any:
        return waf._resource_from_scope(waf._ip_sets, told["Id"], told["Scope"])

    def stale(told: Request) -> Answer | None:
        there = found(told)
        if there is None or told.get("LockToken") == there["LockToken"]:
            return None
        words = "AWS WAF couldn't save your changes because someone changed the resource after you started to edit it."
        return _refused("WAFOptimisticLockException", words)

    def updated(told: Request) -> Answer:
        answer: Answer = stale(told) or update(told)
        if answer[0] == 200:
            found(told)["Description"] = told.get("Description", "")
        return answer

    waf._update_ip_set = updated
    waf._delete_ip_set = lambda told: stale(told) or delete(told)


def what_is_in_use() -> None:
    """A web ACL is deleted while it is associated, and an IP set while rules name it."""
    delete_acl, delete_set = waf._delete_web_acl, waf._delete_ip_set
    words = "AWS WAF couldn't perform the operation because your resource is being used by another resource."

    def acl_deleted(told: Request) -> Answer:
        acl = waf.web_acl_record(told["Id"], told["Scope"])
        used = acl is not None and any(
            arn == acl["ARN"] and _is_there(resource) for resource, arn in waf._associations.items()
        )
        answer: Answer = _refused("WAFAssociatedItemException", words) if used else delete_acl(told)
        return answer

    def set_deleted(told: Request) -> Answer:
        found = waf._resource_from_scope(waf._ip_sets, told["Id"], told["Scope"])
        acls = waf._values_for_scope(waf._web_acls, told["Scope"])
        used = found is not None and any(f'"{found["ARN"]}"' in json.dumps(acl["Rules"]) for acl in acls)
        answer: Answer = _refused("WAFAssociatedItemException", words) if used else delete_set(told)
        return answer

    waf._delete_web_acl, waf._delete_ip_set = acl_deleted, set_deleted


def associations() -> None:
    """What is not there can be associated; and what has no web ACL is an error to ask for."""
    associate, get = waf._associate_web_acl, waf._get_web_acl_for_resource

    def associated(told: Request) -> Answer:
        if not _is_there(told["ResourceArn"]):
            words = "AWS WAF couldn't perform the operation because your resource doesn't exist."
            return _refused("WAFNonexistentItemException", words)
        answer: Answer = associate(told)
        return answer

    def got(told: Request) -> Answer:
        answer: Answer = get(told) if told["ResourceArn"] in waf._associations else json_response({})
        return answer

    waf._associate_web_acl, waf._get_web_acl_for_resource = associated, got


def _is_there(resource: str) -> bool:
    """Whether a stage or a load balancer is there."""
    stage = _STAGE.match(resource)
    return resource in alb._lbs if stage is None else stage[3] in apigateway_v1._stages_v1.get(stage[2], {})


def judged_rules() -> None:
    """Rules are stored, whatever they say. Those that `sandbox.cloud.firewall_rules` does not judge are refused."""

    def checked(act: Action) -> Action:
        def acted(told: Request) -> Answer:
            try:
                check(told)
            except UnknownRule as unknown:
                return _refused("WAFInvalidParameterException", str(unknown))
            return act(told)

        return acted

    waf._create_web_acl, waf._update_web_acl = checked(waf._create_web_acl), checked(waf._update_web_acl)


def filtered_stages() -> None:
    """No request to a stage is filtered. What is blocked has the gateway response WAF_FILTERED.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    execute = apigateway_v1._execute_in_scope

    async def executed(request: Request, *arguments: Any) -> Any:
        api, stage, method, path, _, body, _, account, region = arguments
        arn = f"arn:aws:apigateway:{region}::/restapis/{api}/stages/{stage}"
        known = firewall.guards(account, region, arn) and apigateway_v1._stages_v1.get(api, {}).get(stage)
        if known:
            request["stage"] = known
            refusal = firewall.blocks(account, region, arn, _asked(request, stage, method, path, body))
            if isinstance(refusal, firewall.Refusal):  # it takes precedence over gateway responses
                return refusal.status, dict(refusal.headers), refusal.body
            if refusal:
                return apigateway_v1._gw_error("WAF_FILTERED", "Forbidden")
        return await execute(request, *arguments)

    apigateway_v1._execute_in_scope = executed


def _asked(request: Request, stage: str, method: str, path: str, body: bytes) -> WebRequest:
    """A request to a stage as WAF sees it: by the API's own name its path begins with the stage.

    Its query is put together again. The base path of a mapping is not seen: the gateway has taken it off.
    """
    headers = RECEIVED.get()
    host = next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
    seen = f"/{stage}{path}" if _EXECUTE_API.match(host) else path
    query = urlencode(request["query_params"], doseq=True)
    return WebRequest(get_request_client_ip(), method, seen, query, headers, body or b"")


def _answer(told: Request) -> Answer:
    answer: Answer = json_response(told)
    return answer


def _refused(code: str, words: str) -> Answer:
    answer: Answer = waf._waf_err(code, words)
    return answer
