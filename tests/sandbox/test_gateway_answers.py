"""What a caller of a REST API gets when its function gives no answer, or one that the API changes; and the counts."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from sandbox.cloud.repairs.gateway import DROPPED, REMAPPED
from tests.sandbox.test_cloud_functions import Function
from tests.sandbox.virtual_time import METRICS_ARRIVE, VirtualTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.conftest import RunningCloud

REGION = "us-west-1"
FUNCTION = """
import json, os, sys, time

def handler(event, context):
    told = json.loads(event.get("body") or "{}")
    kind = told.get("do")
    if kind == "raise":
        raise ValueError("a secret of the function's")
    if kind == "exit":
        sys.exit(3)
    if kind == "sleep":
        time.sleep(told["seconds"])
    if kind == "waited":
        told = {"waited": time.time() * 1000 - event["requestContext"]["requestTimeEpoch"]}
        return {"statusCode": 200, "body": str(told["waited"])}
    if kind == "return":
        return told["answer"]
    return {"statusCode": told.get("status", 200), "headers": told.get("headers"), "body": "ok"}
"""
INTERNAL = {"message": "Internal server error"}


@dataclass(frozen=True)
class Api:
    """A REST API with one function behind POST /."""

    cloud: RunningCloud
    function: Function
    identity: str
    name: str
    web: httpx.Client

    @property
    def url(self) -> str:
        return self.cloud.gateways[REGION]

    def post(self, **event: Any) -> httpx.Response:
        host = f"{self.identity}.execute-api.{REGION}.amazonaws.com"
        return self.web.post(f"{self.url}/v1/pay", json=event, headers={"Host": host})

    def gateway_response(self, kind: str, **settings: Any) -> None:
        """Customise one, and deploy: they take effect with a deployment."""
        gateway = self.cloud.client("apigateway", REGION)
        gateway.put_gateway_response(restApiId=self.identity, responseType=kind, **settings)
        self.deploy()

    def forget(self, *kinds: str) -> None:
        gateway = self.cloud.client("apigateway", REGION)
        for kind in kinds:
            gateway.delete_gateway_response(restApiId=self.identity, responseType=kind)
        self.deploy()

    def deploy(self) -> None:
        gateway = self.cloud.client("apigateway", REGION)
        deployment = gateway.create_deployment(restApiId=self.identity)["id"]
        patch = {"op": "replace", "path": "/deploymentId", "value": deployment}
        gateway.update_stage(restApiId=self.identity, stageName="v1", patchOperations=[patch])

    def reserve(self, number: int | None) -> None:
        if number is None:
            self.function.client.delete_function_concurrency(FunctionName=self.function.name)
        else:
            self.function.client.put_function_concurrency(
                FunctionName=self.function.name, ReservedConcurrentExecutions=number
            )

    def metrics_arrive(self) -> None:
        VirtualTime(self.cloud.sandbox).pass_seconds(METRICS_ARRIVE)

    def sum(self, metric: str, **dimensions: str) -> tuple[float, float]:
        """The sum and the average of what has arrived of a metric."""
        now = VirtualTime(self.cloud.sandbox).date()
        found = self.cloud.client("cloudwatch", REGION).get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(hours=2),
            EndTime=now + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        total, count = sum(each["Sum"] for each in found), sum(each["SampleCount"] for each in found)
        return total, (total / count if count else 0)


@pytest.fixture
def api(cloud: RunningCloud) -> Iterator[Api]:
    gateway, name = cloud.client("apigateway", REGION), f"t{uuid.uuid4().hex[:8]}"
    function = Function(cloud, FUNCTION, region=REGION)
    identity = gateway.create_rest_api(name=name)["id"]
    root = gateway.get_resources(restApiId=identity)["items"][0]["id"]
    resource = gateway.create_resource(restApiId=identity, parentId=root, pathPart="pay")["id"]
    place = {"restApiId": identity, "resourceId": resource, "httpMethod": "POST"}
    gateway.put_method(**place, authorizationType="NONE")
    version = function.client.publish_version(FunctionName=function.name)["Version"]
    arn = function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)["AliasArn"]
    gateway.put_integration(
        **place,
        integrationHttpMethod="POST",
        type="AWS_PROXY",
        uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
        timeoutInMillis=2000,
    )
    cloud.client("lambda", REGION).add_permission(
        FunctionName=function.name,
        Qualifier="live",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:000000000000:{identity}/*",
    )
    deployment = gateway.create_deployment(restApiId=identity)["id"]
    gateway.create_stage(restApiId=identity, stageName="v1", deploymentId=deployment)
    with httpx.Client(timeout=10) as web:
        yield Api(cloud, function, identity, name, web)
    gateway.delete_rest_api(restApiId=identity)


def brought_down(api: Api) -> httpx.Response:
    """The answer to a request whose function's process is killed while it works."""
    assert api.post().status_code == 200
    # Looked for before: on a busy machine that may take longer than the work.
    processes = [each for each in psutil.process_iter(["environ"]) if _is_of(each, api.function.name)]
    assert processes
    with concurrent.futures.ThreadPoolExecutor(1) as behind:
        answer = behind.submit(api.post, do="sleep", seconds=0.9)
        time.sleep(0.3)
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
        return answer.result()


def _is_of(process: psutil.Process, function: str) -> bool:
    return (process.info["environ"] or {}).get("AWS_LAMBDA_FUNCTION_NAME") == function


def throttled(api: Api) -> httpx.Response:
    """The answer to a request to a function that may run no more than it does."""
    api.reserve(0)
    try:
        return api.post()
    finally:
        api.reserve(None)


FAILURES = {
    "throttled": (throttled, 500),
    "raised": (lambda api: api.post(do="raise"), 502),
    "exited": (lambda api: api.post(do="exit"), 502),
    "killed": (brought_down, 502),
    "timed out": (lambda api: api.post(do="sleep", seconds=1.5), 502),  # the function's own time-out is 1 s
    "answered nothing": (lambda api: api.post(do="return", answer=None), 502),
    "answered a text": (lambda api: api.post(do="return", answer="hello"), 502),
    "answered another form": (lambda api: api.post(do="return", answer={"message": "hello"}), 502),
    "answered an object for a body": (lambda api: api.post(do="return", answer={"statusCode": 200, "body": {}}), 502),
    "answered no status": (lambda api: api.post(do="return", answer={"statusCode": "bad", "body": ""}), 502),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_function_without_an_answer_is_an_error_that_tells_nothing(api: Api, failure: str) -> None:
    fail, status = FAILURES[failure]
    answer = fail(api)
    assert (answer.status_code, answer.json()) == (status, INTERNAL)
    assert answer.headers["x-amzn-errortype"] == "InternalServerErrorException"
    assert api.post().status_code == 200


def test_the_integrations_time_out_is_504(api: Api) -> None:
    functions = api.cloud.client("lambda", REGION)
    functions.update_function_configuration(FunctionName=api.function.name, Timeout=10)
    version = functions.publish_version(FunctionName=api.function.name)["Version"]
    functions.update_alias(FunctionName=api.function.name, Name="live", FunctionVersion=version)
    answer = api.post(do="sleep", seconds=3)
    assert (answer.status_code, answer.json()) == (504, {"message": "Endpoint request timed out"})


PROBLEM = {
    "responseTemplates": {"application/json": '{"title": "Unavailable", "detail": $context.error.messageString}'},
    "responseParameters": {
        "gatewayresponse.header.Content-Type": "'application/problem+json'",
        "gatewayresponse.header.Retry-After": "'1'",
    },
}


@pytest.mark.parametrize("failure", ["throttled", "raised", "killed", "timed out", "answered a text"])
@pytest.mark.parametrize("status", [None, "503"])
def test_a_gateway_response_answers_for_the_function(api: Api, failure: str, status: str | None) -> None:
    """Template, headers, and the status where it names one; without, the status stays the failure's own."""
    fail, own = FAILURES[failure]
    api.gateway_response("DEFAULT_5XX", **PROBLEM, **({"statusCode": status} if status else {}))
    answer = fail(api)
    assert answer.status_code == int(status or own)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"title": "Unavailable", "detail": "Internal server error"}


def test_a_functions_failure_has_the_integrations_response_and_its_refusal_the_default(api: Api) -> None:
    api.gateway_response("INTEGRATION_FAILURE", responseTemplates={"application/json": '"failed"'})
    assert (api.post(do="raise").status_code, api.post(do="raise").json()) == (502, "failed")
    assert throttled(api).json() == INTERNAL
    api.gateway_response("INTEGRATION_FAILURE", statusCode="503")
    assert api.post(do="raise").status_code == 503
    api.forget("INTEGRATION_FAILURE")
    assert api.post(do="raise").status_code == 502


def test_the_status_of_a_default_is_that_of_all_which_have_none(api: Api) -> None:
    api.gateway_response("DEFAULT_4XX", statusCode="418")
    host = {"Host": f"{api.identity}.execute-api.{REGION}.amazonaws.com"}
    assert api.web.get(f"{api.url}/v1/nowhere", headers=host).status_code == 418
    api.gateway_response("MISSING_AUTHENTICATION_TOKEN", statusCode="404")
    assert api.web.get(f"{api.url}/v1/nowhere", headers=host).status_code == 404


def test_headers_of_a_function_are_remapped_or_dropped(api: Api) -> None:
    given = {"X-Own": "1", "Retry-After": "2", "Content-Type": "text/plain"}
    changed = {name: f"of-{name}" for name in (*REMAPPED, *DROPPED) if name != "transfer-encoding"}
    answer = api.post(headers={**given, **{name.title(): value for name, value in changed.items()}})
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in given} == given
    remapped = {name: answer.headers.get(f"x-amzn-remapped-{name}") for name in REMAPPED}
    assert remapped == {name: f"of-{name}" for name in REMAPPED}
    assert not [name for name, value in answer.headers.items() if value == f"of-{name}"]
    assert not [name for name in answer.headers if name.removeprefix("x-amzn-remapped-") in DROPPED]


def test_a_challenge_reaches_the_client_under_another_name(api: Api) -> None:
    answer = api.post(status=401, headers={"WWW-Authenticate": 'Bearer realm="pay"'})
    assert answer.headers["x-amzn-remapped-www-authenticate"] == 'Bearer realm="pay"'
    assert "www-authenticate" not in answer.headers


def test_requests_are_counted_by_api_stage_and_method(api: Api) -> None:
    """A 5XX counts as one, unless a gateway response has changed its status: then it is a 4XX."""
    stage = {"ApiName": api.name, "Stage": "v1"}
    method = {**stage, "Resource": "/pay", "Method": "POST"}
    gateway = api.cloud.client("apigateway", REGION)

    def counted(**dimensions: str) -> tuple[float, float, float]:
        return tuple(api.sum(each, **dimensions)[0] for each in ("Count", "4XXError", "5XXError"))  # type: ignore[return-value]

    def detailed(on: str) -> None:
        patch = {"op": "replace", "path": "/*/*/metrics/enabled", "value": on}
        gateway.update_stage(restApiId=api.identity, stageName="v1", patchOperations=[patch])

    api.post()
    api.post(status=503)  # the function's own
    assert counted(**stage) == (0, 0, 0), "what was measured comes late"
    api.metrics_arrive()
    assert counted(**stage) == counted(ApiName=api.name) == (2, 0, 1)
    assert counted(**method) == (0, 0, 0)
    detailed("true")
    api.post(status=404)
    api.post(do="raise")
    api.metrics_arrive()
    assert counted(**stage) == (4, 1, 2)
    assert counted(**method) == (2, 1, 1)
    assert api.sum("5XXError", **method)[1] == 0.5  # the average is the rate
    api.gateway_response("INTEGRATION_FAILURE", statusCode="503")
    assert api.post(do="raise").status_code == 503
    api.metrics_arrive()
    assert counted(**method) == (3, 2, 1)
    api.gateway_response("INTEGRATION_FAILURE", **PROBLEM)
    assert api.post(do="raise").status_code == 502
    api.metrics_arrive()
    assert counted(**method) == (4, 2, 2)
    assert api.web.get(f"{api.url}/v1/nowhere").status_code in (403, 404)
    latency = api.sum("Latency", **method)[1]
    assert 0 < api.sum("IntegrationLatency", **method)[1] <= latency < 5000


def test_counts_are_kept_by_the_minute_and_not_by_request(api: Api) -> None:
    api.post()
    for _ in range(5):
        api.post()
    api.metrics_arrive()
    metrics = api.cloud.client("cloudwatch", REGION).list_metrics(
        Namespace="AWS/ApiGateway", Dimensions=[{"Name": "ApiName", "Value": api.name}]
    )["Metrics"]
    names = {each["MetricName"] for each in metrics}
    assert names == {"Count", "4XXError", "5XXError", "Latency", "IntegrationLatency"}
    assert api.sum("Count", ApiName=api.name)[0] == 6


def test_no_secret_of_a_function_is_told(api: Api) -> None:
    assert "secret" not in api.post(do="raise").text
    assert json.loads(api.post(do="raise").text) == INTERNAL


def test_a_function_hears_the_sandboxs_time_of_a_request(api: Api) -> None:
    VirtualTime(api.cloud.sandbox).pass_seconds(100)
    waited = float(api.post(do="waited").text)
    assert -1 < waited < 5_000, "milliseconds, by the function's own clock"
