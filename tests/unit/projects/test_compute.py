"""Compute: the functions with what they may do, the sweep, and the API in front."""

from __future__ import annotations

import json

import botocore.session
import pulumi
import pytest
from pulumi.runtime.rpc import UNKNOWN

from lambdas.web.answer import problem
from shared.environment import Environment
from shared.environment_sections import WarmExecutions
from shared.naming import PAYMENT_ROUTE
from tests.unit.projects.mocked_programs import ACCOUNT, Recorder, published, run_environment, run_program

REGION = {"primary": "us-east-1", "secondary": "us-east-2"}
FUNCTIONS = ("payment", "health", "audit")


@pytest.fixture(params=["primary", "secondary"])
def role(request):
    return request.param


@pytest.fixture
def compute(role):
    return run_environment()[f"compute/payments-{role}"].recorder


def allowed(recorder, name):
    """What a role may do, as {action: resources}."""
    statements = json.loads(recorder.one("RolePolicy", name)["policy"])["Statement"]
    return {
        action: set(statement["Resource"])
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }


@pytest.mark.parametrize(
    ("name", "physical", "memory", "timeout", "reserved"),
    [
        ("payment", "payment-processor", 256, 10, 400),
        ("health", "payment-health", 128, 1, 60),
        ("audit", "payment-audit", 256, 60, 10),
    ],
)
def test_each_function_is_as_configured(compute, role, name, physical, *, memory, timeout, reserved):
    function = compute.one("Function", name)
    assert function["name"] == f"{physical}-{role}-x7k2"
    assert (function["memorySize"], function["timeout"]) == (memory, timeout)
    assert function["reservedConcurrentExecutions"] == reserved
    assert function["runtime"] == "python3.13"
    assert function["handler"] == f"lambdas.{name}.main.handler"
    assert function["publish"] is True
    assert function["tracingConfig"] == {"mode": "Active"}


def test_nothing_is_kept_started_unless_it_is_wished(compute):
    assert compute.of("ProvisionedConcurrencyConfig") == []


@pytest.mark.parametrize(("stack", "started"), [("payments-primary", 0), ("payments-secondary", 20)])
def test_the_standby_may_be_kept_started_and_a_new_version_is_before_the_alias_moves(monkeypatch, stack, started):
    load = Environment.load

    def warm(*arguments):
        found = load(*arguments)
        wished = found.compute.model_copy(update={"warm": WarmExecutions(primary=0, secondary=20)})
        return found.model_copy(update={"compute": wished})

    monkeypatch.setattr(Environment, "load", staticmethod(warm))
    made = run_program("compute", stack, published()).recorder
    configs = made.of("ProvisionedConcurrencyConfig")
    assert [each["provisionedConcurrentExecutions"] for each in configs] == [started] * bool(started)
    for each in configs:
        assert each["functionName"] == made.one("Function", "payment")["name"]
        assert each["qualifier"] == "1", "the version, so that a new one is started before the one before goes"
        assert "Invocation:payment" in each.after, "what does not pass its rehearsal costs nothing"
    assert ("ProvisionedConcurrencyConfig:payment" in made.one("Alias", "payment").after) == bool(started)
    assert "ProvisionedConcurrencyConfig:payment" not in made.one("Alias", "health").after


def test_a_version_is_called_by_its_number_with_its_callers_events_before_its_alias_moves(compute):
    for name in FUNCTIONS:
        function, called = compute.one("Function", name), compute.one("Invocation", name)
        assert (called["functionName"], called["qualifier"]) == (function["name"], "1")
        assert called["triggers"] == {"version": "1"}
        assert called.get("lifecycleScope") is None, "a destruction calls nothing"
        assert compute.one("Alias", name).after >= {f"Invocation:{each}" for each in FUNCTIONS}, "all of them, or none"


@pytest.mark.parametrize(("environment", "marks"), [("payments", "requestTimeEpoch"), ("trading", "targetGroupArn")])
def test_what_clients_reach_gets_the_events_of_its_entry_point(environment, marks):
    made = run_environment(environment)[f"compute/{environment}-secondary"].recorder
    for name in ("payment", "health"):
        for turn in json.loads(made.one("Invocation", name)["input"])["rehearsal"]:
            assert marks in json.dumps(turn["event"]["requestContext"])


def test_no_rehearsal_sweeps_or_knows_a_key(compute):
    asked = {each.name: json.loads(each["input"])["rehearsal"] for each in compute.of("Invocation")}
    assert asked["audit"] == [{"event": {"Records": []}}]
    keys = [turn["event"]["headers"].get("x-api-key") for turn in asked["payment"]]
    assert keys == ["{api-key}", "{api-key}"]
    assert not any(each.secret for each in compute.of("Invocation"))


class Spoilt(Recorder):
    """A cloud in which one function answers its rehearsal wrongly."""

    function = ""

    def rehearsed(self, args):
        result = super().rehearsed(args)
        return result.replace("12.34", "13.34").replace("pass", "fail") if args.name == self.function else result


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("payment", r"payment-processor-secondary-x7k2: .*POST /payment: amount is 13\.34, not 12\.34"),
        ("health", r"payment-health-secondary-x7k2: .*GET /health: status is \"fail\", not \"pass\""),
    ],
)
def test_one_version_that_answers_wrongly_keeps_all_aliases_where_they_are(monkeypatch, function, said):
    monkeypatch.setattr(Spoilt, "function", function)
    seen = []

    def recording(outputs):
        seen.append(Spoilt(outputs))
        return seen[-1]

    with pytest.raises(pulumi.RunError, match=f"^{said}") as caught:
        run_program("compute", "payments-secondary", published(), recording=recording)
    assert "what served before serves" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert function in {each.name for each in seen[0].of("Invocation")}
    assert seen[0].of("Alias") == []
    assert seen[0].of("Permission") == [], "nor does anything else that hangs on them"


def test_a_preview_of_a_new_version_calls_and_refuses_nothing():
    previewed = run_program("compute", "payments-secondary", published(), preview=True, recording=Unrehearsed)
    assert len(previewed.recorder.of("Alias")) == len(FUNCTIONS)


class Unrehearsed(Recorder):
    """A cloud before an update: results are not known."""

    def rehearsed(self, args):
        del args
        return UNKNOWN


def test_functions_live_in_the_vpc(compute):
    for function in compute.of("Function"):
        assert function["vpcConfig"] == {
            "subnetIds": ["vpc-private-1-id", "vpc-private-2-id"],
            "securityGroupIds": ["security-functions-id"],
        }


def test_a_function_is_called_by_its_alias_only(compute):
    assert {each["name"] for each in compute.of("Alias")} == {"live"}
    assert all(each["functionVersion"] == "1" for each in compute.of("Alias"))
    assert all(each["qualifier"] == "live" for each in compute.of("Permission"))
    assert {each["uri"] for each in compute.of("Integration")} == {
        "arn:aws:apigateway:::invoke/payment",
        "arn:aws:apigateway:::invoke/health",
    }


def test_logs_are_kept_by_their_kind_under_the_functions_names(compute, role):
    """What settles disputes for longer than what helps to find mistakes."""
    groups = {each["name"]: each["retentionInDays"] for each in compute.of("LogGroup")}
    assert groups == {
        f"/aws/lambda/payment-processor-{role}-x7k2": 90,
        f"/aws/lambda/payment-health-{role}-x7k2": 7,
        f"/aws/lambda/payment-audit-{role}-x7k2": 90,
        f"/aws/apigateway/payment-api-{role}-x7k2": 90,
    }


def test_functions_know_their_own_regions_data(compute, role):
    variables = compute.one("Function", "payment")["environment"]["variables"]
    assert variables["ROLE"] == role
    assert variables["ENVIRONMENT"] == "payments"
    assert variables["TABLE_NAME"] == "payment-transactions-x7k2"
    assert variables["CONSISTENCY"] == "MRSC"
    assert variables["FAILOVER_NAME"] == "api.x7k2.pay.example.com"
    assert variables["AUDIT_BUCKET"] == f"payment-audit-logs-{role}-x7k2-{ACCOUNT}"
    assert f":{REGION[role]}:" in variables["API_KEYS_SECRET_ARN"]
    assert variables["PROCESSOR"] == f"{REGION[role]}.processor.example.com"
    assert len(variables["RELEASE"]) == 12


def test_only_functions_that_work_on_payments_know_the_processor(compute):
    knowing = {each.name for each in compute.of("Function") if "PROCESSOR" in each["environment"]["variables"]}
    assert knowing == {"payment", "audit"}


def test_the_health_function_only_reads_the_table(compute):
    rights = allowed(compute, "health")
    assert {action for action in rights if action.startswith("dynamodb:")} == {"dynamodb:GetItem"}
    assert not {action for action in rights if action.startswith(("s3:", "secretsmanager:", "sqs:"))}


def test_the_payment_function_writes_payments_and_audit_records(compute, role):
    rights = allowed(compute, "payment")
    bucket = f"arn:aws:bucket:::payment-audit-logs-{role}-x7k2-{ACCOUNT}"
    assert rights["s3:PutObject"] == {f"{bucket}/payments/*", f"{bucket}/canary/*"}
    assert {action for action in rights if action.startswith("dynamodb:")} == {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    }
    (table,) = rights["dynamodb:PutItem"]
    assert role == "primary" or f":{REGION[role]}:" in table
    (secret,) = rights["secretsmanager:GetSecretValue"]
    assert f":{REGION[role]}:" in secret


def test_the_audit_function_sweeps_and_files_notifications(compute, role):
    rights = allowed(compute, "audit")
    queue = f"arn:aws:sqs:{REGION[role]}:{ACCOUNT}:payment-notifications-{role}-x7k2"
    assert rights["sqs:ReceiveMessage"] == rights["sqs:DeleteMessage"] == {queue}
    assert next(iter(rights["dynamodb:Query"])).endswith("/index/unfinished")
    assert any(each.endswith("/notifications/*") for each in rights["s3:PutObject"])
    assert "secretsmanager:GetSecretValue" not in rights


def test_function_code_cannot_use_the_network_rights_that_lambda_needs(compute, role):
    statements = json.loads(compute.one("RolePolicy", "payment")["policy"])["Statement"]
    (deny,) = [each for each in statements if "ec2:CreateNetworkInterface" in each["Action"]]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"] == (
        f"arn:aws:lambda:{REGION[role]}:{ACCOUNT}:function:payment-processor-{role}-x7k2"
    )


def test_no_function_can_make_a_log_group_again(compute):
    """AWS's policy for the VPC allows it on everything, and what Lambda delivers late comes after the destroy."""
    edge = run_environment()["edge/payments"].recorder
    for recorder in (compute, edge):
        for function in recorder.of("Function"):
            statements = json.loads(recorder.one("RolePolicy", function.name)["policy"])["Statement"]
            assert {"Effect": "Deny", "Action": ["logs:CreateLogGroup"], "Resource": ["*"]} in statements


@pytest.mark.parametrize(
    ("function", "reads", "adds"),
    [
        ("payment", ["dynamodb", "secretsmanager"], ["s3"]),
        ("health", ["dynamodb"], []),
        ("audit", ["dynamodb"], ["s3"]),
    ],
)
def test_who_adds_records_cannot_have_them_decrypted(compute, role, function, reads, adds):
    statements = json.loads(compute.one("RolePolicy", function)["policy"])["Statement"]
    found = {
        action: [via.partition(".")[0] for via in each["Condition"]["StringEquals"]["kms:ViaService"]]
        for each in statements
        for action in each["Action"]
        if action.startswith("kms:")
    }
    assert found == {"kms:Decrypt": reads, **({"kms:GenerateDataKey": adds} if adds else {})}


def test_no_function_of_the_vpc_writes_into_the_logs_of_others(compute):
    for function in compute.of("Function"):
        policy = json.loads(compute.one("RolePolicy", function.name)["policy"])["Statement"]
        (own,) = [each for each in policy if each["Effect"] == "Allow" and "logs:PutLogEvents" in each["Action"]]
        (deny,) = [each for each in policy if "NotResource" in each]
        assert deny == {"Effect": "Deny", "Action": own["Action"], "NotResource": own["Resource"]}


def test_key_use_is_limited_to_the_services_that_encrypt_for_us(compute, role):
    statements = json.loads(compute.one("RolePolicy", "health")["policy"])["Statement"]
    (use,) = [each for each in statements if "kms:Decrypt" in each["Action"]]
    assert use["Condition"] == {"StringEquals": {"kms:ViaService": [f"dynamodb.{REGION[role]}.amazonaws.com"]}}


def test_the_sweep_runs_every_minute_and_loses_nothing(compute):
    rule, target = compute.one("EventRule"), compute.one("EventTarget")
    assert rule["scheduleExpression"] == "rate(1 minute)"
    assert target["deadLetterConfig"]["arn"].endswith("-x7k2")
    failure = compute.one("FunctionEventInvokeConfig")
    assert failure["qualifier"] == "live"
    assert failure["destinationConfig"]["onFailure"]["destination"] == target["deadLetterConfig"]["arn"]
    assert compute.one("Queue")["sqsManagedSseEnabled"] is True


def test_the_api_has_its_routes_and_nothing_else(compute):
    paths = {each.name: each["pathPart"] for each in compute.of("Resource")}
    assert paths == {"api-payment": "payment", "api-payment-id": "{paymentId}", "api-health": "health"}
    routes = {(each["httpMethod"], each["resourceId"]) for each in compute.of("Method")}
    assert routes == {
        ("POST", "api-payment-id"),
        ("GET", "api-payment-id-id"),
        ("HEAD", "api-payment-id-id"),
        ("GET", "api-health-id"),
        ("HEAD", "api-health-id"),
    }


def test_alarms_find_the_paying_route_and_its_metrics(compute):
    """Metrics by route exist only where the method's settings ask for them, under the resource's whole path."""
    (method,) = [each for each in compute.of("Method") if each["httpMethod"] == PAYMENT_ROUTE["Method"]]
    (resource,) = [each for each in compute.of("Resource") if f"{each.name}-id" == method["resourceId"]]
    assert resource["parentId"] == "root"
    assert f"/{resource['pathPart']}" == PAYMENT_ROUTE["Resource"]
    assert {each["settings"]["metricsEnabled"] for each in compute.of("MethodSettings")} == {True}


def test_the_api_validates_the_key_header_and_that_the_body_is_an_object(compute):
    method = compute.one("Method", "create-payment")
    assert method["requestParameters"] == {"method.request.header.Idempotency-Key": True}
    assert method["requestModels"] == {"application/json": "Payment"}
    assert method["requestValidatorId"] == "api-id"
    validator = compute.one("RequestValidator")
    assert (validator["validateRequestBody"], validator["validateRequestParameters"]) == (True, True)
    assert json.loads(compute.one("Model")["schema"])["type"] == "object"


def test_health_may_take_a_second_and_a_payment_a_little_more_than_its_function(compute):
    patience = {each.name: each["timeoutMilliseconds"] for each in compute.of("Integration")}
    assert patience == {
        "api-create-payment": 10_500,
        "api-get-payment": 10_500,
        "api-head-payment": 10_500,
        "api-get-health": 1000,
        "api-head-health": 1000,
    }
    assert {each["type"] for each in compute.of("Integration")} == {"AWS_PROXY"}


def test_the_stage_is_throttled_logged_and_traced(compute, role):
    stage = compute.one("Stage")
    assert stage["stageName"] == "v1"
    assert stage["xrayTracingEnabled"] is True
    assert stage["variables"] == {"environment": "payments", "role": role}
    assert set(json.loads(stage["accessLogSettings"]["format"])) >= {"requestId", "status", "latency"}


def test_the_api_takes_no_tls_below_1_2(compute):
    """Its policy holds for every name that leads to it, whatever the name's own says."""
    api = compute.one("RestApi")
    assert (api["securityPolicy"], api["endpointAccessMode"]) == ("SecurityPolicy_TLS13_1_2_2021_06", "BASIC")


def test_each_method_has_a_throttle_of_its_own(compute):
    """A flood of one takes no token of another, and a method's settings say all, as they replace the stage's.

    By the path that AWS calls a method by: one of another form is for no method, or not found again.
    """
    limits = {
        each["methodPath"]: (each["settings"]["throttlingRateLimit"], each["settings"]["throttlingBurstLimit"])
        for each in compute.of("MethodSettings")
    }
    assert limits == {
        "*/*": (530, 198),
        "payment/POST": (400, 100),
        "~1payment~1{paymentId}/GET": (100, 40),
        "~1payment~1{paymentId}/HEAD": (5, 5),
        "health/GET": (20, 48),
        "health/HEAD": (5, 5),
    }
    paths = {each.name: each["pathPart"] for each in compute.of("Resource")}
    whole = {"api-payment-id": "payment", "api-payment-id-id": "~1payment~1{paymentId}", "api-health-id": "health"}
    assert set(paths.values()) == {path.rpartition("~1")[2] for path in whole.values()}
    methods = {f"{whole[each['resourceId']]}/{each['httpMethod']}" for each in compute.of("Method")}
    assert set(limits) - {"*/*"} == methods


def test_updates_of_one_stage_come_one_after_the_other(compute):
    settings = {each.name: each.after for each in compute.of("MethodSettings")}
    before = [{other for other in settings if f"MethodSettings:{other}" in after} for after in settings.values()]
    assert sorted(map(len, before)) == [0, 1, 1, 1, 1, 1]
    assert len(set().union(*before)) == len(settings) - 1


def test_access_logs_hold_no_key_address_or_payment(compute):
    said = compute.one("Stage")["accessLogSettings"]["format"]
    assert not [each for each in ("apiKey", "sourceIp", "$context.path", "header", "authorizer") if each in said]


def test_each_route_may_call_its_function_and_no_other(compute):
    sources = {each.name: (each["function"], each["sourceArn"]) for each in compute.of("Permission")}
    assert sources["payment-create-payment"][1].endswith(":::api/v1/POST/payment")
    assert sources["payment-get-payment"][1].endswith(":::api/v1/GET/payment/*")
    assert sources["health-get-health"][1].endswith(":::api/v1/GET/health")
    assert "payment-processor" in sources["payment-create-payment"][0]
    assert "payment-health" in sources["health-get-health"][0]


def test_every_answer_of_the_api_itself_is_a_problem_document(compute):
    """All that the SDK's model of API Gateway lists: what is not set would be a bare `{"message": ...}`."""
    types = botocore.session.get_session().get_service_model("apigateway").shape_for("GatewayResponseType").enum
    assert {each["responseType"] for each in compute.of("Response")} == set(types)
    for response in compute.of("Response"):
        assert set(response["responseTemplates"]) == {"application/json"}
        body = json.loads(response["responseTemplates"]["application/json"])
        assert {"type", "title", "detail"} <= set(body)
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"


# What AWS answers by itself, or the class of it where that is not certain.
AWS_STATUS = {
    "DEFAULT_4XX": "4", "ACCESS_DENIED": "403", "BAD_REQUEST_BODY": "400", "BAD_REQUEST_PARAMETERS": "400",
    "EXPIRED_TOKEN": "403", "INVALID_API_KEY": "403", "INVALID_SIGNATURE": "403", "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429", "REQUEST_TOO_LARGE": "413", "RESOURCE_NOT_FOUND": "404", "THROTTLED": "429",
    "UNAUTHORIZED": "401", "UNSUPPORTED_MEDIA_TYPE": "415", "WAF_FILTERED": "403", "DEFAULT_5XX": "5",
    "API_CONFIGURATION_ERROR": "500", "AUTHORIZER_CONFIGURATION_ERROR": "500", "AUTHORIZER_FAILURE": "500",
    "INTEGRATION_FAILURE": "5", "INTEGRATION_TIMEOUT": "504",
}  # fmt: skip


def test_no_status_of_a_5xx_or_a_fallback_is_set(compute):
    """API Gateway would count a modified 5XX as a 4XX, and a fallback's status becomes that of all others."""
    for response in compute.of("Response"):
        own = AWS_STATUS[response["responseType"]]
        expected = "404" if response["responseType"] == "MISSING_AUTHENTICATION_TOKEN" else own
        told = json.loads(response["responseTemplates"]["application/json"]).get("status")
        assert told == (None if len(own) == 1 else int(expected))
        if own.startswith("5") or len(own) == 1:
            assert "statusCode" not in response.inputs
        else:
            assert response["statusCode"] == expected


def test_what_may_succeed_later_says_when(compute):
    for response in compute.of("Response"):
        status = AWS_STATUS[response["responseType"]]
        headers = response["responseParameters"]
        assert ("gatewayresponse.header.Retry-After" in headers) == (status == "429" or status.startswith("5"))


def test_the_api_s_own_401_says_how_to_authenticate_as_the_function_s_does(compute):
    headers = {each["responseType"]: each["responseParameters"] for each in compute.of("Response")}
    name = "gatewayresponse.header.WWW-Authenticate"
    asking = {kind: each[name] for kind, each in headers.items() if name in each}
    function = problem("unauthorized", "Send a valid x-api-key.").headers["WWW-Authenticate"]
    assert asking == {"UNAUTHORIZED": f"'{function}'"}


def test_only_alarms_permissions_name_the_account_beside_the_source(compute):
    """As AWS documents: EventBridge's and API Gateway's have the source's ARN alone, which carries the account."""
    for permission in [*compute.of("Permission"), *run_environment()["edge/payments"].recorder.of("Permission")]:
        of_alarms = permission["principal"] == "lambda.alarms.cloudwatch.amazonaws.com"
        assert ("sourceAccount" in permission.inputs) == of_alarms
        assert permission["principal"] == "*" or permission["sourceArn"]


def test_a_changed_route_makes_a_new_deployment(monkeypatch):
    from projects.compute import api

    before = run_environment()["compute/payments-primary"].recorder.one("Deployment")["triggers"]
    monkeypatch.setattr(api, "HEALTH_TIMEOUT_MS", 900)
    after = run_program("compute", "payments-primary", published()).recorder.one("Deployment")["triggers"]
    assert after != before
