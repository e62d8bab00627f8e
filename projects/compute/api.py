"""The REST API of a region: three paths to two functions, validated, throttled, logged and traced."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import pulumi
import pulumi_aws as aws

from projects.compute.functions import Functions
from projects.compute.problems import PROBLEMS
from shared import contracts, naming
from shared.clients import API_TLS, IDEMPOTENCY_KEY
from shared.components.function import Function
from shared.components.regions import Region
from shared.environment_sections import ComputeSettings, MethodThrottle, ThrottleSettings

HEALTH_TIMEOUT_MS = 1000
"""A cold start must not look like an outage, and a hanging function must."""

PAYMENT_TIMEOUT_MARGIN_MS = 500
"""The API waits a little longer than the function may take, so that the function's own answer counts."""

LONGEST_TIMEOUT_MS = 29_000

ACCESS_LOG_FORMAT = json.dumps(
    {
        "requestId": "$context.requestId",
        "requestTime": "$context.requestTimeEpoch",
        "host": "$context.domainName",
        "method": "$context.httpMethod",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "latency": "$context.responseLatency",
        "integrationLatency": "$context.integrationLatency",
        "traceId": "$context.xrayTraceId",
        "error": "$context.error.responseType",
    }
)
"""No path, key or address: a payment's id is in the path and says nothing here."""

PAYMENT_BODY = {"$schema": "http://json-schema.org/draft-04/schema#", "title": "Payment", "type": "object"}
"""The API checks that there is an object; its fields are the function's business, which answers 422."""


@dataclass(frozen=True)
class Route:
    """One method of the API, at `path`."""

    purpose: str
    method: str
    path: str
    timeout_ms: int
    parameters: Mapping[str, bool]
    """Whether each of the request's parameters is required."""
    body: bool = False

    @property
    def source(self) -> str:
        """The path as a function's permission names it."""
        return re.sub(r"{\w+}", "*", self.path)

    @property
    def settings_path(self) -> str:
        """The method as the settings of a stage name it: a nested path with its slashes escaped (RFC 6901).

        The provider hands it on as it is, and looks for what AWS keeps it as (terraform-provider-aws 9738).
        """
        path = "~1" + self.path.replace("/", "~1") if "/" in self.path else self.path
        return f"{path}/{self.method}"


@dataclass(frozen=True)
class RouteParts:
    """What a route is made of in the cloud."""

    route: Route
    method: aws.apigateway.Method
    integration: aws.apigateway.Integration


class PaymentApi(pulumi.ComponentResource):
    """Attributes: outputs."""

    outputs: contracts.RestApiOutputs

    def __init__(
        self,
        name: str,
        region: Region,
        settings: ComputeSettings,
        throttle: ThrottleSettings,
        functions: Functions,
    ) -> None:
        super().__init__("payments:compute:PaymentApi", name)
        self._name = name
        self._region = region
        self._options = region.options(self)

        self._api = aws.apigateway.RestApi(
            name,
            name=region.named(naming.PAYMENT_API),
            description=f"Payments of {region.foundation.name}, {region.role}",
            endpoint_configuration={"types": "REGIONAL"},
            **API_TLS,
            opts=self._options,
        )
        self._validator = aws.apigateway.RequestValidator(
            name,
            rest_api=self._api.id,
            name=f"{region.named(naming.PAYMENT_API)}-request",
            validate_request_body=True,
            validate_request_parameters=True,
            opts=self._options,
        )
        self._body = aws.apigateway.Model(
            name,
            rest_api=self._api.id,
            name="Payment",
            description="Any JSON object",
            content_type="application/json",
            schema=json.dumps(PAYMENT_BODY),
            opts=self._options,
        )
        routes = self._routes(settings, functions)
        stage = self._stage(self._deployment(routes, self._problems()))
        self._throttle(stage, throttle, [parts.route for parts in routes])
        self.outputs = contracts.RestApiOutputs(
            id=self._api.id,
            name=self._api.name,
            stage_name=stage.stage_name,
            stage_arn=stage.arn,
            endpoint=pulumi.Output.concat(
                "https://", self._api.id, f".execute-api.{region.name}.amazonaws.com/", stage.stage_name
            ),
        )
        self.register_outputs({})

    def _routes(self, settings: ComputeSettings, functions: Functions) -> list[RouteParts]:
        patience = min(settings.payment.timeout * 1000 + PAYMENT_TIMEOUT_MARGIN_MS, LONGEST_TIMEOUT_MS)
        payments = self._path("payment", self._api.root_resource_id, "payment")
        payment = self._path("payment-id", payments.id, "{paymentId}")
        health = self._path("health", self._api.root_resource_id, "health")
        key, payment_id = f"method.request.header.{IDEMPOTENCY_KEY}", "method.request.path.paymentId"
        create = Route("create-payment", "POST", "payment", patience, {key: True}, body=True)
        get = Route("get-payment", "GET", "payment/{paymentId}", patience, {payment_id: True})
        ask = Route("get-health", "GET", "health", HEALTH_TIMEOUT_MS, {})
        # A REST API answers 403 to HEAD where it has GET alone.
        return [
            self._route(create, payments, functions.payment),
            self._route(get, payment, functions.payment),
            self._route(replace(get, purpose="head-payment", method="HEAD"), payment, functions.payment),
            self._route(ask, health, functions.health),
            self._route(replace(ask, purpose="head-health", method="HEAD"), health, functions.health),
        ]

    def _path(self, name: str, parent_id: pulumi.Input[str], part: str) -> aws.apigateway.Resource:
        return aws.apigateway.Resource(
            f"{self._name}-{name}", rest_api=self._api.id, parent_id=parent_id, path_part=part, opts=self._options
        )

    def _route(self, route: Route, path: aws.apigateway.Resource, function: Function) -> RouteParts:
        name = f"{self._name}-{route.purpose}"
        method = aws.apigateway.Method(
            name,
            rest_api=self._api.id,
            resource_id=path.id,
            http_method=route.method,
            authorization="NONE",  # the function checks the caller's key, in constant time
            request_validator_id=self._validator.id,
            request_parameters=dict(route.parameters),
            request_models={"application/json": self._body.name} if route.body else {},
            opts=self._options,
        )
        integration = aws.apigateway.Integration(
            name,
            rest_api=self._api.id,
            resource_id=path.id,
            http_method=method.http_method,
            type="AWS_PROXY",
            integration_http_method="POST",
            uri=function.alias.invoke_arn,
            timeout_milliseconds=route.timeout_ms,
            opts=self._options,
        )
        function.allow(
            route.purpose,
            "apigateway.amazonaws.com",
            pulumi.Output.concat(self._api.execution_arn, f"/{naming.STAGE}/{route.method}/{route.source}"),
        )
        return RouteParts(route, method, integration)

    def _problems(self) -> list[aws.apigateway.Response]:
        return [
            aws.apigateway.Response(
                f"{self._name}-{kind.lower().replace('_', '-')}",
                rest_api_id=self._api.id,
                response_type=kind,
                status_code=problem.set_status,
                response_templates={"application/json": problem.body},
                response_parameters=problem.headers,
                # Where none is set, API Gateway reads back its own, and the provider would unset that at each update
                # (terraform-provider-aws 48260).
                opts=self._region.options(self, ignore_changes=None if problem.set_status else ["statusCode"]),
            )
            for kind, problem in PROBLEMS.items()
        ]

    def _deployment(
        self, routes: list[RouteParts], problems: list[aws.apigateway.Response]
    ) -> aws.apigateway.Deployment:
        """A snapshot of the API, made anew whenever one of its parts is given something else."""
        definition = {
            "routes": [asdict(parts.route) for parts in routes],
            "called": [parts.integration.uri for parts in routes],
            "body": PAYMENT_BODY,
            "problems": {kind: asdict(problem) for kind, problem in PROBLEMS.items()},
        }
        return aws.apigateway.Deployment(
            self._name,
            rest_api=self._api.id,
            description=f"Routes of {self._region.named(naming.PAYMENT_API)}",
            triggers={"definition": pulumi.Output.json_dumps(definition).apply(_digest)},
            opts=self._region.options(
                self, depends_on=[*(part for each in routes for part in (each.method, each.integration)), *problems]
            ),
        )

    def _stage(self, deployment: aws.apigateway.Deployment) -> aws.apigateway.Stage:
        region = self._region
        log = aws.cloudwatch.LogGroup(
            self._name,
            name=region.named(naming.ACCESS_LOG_GROUP),
            retention_in_days=region.foundation.log_retention_days.access,
            opts=self._options,
        )
        return aws.apigateway.Stage(
            self._name,
            rest_api=self._api.id,
            deployment=deployment.id,
            stage_name=naming.STAGE,
            description=f"Serves {region.foundation.region_names.of(region.role)}",
            variables={"environment": region.foundation.name, "role": region.role},
            xray_tracing_enabled=True,
            access_log_settings={"destination_arn": log.arn, "format": ACCESS_LOG_FORMAT},
            opts=self._options,
        )

    def _throttle(self, stage: aws.apigateway.Stage, throttle: ThrottleSettings, routes: list[Route]) -> None:
        """Give each method its own bucket, and the stage as a whole what they have together.

        One after the other, as each is an update of the same stage. What a method is given replaces what the stage says
        of all, metrics too.
        """
        limits = [(self._name, "*/*", throttle.total)]
        limits += [(f"{self._name}-{route.purpose}", route.settings_path, _limit(throttle, route)) for route in routes]
        last: pulumi.Resource = stage
        for name, path, limit in limits:
            last = aws.apigateway.MethodSettings(
                name,
                rest_api=self._api.id,
                stage_name=stage.stage_name,
                method_path=path,
                settings={
                    "metrics_enabled": True,
                    "throttling_rate_limit": limit.requests_per_second,
                    "throttling_burst_limit": limit.burst,
                },
                opts=self._region.options(self, depends_on=[last]),
            )


def _limit(throttle: ThrottleSettings, route: Route) -> MethodThrottle:
    if route.method == "HEAD":
        return throttle.heads
    return {"create-payment": throttle.payments, "get-payment": throttle.lookups}.get(route.purpose, throttle.health)


def _digest(definition: str) -> str:
    return hashlib.sha256(definition.encode()).hexdigest()
