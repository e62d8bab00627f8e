"""The edge: names, the primary's gate, failover, the stop switch and notifications."""

from __future__ import annotations

import json

import pulumi
import pytest

from lambdas.failover_control.latch import BUDGET
from lambdas.failover_control.rule import LatchRule
from lambdas.payment.api import UNSERVED
from lambdas.probing import TIMEOUT
from projects.edge import delegation
from shared import naming
from shared.environment import Environment, TakenName
from shared.grey_failure import CHECKS
from tests.unit.projects import mocked_programs
from tests.unit.projects.mocked_programs import ACCOUNT, CHECKERS, PAGER, published, run_environment, run_program

SHARED = "api.x7k2.pay.example.com"
OWN = {"primary": "use1-api.x7k2.pay.example.com", "secondary": "use2-api.x7k2.pay.example.com"}
ROLES = ("primary", "secondary")
PAYMENT = "payment-processor-primary-x7k2"
PAYING = {"ApiName": "payment-api-primary-x7k2", "Stage": "v1", "Resource": "/payment", "Method": "POST"}


@pytest.fixture
def run():
    return run_environment()["edge/payments"]


@pytest.fixture
def edge(run):
    return run.recorder


@pytest.fixture
def with_settings(monkeypatch):
    """Runs the program with some of its settings changed."""

    def running(**changes):
        load = Environment.load

        def changed(name, root=None):
            environment = load(name, root)
            return environment.model_copy(update={"edge": environment.edge.model_copy(update=changes)})

        monkeypatch.setattr(Environment, "load", changed)
        return run_program("edge", "payments", published())

    return running


def test_the_zone_belongs_to_the_environment_and_can_go(edge):
    zone = edge.one("Zone")
    assert zone["name"] == "x7k2.pay.example.com"
    assert zone["forceDestroy"] is True
    assert not [each for each in edge.of("Record") if each["type"] == "NS"]


def test_a_parent_zone_of_ours_gets_the_delegation(with_settings):
    run = with_settings(parent_zone_id="ZPARENT")
    delegation = run.recorder.one("Record", "delegation")
    assert (delegation["zoneId"], delegation["name"]) == ("ZPARENT", "x7k2.pay.example.com")
    assert delegation["records"] == ["ns-1", "ns-2"]


@pytest.fixture
def taking_over(monkeypatch):
    """Runs the program as a new home that takes over a name, now or later."""
    load = Environment.load

    def running(*, now):
        taken = TakenName(name="api.a1b2.pay.example.com", zone_id="ZBEFORE", now=now)

        def changed(name, root=None):
            return load(name, root).model_copy(update={"takes_over": taken})

        monkeypatch.setattr(Environment, "load", changed)
        return run_program("edge", "payments", published())

    return running


@pytest.mark.parametrize("now", [False, True])
def test_a_new_home_has_certificates_for_the_name_before_it_takes_it_over(taking_over, now):
    made = taking_over(now=now).recorder
    for role, region in (("primary", "use1"), ("secondary", "use2")):
        certificate = made.one("Certificate", role)
        assert certificate["domainName"] == "api.x7k2.pay.example.com", "another one would be another certificate"
        assert certificate["subjectAlternativeNames"] == [
            f"{region}-api.x7k2.pay.example.com",
            "api.a1b2.pay.example.com",
        ]
    proof = made.one("Record", "validate-taken")
    assert (proof["zoneId"], proof["allowOverwrite"]) == ("ZBEFORE", True)
    own = [each for each in made.of("Record") if "-validate-" in each.name and each is not proof]
    assert len(own) == 3
    assert not any("allowOverwrite" in each.inputs or each["zoneId"] == "ZBEFORE" for each in own)


@pytest.mark.parametrize(("now", "name"), [(False, "x7k2"), (True, "a1b2")])
def test_the_name_that_is_taken_over_is_the_shared_one_in_both_regions_and_in_dns(taking_over, now, name):
    run = taking_over(now=now)
    zone = "ZBEFORE" if now else run.exports["zone_id"]
    shared = {each["domainName"] for each in run.recorder.of("DomainName") if "-shared-" in each.name}
    assert shared == {f"api.{name}.pay.example.com"} == {run.exports["failover_name"]}
    for role in ("primary", "secondary"):
        record = run.recorder.one("Record", f"failover-{role}")
        assert (record["name"], record["zoneId"]) == (f"api.{name}.pay.example.com", zone)
        assert record["setIdentifier"] == role, "as the system before calls its own, which are overwritten"
        assert record.inputs.get("allowOverwrite") is (True if now else None)


@pytest.mark.parametrize("zone", ["ZDOMAIN", "ZOWN"])
def test_a_zone_that_is_there_gets_the_names_and_stays_somebody_elses(with_settings, zone):
    run = with_settings(zone_id=zone)
    assert run.recorder.of("Zone") == []
    assert {each["zoneId"] for each in run.recorder.of("Record")} == {zone}
    assert not [each for each in run.recorder.of("Record") if each["type"] in {"NS", "SOA"}]
    assert (run.exports["zone_id"], run.exports["name_servers"]) == (zone, ["ns-7", "ns-8"])


@pytest.mark.parametrize(
    ("zone", "said"), [("ZPRIVATE", "the private zone pay.example.com"), ("ZOTHER", "the public zone ay.example.com")]
)
def test_a_zone_that_cannot_have_the_names_is_refused_before_anything_is_made(with_settings, zone, said):
    with pytest.raises(pulumi.RunError) as caught:
        with_settings(zone_id=zone)
    assert f"edge.zone_id: {zone} is {said}" in str(caught.value)
    assert "name the public zone x7k2.pay.example.com or pay.example.com, or null" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, [("x7k2.pay.example.com", ["ns-1", "ns-2"])]),
        ({"zone_id": "ZDOMAIN"}, [("pay.example.com", ["ns-7", "ns-8"])]),
        ({"parent_zone_id": "ZPARENT"}, []),
    ],
)
def test_no_certificate_waits_for_a_zone_that_the_world_does_not_find(with_settings, monkeypatch, settings, asked):
    """One that is delegated here is found a moment later."""
    found = []

    async def not_found(zone, name_servers):
        found.append((zone, name_servers))
        raise delegation.NotDelegatedError(f"{zone} is not delegated")

    monkeypatch.setattr(delegation, "require", not_found)
    if asked:
        with pytest.raises(delegation.NotDelegatedError):
            with_settings(**settings)
    else:
        assert len(with_settings(**settings).recorder.of("CertificateValidation")) == 2
    assert found == asked


def test_a_certificate_that_is_not_issued_is_given_up_within_the_hour(edge):
    waits = {key: time for key, time in edge.creates_within.items() if key[0].endswith(":CertificateValidation")}
    assert set(waits.values()) == {"30m"}
    assert len(waits) == 2


def test_each_region_has_a_certificate_for_both_its_names(edge):
    for role in ROLES:
        certificate = edge.one("Certificate", role)
        assert certificate["domainName"] == SHARED
        assert certificate["subjectAlternativeNames"] == [OWN[role]]
        assert certificate["validationMethod"] == "DNS"
        assert certificate.provider.split("::")[-2] == f"aws-{role}"


def test_each_name_is_proven_once_whichever_certificates_carry_it(edge):
    proofs = [each for each in edge.of("Record") if each["name"].startswith("_proof.")]
    assert sorted(each["name"] for each in proofs) == sorted(f"_proof.{name}" for name in (SHARED, *OWN.values()))
    for role in ROLES:
        validation = edge.one("CertificateValidation", role)
        assert set(validation["validationRecordFqdns"]) == {f"_proof.{SHARED}", f"_proof.{OWN[role]}"}
    by_name = {each["name"]: each["records"] for each in proofs}
    assert by_name[f"_proof.{OWN['secondary']}"] == ["_zone-secondary.acm"]


def test_both_names_of_each_region_lead_to_its_api(edge):
    domains = edge.of("DomainName")
    assert sorted(each["domainName"] for each in domains) == sorted([SHARED, SHARED, *OWN.values()])
    assert {each["securityPolicy"] for each in domains} == {"SecurityPolicy_TLS13_1_2_2021_06"}
    mappings = {(each["domainName"], each.provider.split("::")[-2]) for each in edge.of("BasePathMapping")}
    assert mappings == {(name, f"aws-{role}") for role in ROLES for name in (SHARED, OWN[role])}
    assert {each["stageName"] for each in edge.of("BasePathMapping")} == {"v1"}


def test_failover_records_are_plain_cnames_and_only_the_primary_has_a_check(edge):
    primary, secondary = edge.one("Record", "failover-primary"), edge.one("Record", "failover-secondary")
    for role, record in (("PRIMARY", primary), ("SECONDARY", secondary)):
        assert record["name"] == SHARED
        assert (record["type"], record["ttl"]) == ("CNAME", 30)
        assert record["failoverRoutingPolicies"] == [{"type": role}]
        assert record["records"] == [f"target-of-entry-points-shared-{role.lower()}"]
        assert "aliases" not in record.inputs
    assert primary["healthCheckId"] == "checks-gate-id"
    assert "healthCheckId" not in secondary.inputs


def test_the_gate_needs_all_its_checks(edge):
    gate = edge.one("HealthCheck", "gate")
    assert gate["type"] == "CALCULATED"
    assert set(gate["childHealthchecks"]) == {
        "checks-standard-id",
        "checks-fast-id",
        "checks-stop-switch-id",
        "checks-errors-id",
        "checks-unserved-payments-id",
        "checks-crashes-id",
    }
    assert gate["childHealthThreshold"] == 6


@pytest.mark.parametrize("what", ["standard", "fast", "secondary"])
def test_a_check_waits_for_the_name_that_it_asks(edge, what):
    """Else it starts with failures; destroyed, the name would go first and clients be moved."""
    after = edge.one("HealthCheck", what).after
    assert {f"Record:entry-points-{role}" for role in ROLES} <= after


def test_failover_records_wait_for_every_check_and_both_names(edge):
    for role in ROLES:
        after = edge.one("Record", f"failover-{role}").after
        assert {f"HealthCheck:{each.name}" for each in edge.of("HealthCheck")} <= after
        assert {f"Record:entry-points-{each}" for each in ROLES} <= after


@pytest.mark.parametrize(
    ("what", "role", "interval", "threshold"),
    [("standard", "primary", 30, 2), ("fast", "primary", 10, 3), ("secondary", "secondary", 30, 2)],
)
def test_checks_ask_a_regions_own_name(edge, what, role, interval, threshold):
    check = edge.one("HealthCheck", what)
    assert (check["type"], check["fqdn"], check["resourcePath"]) == ("HTTPS", OWN[role], "/health")
    assert (check["requestInterval"], check["failureThreshold"]) == (interval, threshold)
    assert check["fqdn"] != SHARED


BUCKET = f"payment-stop-switch-secondary-x7k2-{ACCOUNT}"
SWITCH = f"arn:aws:bucket:::{BUCKET}/stop-switch"


def test_the_stop_switch_stops_only_while_it_can_be_read_and_says_stop(edge):
    check = edge.one("HealthCheck", "stop-switch")
    assert check["type"] == "HTTPS_STR_MATCH"
    assert (check["fqdn"], check["port"]) == (f"{BUCKET}.s3.us-east-2.amazonaws.com", 443)
    assert check["resourcePath"] == "/stop-switch"
    assert check["searchString"] == "primary: stop"
    assert check["invertHealthcheck"] is True
    assert check["enableSni"] is True
    assert "." not in BUCKET, "S3's certificate is for one label below its own name"
    assert {"BucketPolicy:stop-switch", "BucketObjectv2:stop-switch"} <= check.after


def test_the_stop_switch_lives_in_the_secondary_and_keeps_what_operators_set(edge):
    switch = edge.one("BucketObjectv2")
    assert (switch["bucket"], switch["key"], switch["content"]) == (
        "stop-switch-id",
        "stop-switch",
        "primary: run, as deployed",
    )
    assert "primary: stop" not in switch["content"]
    assert {"content", "etag", "versionId"} <= switch.ignored
    parts = [each for each in edge.cloud if each.type.startswith("aws:s3/")]
    assert len(parts) == 7
    for each in (*parts, edge.one("Function")):
        assert each.provider.split("::")[-2] == "aws-secondary"
    assert "vpcConfig" not in edge.one("Function").inputs
    assert edge.one("Function")["environment"]["variables"]["PRIMARY_URL"] == f"https://{OWN['primary']}"


def test_the_switch_can_be_read_by_who_signs_nothing(edge):
    """S3 refuses unsigned reads of what a KMS key encrypts, so nobody may write it so either."""
    (rule,) = edge.one("BucketServerSideEncryptionConfiguration")["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    assert edge.one("BucketObjectv2")["serverSideEncryption"] == "AES256"
    refused = statements_of(edge)["CheckersCanReadWhatIsWritten"]
    assert (refused["Effect"], refused["Action"], refused["Resource"]) == ("Deny", ["s3:PutObject"], [SWITCH])
    assert refused["Condition"] == {
        "Null": {"s3:x-amz-server-side-encryption": "false"},
        "StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"},
    }


def test_only_route_53s_checkers_read_the_switch_and_nothing_else(edge):
    statements = statements_of(edge)
    assert {sid for sid, each in statements.items() if each["Effect"] == "Allow"} == {"CheckersRead"}
    assert statements["CheckersRead"] == {
        "Sid": "CheckersRead",
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [SWITCH],
        "Condition": {"IpAddress": {"aws:SourceIp": sorted(CHECKERS)}},
    }


def test_the_latch_may_read_and_write_the_one_object(edge):
    policy = next(each for each in edge.of("RolePolicy") if "failover-control" in each["name"])
    rights = {
        action: each["Resource"]
        for each in json.loads(policy["policy"])["Statement"]
        for action in each["Action"]
        if action.startswith("s3:")
    }
    assert rights == {
        "s3:GetObject": [SWITCH],
        "s3:PutObject": [SWITCH],
        "s3:ListBucket": [SWITCH.rpartition("/")[0]],
        "s3:GetBucketPolicy": [SWITCH.rpartition("/")[0]],
    }
    variables = edge.one("Function")["environment"]["variables"]
    assert (variables["STOP_SWITCH_BUCKET"], variables["STOP_SWITCH_KEY"]) == (BUCKET, "stop-switch")


def called_by(edge, name):
    """A schedule of failover control: its rule, the target, and the permission that names the rule."""
    rule, target = edge.one("EventRule", name), edge.one("EventTarget", name)
    (permission,) = [
        each for each in edge.of("Permission") if each["sourceArn"] == f"arn:aws:eventrule:::{rule['name']}"
    ]
    assert permission["principal"] == "events.amazonaws.com"
    assert "sourceAccount" not in permission.inputs
    return rule, target


def test_the_switchs_readers_are_compared_all_the_time(edge):
    rule, target = called_by(edge, "stop-switch-ranges")
    assert rule["scheduleExpression"] == "rate(15 minutes)"
    assert (target["rule"], target["arn"]) == (rule["name"], "arn:aws:alias:::live")
    assert json.loads(target["input"]) == {"compare": "ranges"}
    assert {rule.provider.split("::")[-2], target.provider.split("::")[-2]} == {"aws-secondary"}


def statements_of(edge):
    return {each["Sid"]: each for each in json.loads(edge.one("BucketPolicy")["policy"])["Statement"]}


def test_the_latch_is_asked_every_minute_and_by_nobody_else(edge):
    """An alarm's action comes on a transition only: a client that stays at the secondary would disarm it."""
    rule, target = called_by(edge, "stop-switch")
    assert rule["name"] == "payment-failover-control-secondary-x7k2"
    assert rule["scheduleExpression"] == "rate(1 minute)"
    assert target["arn"] == "arn:aws:alias:::live"
    assert target["retryPolicy"] == {"maximumEventAgeInSeconds": 60, "maximumRetryAttempts": 0}
    permissions = [each for each in edge.of("Permission") if "failover-control" in str(each["function"])]
    assert [each["principal"] for each in permissions] == ["events.amazonaws.com"] * 2, "no alarm, no URL"


def test_the_latch_is_given_the_rule_of_the_environment(edge):
    variables = edge.one("Function")["environment"]["variables"]
    given = LatchRule.of(json.loads(variables["LATCH"]))
    assert given == LatchRule(failed=3, probes=5, spread=3, clients=50, lasting=4, again=30, grace=10)
    assert edge.one("Function")["timeout"] * 1000 >= BUDGET + int(3 * TIMEOUT * 1000) + 20_000


def test_automatic_failback_leaves_the_latch_out(with_settings):
    function = with_settings(failback="automatic").recorder.one("Function")
    assert function["environment"]["variables"]["LATCH"] == "null"


GREY = {
    "errors": ("AWS/ApiGateway", "5XXError", PAYING),
    "unserved-payments": (
        "Payments",
        UNSERVED,
        {"Environment": "payments", "Suffix": "x7k2", "Role": "primary"},
    ),
    "crashes": ("AWS/Lambda", "Errors", {"FunctionName": PAYMENT, "Resource": f"{PAYMENT}:live"}),
}


@pytest.mark.parametrize("name", GREY)
def test_grey_failure_follows_what_such_a_check_can_follow(edge, name):
    """Shares that hide nothing of each other: 401 and 429 are no part of what known clients are answered."""
    alarm = edge.one("MetricAlarm", naming.grey_failure_alarm(name).purpose)
    check, (namespace, metric, dimensions) = edge.one("HealthCheck", name), GREY[name]
    assert tuple(GREY) == CHECKS["rest-api"]
    assert (alarm["namespace"], alarm["metricName"], alarm["statistic"]) == (namespace, metric, "Average")
    assert (alarm["threshold"], alarm["period"], alarm["evaluationPeriods"]) == (0.5, 60, 2)
    assert alarm["treatMissingData"] == "notBreaching"
    assert not {"datapointsToAlarm", "extendedStatistic", "metricQueries"} & set(alarm.inputs)
    assert alarm["dimensions"] == dimensions
    assert (check["cloudwatchAlarmName"], check["cloudwatchAlarmRegion"]) == (alarm["name"], "us-east-1")
    assert check["insufficientDataHealthStatus"] == "Healthy"


def test_a_changed_alarm_is_copied_by_its_check(edge, with_settings):
    changed = with_settings(
        grey_failure=Environment.load("payments").edge.grey_failure.model_copy(update={"periods": 1})
    )
    assert changed.recorder.one("HealthCheck", "errors")["triggers"] != edge.one("HealthCheck", "errors")["triggers"]


@pytest.mark.parametrize("role", ROLES)
def test_topics_are_encrypted_and_take_only_our_alarms(edge, role):
    region = {"primary": "us-east-1", "secondary": "us-east-2"}[role]
    topic = edge.one("Topic", role)
    assert topic["kmsMasterKeyId"] == f"arn:aws:kms:{region}:{ACCOUNT}:key/mrk-1"
    (statement,) = json.loads(edge.one("TopicPolicy", role)["policy"])["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:payment-*-{role}-x7k2"},
    }


def test_each_queue_hears_both_topics_each_subscribed_in_its_own_region(edge):
    subscriptions = {
        (each["topic"], each["endpoint"], each.provider.split("::")[-2])
        for each in edge.of("TopicSubscription")
        if each["protocol"] == "sqs"
    }
    assert subscriptions == {
        (
            f"arn:aws:topic:::payment-failover-topic-{source}-x7k2",
            f"arn:aws:queue:::payment-notifications-{role}-x7k2",
            f"aws-{source}",
        )
        for source in ROLES
        for role in ROLES
    }
    for role in ROLES:
        (statement,) = json.loads(edge.one("QueuePolicy", f"notifications-{role}")["policy"])["Statement"]
        assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == [
            f"arn:aws:topic:::payment-failover-topic-{source}-x7k2" for source in ROLES
        ]


def test_people_are_told_by_both_regions(with_settings):
    run = with_settings(emails=("on-call@example.org",))
    mails = [each for each in run.recorder.of("TopicSubscription") if each["protocol"] == "email"]
    assert {each["endpoint"] for each in mails} == {"on-call@example.org"}
    assert {each.provider.split("::")[-2] for each in mails} == {"aws-primary", "aws-secondary"}


@pytest.mark.parametrize("role", ROLES)
def test_the_pager_is_subscribed_by_a_secret_address(edge, role):
    made = edge.one("TopicSubscription", f"{role}-pager")
    assert (made["protocol"], made["endpoint"]) == ("https", PAGER)
    assert "endpoint" in made.secret
    assert made["topic"] == f"arn:aws:topic:::payment-failover-topic-{role}-x7k2"
    assert made.provider.split("::")[-2] == f"aws-{role}"
    assert made["endpointAutoConfirms"] is True
    assert "rawMessageDelivery" not in made.inputs, "pagers' integrations take SNS's own envelope"
    policy = json.loads(made["deliveryPolicy"])["healthyRetryPolicy"]
    assert policy["numRetries"] > policy["numNoDelayRetries"] == 3


def test_the_pagers_address_is_in_nothing_but_its_subscriptions(edge):
    token = PAGER.split("/")[-2]
    holders = [made for made in edge.made if token in repr(made.inputs)]
    assert {(made.type, made.name.rpartition("-")[2]) for made in holders} == {
        ("aws:sns/topicSubscription:TopicSubscription", "pager")
    }
    exports = run_environment()["edge/payments"].exports
    assert token not in repr(exports)


def test_without_a_pager_nothing_is_asked_for_it(with_settings):
    run = with_settings(pager=None)
    assert {each["protocol"] for each in run.recorder.of("TopicSubscription")} == {"email", "sqs"}


@pytest.mark.parametrize("address", ["http://pager.example.com/of-the-mocks", "of-the-mocks", ""])
def test_a_parameter_that_holds_no_https_address_ends_the_update_and_is_not_told(monkeypatch, address):
    monkeypatch.setattr(mocked_programs, "PAGER", address)
    with pytest.raises(Exception, match=r"/on-call/pager in us-east-[12] holds no https address") as told:
        run_program("edge", "payments", published())
    assert "of-the-mocks" not in str(told.value)


@pytest.mark.parametrize("role", ROLES)
def test_each_queue_is_filed_by_its_regions_audit_function(edge, role):
    mapping = edge.one("EventSourceMapping", role)
    assert mapping["functionName"] == published()[f"organization/compute/payments-{role}"]["audit_alias_arn"]
    assert mapping["eventSourceArn"] == f"arn:aws:queue:::payment-notifications-{role}-x7k2"
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = edge.one("Queue", f"notifications-{role}")
    assert mapping["maximumBatchingWindowInSeconds"] == 5
    assert queue["visibilityTimeoutSeconds"] == 365
    assert json.loads(queue["redrivePolicy"]) == {
        "deadLetterTargetArn": f"arn:aws:queue:::payment-notification-dead-letters-{role}-x7k2",
        "maxReceiveCount": 5,
    }
    assert queue["sqsManagedSseEnabled"] is True


def test_what_people_need_is_published(run):
    exports = run.exports
    assert exports["failover_name"] == SHARED
    assert exports["endpoints"] == {role: f"https://{name}" for role, name in OWN.items()}
    assert exports["name_servers"] == ["ns-1", "ns-2"]
    assert exports["stop_switch_bucket"] == BUCKET
    assert exports["operations_role_arn"].endswith("payment-dr-operations-x7k2")
    assert "payments-dr" not in json.dumps(dict(exports))
    assert set(exports["health_check_ids"]) == {"standard", "fast", "stop_switch", "errors", "gate", "secondary"}


def test_named_principals_take_the_operations_role_on_with_the_external_id(edge):
    role = edge.one("Role", "operations")
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"sts:ExternalId": "payments-dr"},
            "ArnLike": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:user/payments-operator"]},
        },
    }


def test_the_operations_role_may_ask_for_a_second_factor_beside(with_settings):
    before = Environment.load("payments").edge.operations
    role = with_settings(operations=before.model_copy(update={"mfa": True})).recorder.one("Role", "operations")
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {"sts:ExternalId": "payments-dr"},
        "ArnLike": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:user/payments-operator"]},
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
    }


def test_the_operations_role_writes_the_switch_and_the_fence_and_nothing_else(edge):
    statements = json.loads(edge.one("RolePolicy", "operations")["policy"])["Statement"]
    reading = ("Get", "List", "Describe", "Decrypt")
    writing = {
        (action, resource)
        for each in statements
        for action in each["Action"]
        for resource in each["Resource"]
        if not action.partition(":")[2].startswith(reading)
    }
    (table,) = {each["Resource"][0] for each in statements if "dynamodb:PutItem" in each["Action"]}
    assert table.endswith("table/payment-transactions-x7k2") and ":us-east-2:" in table  # noqa: PT018 - one name
    primary = table.replace(":us-east-2:", ":us-east-1:")
    assert writing == {
        ("s3:PutObject", f"arn:aws:bucket:::{BUCKET}/stop-switch"),
        ("dynamodb:PutItem", table),
        ("dynamodb:DeleteItem", table),
        ("dynamodb:DeleteItem", primary),
    }
    fences = [each for each in statements if each["Action"][0].startswith("dynamodb:")]
    for each in fences:
        assert each["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["fence"]}}
