"""AWS WAF before what is associated with a web ACL: whether a request is let through, and what is measured of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ministack.services import waf

from sandbox.cloud.firewall_rules import Judge, Rates
from sandbox.cloud.watch.here import Here
from sandbox.cloud.watch.metrics import Name, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.cloud.firewall_rules import Act, Acted
    from sandbox.cloud.web_requests import WebRequest

_METRICS: dict[Act, str] = {"Allow": "AllowedRequests", "Block": "BlockedRequests", "Count": "CountedRequests"}
_TYPES = {"APPLICATION_JSON": "application/json", "TEXT_HTML": "text/html", "TEXT_PLAIN": "text/plain"}


def guards(account: str, region: str, resource: str) -> bool:
    """Whether a web ACL is associated with a resource (its ARN). It costs a look into a table."""
    return waf._associations.get_scoped(account, region, resource) is not None


class Refusal(NamedTuple):
    """What a blocked request is answered with, where the web ACL says it.

    https://docs.aws.amazon.com/waf/latest/developerguide/customizing-the-response-for-blocked-requests.html
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def blocks(account: str, region: str, resource: str, request: WebRequest) -> Refusal | bool:
    """Whether a request to a resource (its ARN) is blocked by the web ACL that is associated with it, if one is.

    A refusal is the answer. True: who asks answers 403, API Gateway with its gateway response WAF_FILTERED, a load
    balancer by itself.
    """
    arn = waf._associations.get_scoped(account, region, resource)
    acl = None if arn is None else waf._web_acls.get_scoped(account, region, arn.rpartition("/")[2])
    if acl is None:
        return False
    acts = list(Judge(_addresses(account, region), _rates).acts(acl, request))
    scope = Scope(account, region)
    for rule, act, _ in acts:
        _count(scope, acl, act, rule["VisibilityConfig"] if rule else None)
    for act in dict.fromkeys(each.act for each in acts):
        _count(scope, acl, act, {**acl["VisibilityConfig"], "MetricName": "ALL"})
    return _refusal(acl, acts[-1])


def _refusal(acl: Mapping[str, Any], last: Acted) -> Refusal | bool:
    if last.act != "Block" or last.response is None:
        return last.act == "Block"
    headers = tuple((each["Name"], each["Value"]) for each in last.response.get("ResponseHeaders") or ())
    body = (acl.get("CustomResponseBodies") or {}).get(last.response.get("CustomResponseBodyKey"))
    if body is None:
        return Refusal(int(last.response["ResponseCode"]), headers, b"")
    kind = (("Content-Type", _TYPES[body["ContentType"]]),)
    return Refusal(int(last.response["ResponseCode"]), (*kind, *headers), body["Content"].encode())


def _now() -> float:
    return Here.clock.now()


_rates = Rates(_now)


def _addresses(account: str, region: str) -> Any:
    def of(arn: str) -> Sequence[str]:
        found = waf._ip_sets.get_scoped(account, region, arn.rpartition("/")[2])
        return list(found["Addresses"]) if found else []

    return of


def _count(scope: Scope, acl: Mapping[str, Any], act: Act, visible: Mapping[str, Any] | None) -> None:
    """Count for one rule, by the name of its metric; the default action has no rule.

    https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html
    """
    whole = acl["VisibilityConfig"]
    told = {**whole, "MetricName": "Default_Action"} if visible is None else visible
    if told["CloudWatchMetricsEnabled"]:
        dimensions = {"WebACL": whole["MetricName"], "Region": scope.region, "Rule": told["MetricName"]}
        Here.metrics.count(scope, Name.of("AWS/WAFV2", _METRICS[act], dimensions), 1.0, "Count")
