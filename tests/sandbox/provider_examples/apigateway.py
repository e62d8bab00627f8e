from __future__ import annotations

import json
from dataclasses import replace

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example

INVOKE = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:000000000000:function:example:live/invocations"
)


def api(engine: Engine) -> Made:
    return engine.make("aws:apigateway/restApi:RestApi", endpointConfiguration={"types": "REGIONAL"})


def path(engine: Engine, api: Made) -> Made:
    return engine.make(
        "aws:apigateway/resource:Resource", restApi=api.id, parentId=api.rootResourceId, pathPart="payment"
    )


def method(engine: Engine) -> dict[str, str]:
    owner = api(engine)
    place = {"restApi": owner.id, "resourceId": path(engine, owner).id, "httpMethod": "POST"}
    engine.make("aws:apigateway/method:Method", **place, authorization="NONE")
    return place


def stage(engine: Engine) -> dict[str, str]:
    place = method(engine)
    engine.make("aws:apigateway/integration:Integration", **place, type="MOCK")
    deployment = engine.make("aws:apigateway/deployment:Deployment", restApi=place["restApi"])
    engine.make("aws:apigateway/stage:Stage", restApi=place["restApi"], stageName="live", deployment=deployment.id)
    return {"restApi": place["restApi"], "stageName": "live"}


@example("aws:apigateway/restApi:RestApi")
def rest_api(engine: Engine) -> Example:
    return Example(
        {
            "name": "example-api",
            "description": "Example",
            "endpointConfiguration": {"types": "REGIONAL"},
            "securityPolicy": "SecurityPolicy_TLS13_1_2_2021_06",
            "endpointAccessMode": "BASIC",
        },
        update={
            "description": None,
            "name": "example-renamed",
            "disableExecuteApiEndpoint": True,
            "endpointAccessMode": "STRICT",
            "tags": {"a": "b"},
        },
        replace={"endpointConfiguration": {"types": "EDGE"}},
    )


@example("aws:apigateway/resource:Resource")
def resource(engine: Engine) -> Example:
    owner = api(engine)
    return Example(
        {"restApi": owner.id, "parentId": owner.rootResourceId, "pathPart": "payment"},
        replace={"pathPart": "health", "parentId": "other", "restApi": "other"},
        import_id="{restApi}/{id}",
    )


@example("aws:apigateway/requestValidator:RequestValidator")
def request_validator(engine: Engine) -> Example:
    return Example(
        {"restApi": api(engine).id, "name": "all", "validateRequestBody": True, "validateRequestParameters": True},
        update={"validateRequestBody": None, "name": "parameters"},
        replace={"restApi": "other"},
        import_id="{restApi}/{id}",
    )


@example("aws:apigateway/model:Model")
def model(engine: Engine) -> Example:
    return Example(
        {
            "restApi": api(engine).id,
            "name": "Payment",
            "contentType": "application/json",
            "schema": json.dumps({"type": "object"}),
        },
        update={"schema": json.dumps({"type": "array"}), "description": "A list"},
        replace={"name": "Other", "contentType": "text/plain"},
    )


@example("aws:apigateway/method:Method")
def api_method(engine: Engine) -> Example:
    owner = api(engine)
    validator = engine.make("aws:apigateway/requestValidator:RequestValidator", restApi=owner.id)
    return Example(
        {
            "restApi": owner.id,
            "resourceId": path(engine, owner).id,
            "httpMethod": "POST",
            "authorization": "NONE",
            "requestValidatorId": validator.id,
            "requestParameters": {"method.request.header.Idempotency-Key": True},
            "requestModels": {"application/json": "Payment"},
        },
        update={
            "requestValidatorId": None,
            "requestParameters": {"method.request.header.Other": False},
            "requestModels": {"application/json": "Other"},
        },
        replace={"httpMethod": "GET", "resourceId": "other"},
    )


@example("aws:apigateway/integration:Integration")
def integration(engine: Engine) -> Example:
    return Example(
        {
            **method(engine),
            "type": "AWS_PROXY",
            "integrationHttpMethod": "POST",
            "uri": INVOKE,
            "timeoutMilliseconds": 1000,
        },
        update={"timeoutMilliseconds": None, "uri": INVOKE.replace("live", "other")},
        replace={"type": "HTTP_PROXY", "integrationHttpMethod": "GET"},
    )


@example("aws:apigateway/response:Response")
def gateway_response(engine: Engine) -> Example:
    return Example(
        {
            "restApiId": api(engine).id,
            "responseType": "THROTTLED",
            "statusCode": "429",
            "responseTemplates": {"application/problem+json": "{}"},
        },
        update={"responseParameters": {"gatewayresponse.header.Retry-After": "'1'"}, "statusCode": "503"},
        replace={"responseType": "DEFAULT_4XX"},
    )


@example("aws:apigateway/deployment:Deployment")
def deployment(engine: Engine) -> Example:
    owner = method(engine)["restApi"]
    return Example(
        {"restApi": owner, "description": "First", "triggers": {"definition": "1"}},
        update={"description": "Second"},
        replace={"triggers": {"definition": "2"}},
        import_id="{restApi}/{id}",
    )


@example("aws:apigateway/stage:Stage")
def api_stage(engine: Engine) -> Example:
    owner = method(engine)["restApi"]
    first, second = (engine.make("aws:apigateway/deployment:Deployment", restApi=owner).id for _ in range(2))
    return Example(
        {
            "restApi": owner,
            "stageName": "live",
            "deployment": first,
            "variables": {"role": "primary"},
            "xrayTracingEnabled": True,
            "accessLogSettings": {
                "destinationArn": "arn:aws:logs:us-east-1:0:log-group:a",
                "format": "$context.status",
            },
        },
        update={
            "deployment": second,
            "variables": {"other": "one"},
            "xrayTracingEnabled": None,
            "accessLogSettings": None,
            "tags": {"a": "b"},
        },
        replace={"stageName": "other"},
    )


@example("aws:apigateway/methodSettings:MethodSettings")
def method_settings(engine: Engine) -> Example:
    return Example(
        {
            **stage(engine),
            "methodPath": "*/*",
            "settings": {"metricsEnabled": True, "throttlingRateLimit": 50, "throttlingBurstLimit": 20},
        },
        update={"settings": {"loggingLevel": "ERROR", "throttlingBurstLimit": 30}},
        replace={"methodPath": "~1payment~1{paymentId}/GET", "stageName": "other"},
    )


@example("aws:apigateway/domainName:DomainName")
def domain_name(engine: Engine) -> Example:
    first, second = (
        engine.make("aws:acm/certificate:Certificate", domainName=f"{name}.example.com", validationMethod="DNS").arn
        for name in ("one", "two")
    )
    return Example(
        {
            "domainName": "api.example.com",
            "regionalCertificateArn": first,
            "endpointConfiguration": {"types": "REGIONAL"},
            "securityPolicy": "TLS_1_2",
        },
        update={
            "regionalCertificateArn": second,
            "securityPolicy": "SecurityPolicy_TLS13_1_2_2021_06",
            "endpointAccessMode": "BASIC",
            "tags": {"a": "b"},
        },
        replace={"domainName": "other.example.com"},
    )


@example("aws:apigateway/basePathMapping:BasePathMapping")
def base_path_mapping(engine: Engine) -> Example:
    place = stage(engine)
    domain = engine.make(
        "aws:apigateway/domainName:DomainName",
        domainName="mapped.example.com",
        endpointConfiguration={"types": "REGIONAL"},
    )
    return Example(
        {"domainName": domain.id, "restApi": place["restApi"], "stageName": "live"},
        update={"stageName": None},
        replace={"basePath": "payments"},
    )


@example("aws:apigateway/basePathMapping:BasePathMapping")
def base_path_mapping_of_a_path(engine: Engine) -> Example:
    whole = base_path_mapping(engine)
    return replace(whole, inputs={**whole.inputs, "basePath": "payments"}, replace={})
