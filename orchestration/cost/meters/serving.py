"""API Gateway and AWS WAF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestration.cost.inventory import Item
from orchestration.cost.month import Month, role_of
from orchestration.cost.prices import GIB, SECONDS
from orchestration.cost.usage import Meter, Usage

RESERVOIR = 1
SHARE = 0.05
"""X-Ray's default rule: the first request of each second, and 5 % of the others (X-Ray Developer Guide)."""


def traced(rate: float) -> float:
    """How many of so many requests a second leave a trace."""
    return min(rate, RESERVOIR) + max(rate - RESERVOIR, 0) * SHARE


def _rest_api(api: Item, month: Month) -> Iterator[Usage]:
    role = role_of(api)
    outside = month.requests_from_outside(role) * month.load.bytes_per_answer
    yield Usage("REST API requests", month.requests(role) * SECONDS)
    yield Usage("data to the internet", outside * SECONDS / GIB)


def _stage(stage: Item, month: Month) -> Iterator[Usage]:
    """Its access log is paid at the log group."""
    if stage.get("xrayTracingEnabled"):
        yield Usage("traces", traced(month.requests(role_of(stage))) * SECONDS)


def _method_settings(settings: Item, month: Month) -> Iterator[Usage]:
    """Detailed metrics, of each method: "custom metrics" to CloudWatch (API Gateway Developer Guide)."""
    if settings["settings"].get("metricsEnabled"):
        methods = sum(1 for _ in month.inventory.of("aws:apigateway/method:Method", settings.place))
        yield Usage("metrics", methods * month.load.metrics_per_method)


def _web_acl(acl: Item, month: Month) -> Iterator[Usage]:
    yield Usage("web ACL", 1)
    yield Usage("web ACL rules", len(acl.get("rules", ())))
    yield Usage("web ACL requests", month.requests(role_of(acl)) * SECONDS)


METERS: Mapping[str, Meter] = {
    "aws:apigateway/restApi:RestApi": _rest_api,
    "aws:apigateway/stage:Stage": _stage,
    "aws:apigateway/methodSettings:MethodSettings": _method_settings,
    "aws:wafv2/webAcl:WebAcl": _web_acl,
}
