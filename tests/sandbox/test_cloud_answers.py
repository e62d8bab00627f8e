"""What an independent client reads of the cloud with AWS's own models: fields, labels, tags, refusals, ends."""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox import checker_ranges
from sandbox.addresses import REGIONS
from tests.sandbox import protocols
from tests.sandbox.test_cloud_functions import Function
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.conftest import RunningCloud

HOME, OTHER, LONELY = "us-east-1", "us-east-2", "sa-east-1"
"""LONELY: a region that tests of no other module use: here one may change what all others there share."""
TOPIC = "arn:aws:sns:us-east-1:000000000000:nobody"
CLOUDWATCH = protocols.PROTOCOLS["cloudwatch"]


def name() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


METRIC = {"Namespace": "A", "MetricName": "M", "Period": 10, "Dimensions": [{"Name": "D", "Value": "v"}]}
RULE = {"EvaluationPeriods": 3, "Threshold": 1.5, "ComparisonOperator": "LessThanThreshold"}
ALARMS: dict[str, dict[str, Any]] = {
    "statistic": {**METRIC, **RULE, "Statistic": "Sum", "Unit": "Count", "DatapointsToAlarm": 2},
    "percentile": {**METRIC, **RULE, "ExtendedStatistic": "p99", "EvaluateLowSampleCountPercentile": "ignore"},
    "actions": {
        **METRIC,
        **RULE,
        "Statistic": "Average",
        "AlarmDescription": "<Slow> & bad",
        "ActionsEnabled": False,
        "TreatMissingData": "breaching",
        "OKActions": [f"{TOPIC}-ok"],
        "AlarmActions": [f"{TOPIC}-1", f"{TOPIC}-2"],
        "InsufficientDataActions": [f"{TOPIC}-none"],
    },
    "math": {
        **RULE,
        "Metrics": [
            {"Id": "rate", "Expression": "FILL(m, 0) / 2 < 1", "Label": "<Share>", "ReturnData": True},
            {
                "Id": "m",
                "MetricStat": {
                    "Metric": {"Namespace": "A", "MetricName": "M", "Dimensions": [{"Name": "D", "Value": "v"}]},
                    "Period": 60,
                    "Stat": "Sum",
                    "Unit": "Count",
                },
                "ReturnData": False,
            },
        ],
    },
}


QUIET = {**ALARMS["statistic"], "TreatMissingData": "ignore"}
"""An alarm that nobody but the test moves."""


@pytest.mark.parametrize("kind", ALARMS)
@pytest.mark.parametrize("told_in", CLOUDWATCH)
def test_an_alarm_has_what_it_was_given_and_no_more_in_each_protocol(
    cloud: RunningCloud, kind: str, told_in: str
) -> None:
    given = {"AlarmName": name(), **ALARMS[kind]}
    protocols.client(cloud, "cloudwatch", told_in).put_metric_alarm(**given)
    made_up = {"AlarmArn", "AlarmConfigurationUpdatedTimestamp", "TreatMissingData", "ActionsEnabled"}
    made_up |= {"StateValue", "StateReason", "StateUpdatedTimestamp"}
    for asked_in in CLOUDWATCH:
        client = protocols.client(cloud, "cloudwatch", asked_in)
        (found,) = client.describe_alarms(AlarmNames=[given["AlarmName"]])["MetricAlarms"]
        assert {key: found.get(key) for key in given} == given, asked_in
        assert {key for key, value in found.items() if value not in ([], None)} <= given.keys() | made_up, asked_in
        assert found["AlarmConfigurationUpdatedTimestamp"].year > 2000


@pytest.mark.parametrize("protocol", CLOUDWATCH)
def test_a_composite_alarm_and_its_history_read_the_same_in_each_protocol(cloud: RunningCloud, protocol: str) -> None:
    client, part, whole = protocols.client(cloud, "cloudwatch", protocol), name(), name()
    client.put_metric_alarm(AlarmName=part, **QUIET)
    given = {
        "AlarmName": whole,
        "AlarmRule": f'ALARM("{part}")',
        "AlarmDescription": "All",
        "ActionsEnabled": True,
        "AlarmActions": [TOPIC],
        "OKActions": [f"{TOPIC}-ok"],
        "InsufficientDataActions": [],
    }
    client.put_composite_alarm(**given)
    (found,) = client.describe_alarms(AlarmNames=[whole], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert {key: found.get(key, []) for key in given} == given
    client.set_alarm_state(AlarmName=part, StateValue="ALARM", StateReason="<x>")
    history = client.describe_alarm_history(AlarmName=part, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert history[0]["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to ALARM"
    assert json.loads(history[0]["HistoryData"])["newState"]["stateValue"] == "ALARM"
    metric = client.describe_alarms_for_metric(MetricName="M", Namespace="A")["MetricAlarms"]
    assert [each["Dimensions"] for each in metric if each["AlarmName"] == part] == [METRIC["Dimensions"]]


@pytest.fixture
def heard(cloud: RunningCloud) -> Iterator[tuple[str, Any]]:
    """A topic, and what it has told since this was last asked: alarms and their new states."""
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topic, queue = sns.create_topic(Name=name())["TopicArn"], sqs.create_queue(QueueName=name())["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})

    def told() -> list[str]:
        found = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(each["Body"])["NewStateValue"] for each in messages]
            for each in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        return found

    yield topic, told
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)


@pytest.mark.parametrize("composite", [False, True], ids=["metric", "composite"])
def test_alarms_act_on_transitions_only(cloud: RunningCloud, heard: Any, composite: bool) -> None:
    """Whatever is said to an alarm: it tells each change of its state once, and no state that it has already."""
    topic, told = heard
    client, alarm, part = cloud.client("cloudwatch"), name(), name()
    client.put_metric_alarm(AlarmName=part, **QUIET)
    actions = {kind: [topic] for kind in ("OKActions", "AlarmActions", "InsufficientDataActions")}

    def put() -> None:
        if composite:
            client.put_composite_alarm(AlarmName=alarm, AlarmRule=f'INSUFFICIENT_DATA("{part}")', **actions)
        else:
            client.put_metric_alarm(AlarmName=alarm, **QUIET, **actions)

    put()
    state = "ALARM" if composite else "INSUFFICIENT_DATA"
    expected = ["ALARM"] if composite else []
    chance = random.Random(7)
    for _ in range(20):
        new = chance.choice(["OK", "ALARM", "INSUFFICIENT_DATA", "again"])
        if new == "again":
            if not composite:  # a composite's rule is evaluated again, and decides
                put()
            continue
        client.set_alarm_state(AlarmName=alarm, StateValue=new, StateReason="x")
        expected += [new] if new != state else []
        state = new
    assert told() == expected


NOTING = """
import os

def handler(event, context):
    state, before = event["alarmData"]["state"]["value"], event["alarmData"]["previousState"]["value"]
    print("told", event["source"], event["alarmData"]["alarmName"], before, state)
"""


def test_an_alarm_calls_a_function_at_a_transition_if_its_policy_allows(cloud: RunningCloud) -> None:
    client, lambdas, logs, alarm = cloud.client("cloudwatch"), cloud.client("lambda"), cloud.client("logs"), name()
    function = Function(cloud, NOTING)
    arn = lambdas.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    client.put_metric_alarm(AlarmName=alarm, **QUIET, AlarmActions=[arn], OKActions=[arn])

    def told() -> list[str]:
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function.name}")["logGroups"]
        events = [each for group in groups for each in _events(logs, group["logGroupName"])]
        return [line.split(alarm)[1].strip() for each in events for line in each.splitlines() if "told aws." in line]

    def set_state(state: str) -> None:
        client.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="x")

    set_state("ALARM")
    lambdas.add_permission(
        FunctionName=function.name,
        StatementId="alarm",
        Action="lambda:InvokeFunction",
        Principal="lambda.alarms.cloudwatch.amazonaws.com",
        SourceArn=f"arn:aws:cloudwatch:{HOME}:000000000000:alarm:{alarm}",
        SourceAccount="000000000000",
    )
    for state in ("ALARM", "OK", "OK", "ALARM", "INSUFFICIENT_DATA", "ALARM"):
        set_state(state)
    expected = ["ALARM OK", "OK ALARM", "INSUFFICIENT_DATA ALARM"]
    until(lambda: len(told()) >= len(expected), 5)
    time.sleep(0.2)
    assert sorted(told()) == sorted(expected)


def _events(logs: Any, group: str) -> list[str]:
    return [each["message"] for each in logs.filter_log_events(logGroupName=group)["events"]]


def api_with_a_stage(cloud: RunningCloud, region: str = HOME, **stage: Any) -> tuple[Any, str]:
    gateway = cloud.client("apigateway", region)
    api = gateway.create_rest_api(name=name())
    method = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(**method, type="MOCK")
    deployment = gateway.create_deployment(restApiId=api["id"])["id"]
    gateway.create_stage(restApiId=api["id"], stageName="v1", deploymentId=deployment, **stage)
    return gateway, str(api["id"])


TAGGED = ("api", "stage", "domain", "key", "plan")


@pytest.mark.parametrize("kind", TAGGED)
def test_tags_of_a_creation_and_later_ones_are_told_by_every_answer(cloud: RunningCloud, kind: str) -> None:
    gateway = cloud.client("apigateway")
    first = {"made": "1", "kept": "1"}
    domain = f"{name()}.example.com"
    if kind == "stage":
        _, api = api_with_a_stage(cloud, tags=first)
        place, get = f"restapis/{api}/stages/v1", lambda: gateway.get_stage(restApiId=api, stageName="v1")
        listed = lambda: gateway.get_stages(restApiId=api)["item"][0]  # noqa: E731
    elif kind == "api":
        api = gateway.create_rest_api(name=name(), tags=first)["id"]
        place, get = f"restapis/{api}", lambda: gateway.get_rest_api(restApiId=api)
        listed = lambda: next(each for each in gateway.get_rest_apis(limit=500)["items"] if each["id"] == api)  # noqa: E731
    elif kind == "domain":
        gateway.create_domain_name(domainName=domain, endpointConfiguration={"types": ["REGIONAL"]}, tags=first)
        place, get = f"domainnames/{domain}", lambda: gateway.get_domain_name(domainName=domain)
        listed = lambda: next(  # noqa: E731
            each for each in gateway.get_domain_names(limit=500)["items"] if each["domainName"] == domain
        )
    elif kind == "key":
        key = gateway.create_api_key(name=name(), tags=first)["id"]
        place, get = f"apikeys/{key}", lambda: gateway.get_api_key(apiKey=key)
        listed = lambda: next(each for each in gateway.get_api_keys(limit=500)["items"] if each["id"] == key)  # noqa: E731
    else:
        plan = gateway.create_usage_plan(name=name(), tags=first)["id"]
        place, get = f"usageplans/{plan}", lambda: gateway.get_usage_plan(usagePlanId=plan)
        listed = lambda: next(each for each in gateway.get_usage_plans(limit=500)["items"] if each["id"] == plan)  # noqa: E731
    arn = f"arn:aws:apigateway:{HOME}::/{place}"

    def everywhere() -> list[dict[str, str]]:
        return [get()["tags"], listed()["tags"], gateway.get_tags(resourceArn=arn)["tags"]]

    assert everywhere() == [first] * 3
    gateway.tag_resource(resourceArn=arn, tags={"later": "2", "kept": "2"})
    assert everywhere() == [{"made": "1", "kept": "2", "later": "2"}] * 3
    gateway.untag_resource(resourceArn=arn, tagKeys=["made"])
    assert everywhere() == [{"kept": "2", "later": "2"}] * 3


@pytest.mark.parametrize("region", [HOME, OTHER])
def test_a_domain_name_is_as_aws_describes_one(cloud: RunningCloud, region: str) -> None:
    gateway, domain = cloud.client("apigateway", region), f"{name()}.example.com"
    certificate = cloud.client("acm", region).request_certificate(DomainName=domain)["CertificateArn"]
    made = gateway.create_domain_name(
        domainName=domain,
        regionalCertificateArn=certificate,
        endpointConfiguration={"types": ["REGIONAL"]},
        securityPolicy="TLS_1_2",
    )
    patch = {"op": "replace", "path": "/securityPolicy", "value": "TLS_1_2"}
    changed = gateway.update_domain_name(domainName=domain, patchOperations=[patch])
    zone = {HOME: "Z1UJRXOUMOOFQ8", OTHER: "ZOJJZC49E0EPZ"}[region]
    for found in (made, changed, gateway.get_domain_name(domainName=domain)):
        assert re.fullmatch(rf"d-[a-z0-9]{{10}}\.execute-api\.{region}\.amazonaws\.com", found["regionalDomainName"])
        assert found["domainNameStatus"] == "AVAILABLE"
        assert found["regionalHostedZoneId"] == zone
        assert found["regionalDomainName"] == made["regionalDomainName"]
        assert "mutualTlsAuthentication" not in found
        assert not [key for key, value in found.items() if value == ""]
        assert "distributionDomainName" not in found
    with pytest.raises(ClientError, match="ConflictException"):
        gateway.create_domain_name(domainName=domain)
    assert gateway.get_domain_name(domainName=domain)["regionalDomainName"] == made["regionalDomainName"]
    gateway.delete_domain_name(domainName=domain)
    edge = gateway.create_domain_name(domainName=domain, mutualTlsAuthentication={"truststoreUri": "s3://a/b"})
    assert edge["mutualTlsAuthentication"] == {"truststoreUri": "s3://a/b"}
    assert edge["regionalDomainName"] != made["regionalDomainName"]
    gateway.delete_domain_name(domainName=domain)


def test_an_api_takes_tls_1_0_until_it_is_told_otherwise(cloud: RunningCloud) -> None:
    gateway = cloud.client("apigateway")
    made, private, told = (
        gateway.create_rest_api(name=name(), **settings)
        for settings in (
            {"endpointConfiguration": {"types": ["REGIONAL"]}},
            {"endpointConfiguration": {"types": ["PRIVATE"]}},
            {"securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09", "endpointAccessMode": "STRICT"},
        )
    )
    assert [each["securityPolicy"] for each in (made, private)] == ["TLS_1_0", "TLS_1_2"]
    found = gateway.get_rest_api(restApiId=told["id"])
    assert (found["securityPolicy"], found["endpointAccessMode"]) == ("SecurityPolicy_TLS13_1_3_2025_09", "STRICT")
    assert found["apiStatus"] == told["apiStatus"] == "AVAILABLE"
    for api in (made, private, told):
        gateway.delete_rest_api(restApiId=api["id"])


@pytest.mark.parametrize("kind", ["api", "domain"])
def test_an_enhanced_security_policy_needs_an_access_mode(cloud: RunningCloud, kind: str) -> None:
    """Refused, it changes nothing."""
    gateway, domain = cloud.client("apigateway"), f"{name()}.example.com"
    policy = {"securityPolicy": "SecurityPolicy_TLS13_1_2_2021_06"}
    patches = [
        {"op": "replace", "path": "/securityPolicy", "value": policy["securityPolicy"]},
        {"op": "replace", "path": "/endpointAccessMode", "value": "BASIC"},
    ]
    refusal = "BadRequestException.*Endpoint access mode is required"
    if kind == "api":
        with pytest.raises(ClientError, match=refusal):
            gateway.create_rest_api(name=name(), **policy)
        place = {"restApiId": gateway.create_rest_api(name=name())["id"]}
        get, update, delete = gateway.get_rest_api, gateway.update_rest_api, gateway.delete_rest_api
    else:
        with pytest.raises(ClientError, match=refusal):
            gateway.create_domain_name(domainName=domain, **policy)
        place = {"domainName": gateway.create_domain_name(domainName=domain)["domainName"]}
        get, update, delete = gateway.get_domain_name, gateway.update_domain_name, gateway.delete_domain_name
    before = get(**place)["securityPolicy"]
    with pytest.raises(ClientError, match=refusal):
        update(**place, patchOperations=patches[:1])
    assert get(**place)["securityPolicy"] == before
    update(**place, patchOperations=patches)
    found = get(**place)
    assert (found["securityPolicy"], found["endpointAccessMode"]) == (policy["securityPolicy"], "BASIC")
    delete(**place)


def test_a_name_has_one_validation_record_of_acms_form(cloud: RunningCloud) -> None:
    """The same in every region, for a wildcard of it, and for another certificate; another name has another one."""
    domain = f"{name()}.example.com"

    def record(region: str, wanted: str) -> tuple[str, str]:
        acm = cloud.client("acm", region)
        arn = acm.request_certificate(DomainName=wanted, ValidationMethod="DNS")["CertificateArn"]
        (option,) = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
        assert option["DomainName"] == wanted
        return option["ResourceRecord"]["Name"], option["ResourceRecord"]["Value"]

    found, value = record(HOME, domain)
    assert re.fullmatch(rf"_[0-9a-f]{{32}}\.{re.escape(domain)}\.", found)
    assert re.fullmatch(r"_[0-9a-f]{32}\.[a-z]{10}\.acm-validations\.aws\.", value)
    assert {record(HOME, domain), record(OTHER, domain), record(HOME, f"*.{domain}")} == {(found, value)}
    assert record(HOME, f"a.{domain}")[1] != value


LOGS = {"destinationArn": "arn:aws:logs:sa-east-1:000000000000:log-group:a", "format": "$context.requestId"}


def test_a_stage_logs_only_when_the_account_has_a_role_for_it(cloud: RunningCloud) -> None:
    """Access logs and execution logs need it each; turning them off does not."""
    gateway, api = api_with_a_stage(cloud, LONELY)
    role = gateway.get_account()["cloudwatchRoleArn"]
    patches = [{"op": "replace", "path": f"/accessLogSettings/{key}", "value": value} for key, value in LOGS.items()]
    level = {"op": "replace", "path": "/*/*/logging/loglevel", "value": "ERROR"}
    place = {"restApiId": api, "stageName": "v1"}
    gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}])
    for wanted in (patches, [level], [{**level, "path": "/payment/POST/logging/loglevel", "value": "INFO"}]):
        with pytest.raises(ClientError, match="CloudWatch Logs role ARN must be set in account settings") as error:
            gateway.update_stage(**place, patchOperations=wanted)
        assert error.value.response["Error"]["Code"] == "BadRequestException"
    assert not gateway.get_stage(**place).get("accessLogSettings")
    gateway.update_stage(**place, patchOperations=[{**level, "value": "OFF"}])
    gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])
    gateway.update_stage(**place, patchOperations=[*patches, level])
    found = gateway.get_stage(**place)
    assert (found["accessLogSettings"], found["methodSettings"]["*/*"]["loggingLevel"]) == (LOGS, "ERROR")


def test_the_account_is_bootstrapped_in_every_region(cloud: RunningCloud) -> None:
    roles = {cloud.client("apigateway", region).get_account()["cloudwatchRoleArn"] for region in (HOME, REGIONS[-1])}
    (arn,) = roles
    found = cloud.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    assert found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "apigateway.amazonaws.com"}
    attached = cloud.client("iam").list_attached_role_policies(RoleName=found["RoleName"])["AttachedPolicies"]
    assert [each["PolicyName"] for each in attached] == ["AmazonAPIGatewayPushToCloudWatchLogs"]


def test_who_did_what_is_refused_and_not_answered_by_nobody(cloud: RunningCloud) -> None:
    with pytest.raises(ClientError, match="records no calls"):
        cloud.client("cloudtrail", HOME).lookup_events()


def test_route_53_tells_what_the_account_may_have_and_what_it_has(cloud: RunningCloud) -> None:
    route53, kind = cloud.client("route53"), "MAX_HEALTH_CHECKS_BY_OWNER"
    before = route53.get_account_limit(Type=kind)
    assert before["Limit"] == {"Type": kind, "Value": 200}
    check = {"Type": "HTTPS", "FullyQualifiedDomainName": "a.example.com", "RequestInterval": 30}
    made = route53.create_health_check(CallerReference=str(uuid.uuid4()), HealthCheckConfig=check)["HealthCheck"]["Id"]
    assert route53.get_account_limit(Type=kind)["Count"] == before["Count"] + 1
    route53.delete_health_check(HealthCheckId=made)
    assert route53.get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")["Limit"]["Value"] == 500


def test_route_53_tells_the_tags_of_several_at_once(cloud: RunningCloud) -> None:
    route53 = cloud.client("route53")
    check = {"Type": "HTTPS", "FullyQualifiedDomainName": "a.example.com", "RequestInterval": 30}
    made = [
        route53.create_health_check(CallerReference=str(uuid.uuid4()), HealthCheckConfig=check)["HealthCheck"]["Id"]
        for _ in range(2)
    ]
    tags = [{"Key": "Name", "Value": "first"}]
    route53.change_tags_for_resource(ResourceType="healthcheck", ResourceId=made[0], AddTags=tags)
    found = route53.list_tags_for_resources(ResourceType="healthcheck", ResourceIds=made)["ResourceTagSets"]
    assert {each["ResourceId"]: each["Tags"] for each in found} == {made[0]: tags, made[1]: []}
    for wrong, error in ((["none"], "NoSuchHealthCheck"), (made * 6, "InvalidInput")):
        with pytest.raises(ClientError, match=error):
            route53.list_tags_for_resources(ResourceType="healthcheck", ResourceIds=wrong)
    for each in made:
        route53.delete_health_check(HealthCheckId=each)


def test_service_quotas_tells_defaults(cloud: RunningCloud) -> None:
    quotas = cloud.client("service-quotas", HOME)
    found = quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]
    assert (found["QuotaName"], found["Value"]) == ("VPCs per Region", 5.0)
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-00000000")
    with pytest.raises(quotas.exceptions.IllegalArgumentException, match="RequestServiceQuotaIncrease"):
        quotas.request_service_quota_increase(ServiceCode="vpc", QuotaCode="L-F678F1CE", DesiredValue=6)


def test_a_zone_that_nobody_signs_says_so(cloud: RunningCloud) -> None:
    route53 = cloud.client("route53")
    zone = route53.create_hosted_zone(Name=f"{name()}.example.com", CallerReference=name())["HostedZone"]["Id"]
    found = route53.get_dnssec(HostedZoneId=zone)
    assert (found["Status"], found["KeySigningKeys"]) == ({"ServeSignature": "NOT_SIGNING"}, [])
    route53.delete_hosted_zone(Id=zone)
    with pytest.raises(ClientError, match="NoSuchHostedZone"):
        route53.get_dnssec(HostedZoneId=zone)


def test_a_secret_without_a_value_has_no_version(cloud: RunningCloud) -> None:
    secrets, secret, token = cloud.client("secretsmanager"), name(), str(uuid.uuid4())
    made = secrets.create_secret(Name=secret)
    assert "VersionId" not in made
    assert secrets.list_secret_version_ids(SecretId=secret)["Versions"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=secret)
    made = secrets.create_secret(Name=name(), SecretString="1", ClientRequestToken=token)
    assert made["VersionId"] == token
    assert secrets.get_secret_value(SecretId=made["ARN"], VersionId=token)["SecretString"] == "1"


def test_each_label_is_on_one_version_and_none_is_lost(cloud: RunningCloud) -> None:
    """Whatever labels versions are put with: the newest that was given a label has it, as SetOf(labels) says."""
    secrets, there, secret = cloud.client("secretsmanager"), cloud.client("secretsmanager", OTHER), name()
    secrets.create_secret(Name=secret, AddReplicaRegions=[{"Region": OTHER}])
    expected: dict[str, str] = {}
    for number, labels in enumerate(
        (
            None,
            ["AWSCURRENT", "blue"],
            ["AWSPENDING"],
            ["green"],
            ["AWSCURRENT", "green", "AWSPENDING"],
            ["blue"],
            ["AWSCURRENT"],
        )
    ):
        given = {"VersionStages": labels} if labels else {}
        told = secrets.put_secret_value(SecretId=secret, SecretString=str(number), **given)
        wanted = labels or ["AWSCURRENT"]
        if "AWSCURRENT" in wanted and "AWSCURRENT" in expected:
            expected["AWSPREVIOUS"] = expected["AWSCURRENT"]
        expected |= dict.fromkeys(wanted, str(number))
        assert sorted(told["VersionStages"]) == sorted(wanted)
        for client in (secrets, there):
            for label, value in expected.items():
                assert client.get_secret_value(SecretId=secret, VersionStage=label)["SecretString"] == value
            stages = client.describe_secret(SecretId=secret)["VersionIdsToStages"].values()
            assert sorted(label for each in stages for label in each) == sorted(expected)


def test_a_version_without_labels_is_kept_and_told_only_to_who_asks(cloud: RunningCloud) -> None:
    secrets, secret = cloud.client("secretsmanager"), name()
    secrets.create_secret(Name=secret, SecretString="0")
    versions = [secrets.put_secret_value(SecretId=secret, SecretString=str(n))["VersionId"] for n in (1, 2, 3)]
    assert secrets.get_secret_value(SecretId=secret, VersionId=versions[0])["SecretString"] == "1"
    listed = secrets.list_secret_version_ids(SecretId=secret)["Versions"]
    assert {each["VersionId"] for each in listed} == set(versions[1:])
    assert len(secrets.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)["Versions"]) == 4


def test_a_token_makes_one_version(cloud: RunningCloud) -> None:
    secrets, secret, token = cloud.client("secretsmanager"), name(), str(uuid.uuid4())
    secrets.create_secret(Name=secret, SecretString="0")
    first = secrets.put_secret_value(SecretId=secret, SecretString="1", ClientRequestToken=token)
    secrets.put_secret_value(SecretId=secret, SecretString="2")
    again = secrets.put_secret_value(SecretId=secret, SecretString="1", ClientRequestToken=token)
    assert (again["VersionId"], again["VersionStages"]) == (first["VersionId"], ["AWSPREVIOUS"])
    with pytest.raises(ClientError, match="ResourceExistsException"):
        secrets.put_secret_value(SecretId=secret, SecretString="other", ClientRequestToken=token)


@pytest.mark.parametrize("kind", ["Gateway", "Interface"])
def test_an_endpoints_policy_is_changed_and_reset(cloud: RunningCloud, kind: str) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    service = {"Gateway": "com.amazonaws.us-east-1.s3", "Interface": "com.amazonaws.us-east-1.kms"}[kind]
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, VpcEndpointType=kind)["VpcEndpoint"]

    def policy() -> Any:
        (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])["VpcEndpoints"]
        return json.loads(found["PolicyDocument"])

    default = json.loads(made["PolicyDocument"])
    own = {"Version": "2012-10-17", "Statement": []}
    ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], PolicyDocument=json.dumps(own))
    assert policy() == own
    ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], ResetPolicy=True)
    assert policy() == default
    assert default["Statement"][0]["Action"] == "*"


def test_what_is_reserved_holds_for_versions_and_aliases(cloud: RunningCloud) -> None:
    lambdas, function = cloud.client("lambda", LONELY), Function(cloud, region=LONELY).name
    version = lambdas.publish_version(FunctionName=function)["Version"]
    lambdas.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
    for qualifier in ("$LATEST", version, "live"):
        lambdas.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        with pytest.raises(ClientError, match="TooManyRequestsException") as error:
            lambdas.invoke(FunctionName=function, Qualifier=qualifier)
        assert error.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        lambdas.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
        assert lambdas.invoke(FunctionName=function, Qualifier=qualifier)["StatusCode"] == 200
    lambdas.delete_function(FunctionName=function)


def test_a_hundred_concurrent_executions_stay_unreserved(cloud: RunningCloud) -> None:
    lambdas = cloud.client("lambda", LONELY)
    one, two = (Function(cloud, region=LONELY).name for _ in range(2))
    limits = lambdas.get_account_settings()["AccountLimit"]
    assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (1000, 1000)

    def reserve(function: str, number: int) -> None:
        lambdas.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=number)

    reserve(one, 500)
    reserve(two, 400)
    assert lambdas.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]") as error:
        reserve(two, 401)
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert lambdas.get_function_concurrency(FunctionName=two)["ReservedConcurrentExecutions"] == 400
    reserve(one, 499)
    reserve(two, 401)
    lambdas.delete_function(FunctionName=one)
    reserve(two, 900)
    lambdas.delete_function(FunctionName=two)


def test_a_lifecycles_rule_for_small_objects_is_kept(cloud: RunningCloud) -> None:
    s3, bucket = cloud.client("s3"), name()
    s3.create_bucket(Bucket=bucket)
    rule = {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}}
    rules = {"Rules": [{**rule, "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}]}]}

    def kept() -> str:
        return str(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["TransitionDefaultMinimumObjectSize"])

    for given, expected in (
        ({}, "all_storage_classes_128K"),
        ({"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}, "varies_by_storage_class"),
        ({}, "all_storage_classes_128K"),
    ):
        told = s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules, **given)
        assert told["TransitionDefaultMinimumObjectSize"] == expected
        assert kept() == expected
        assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules["Rules"]
    with pytest.raises(ClientError, match="InvalidArgument"):
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration=rules, TransitionDefaultMinimumObjectSize="never"
        )


@pytest.mark.parametrize("style", ["path", "virtual host"])
def test_a_buckets_policy_decides_who_reads_unsigned(cloud: RunningCloud, style: str) -> None:
    """As a health checker asks for the stop switch: without a signature, from an address, by the bucket's own name."""
    region, bucket = "us-east-2", name()
    s3 = cloud.client("s3", region)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    for key in ("switch", "other"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())

    def read(key: str, **headers: str) -> tuple[int, bytes]:
        path, host = (f"/{key}", {"Host": f"{bucket}.s3.{region}.amazonaws.com"})
        if style == "path":
            path, host = f"/{bucket}/{key}", {}
        answer = httpx.get(cloud.endpoint + path, headers={**host, **headers})
        return answer.status_code, answer.content

    def let(*ranges: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/switch",
            "Condition": {"IpAddress": {"aws:SourceIp": list(ranges)}},
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    assert read("switch")[0] == 403
    let(*(network for network, _ in checker_ranges.IPV4))
    assert read("switch")[0] == 403
    assert read("switch", **{"X-Forwarded-For": "15.177.0.1"})[0] == 403
    let("127.0.0.0/8")
    assert read("switch") == (200, b"switch")
    assert read("other")[0] == 403


def test_a_primary_key_waits_until_its_replicas_are_gone(cloud: RunningCloud) -> None:
    """Not until they are scheduled to go: its own days have not begun, and nobody can use it meanwhile."""
    here, there = cloud.client("kms"), cloud.client("kms", OTHER)
    key = here.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    here.replicate_key(KeyId=key, ReplicaRegion=OTHER)
    told = here.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert (told["KeyState"], told["PendingWindowInDays"]) == ("PendingReplicaDeletion", 7)
    assert "DeletionDate" not in told
    told = there.schedule_key_deletion(KeyId=key, PendingWindowInDays=8)
    assert (told["KeyState"], told["PendingWindowInDays"]) == ("PendingDeletion", 8)
    assert 7 < (told["DeletionDate"].timestamp() - time.time()) / 86_400 < 9
    primary, replica = (client.describe_key(KeyId=key)["KeyMetadata"] for client in (here, there))
    assert (primary["KeyState"], primary["PendingDeletionWindowInDays"]) == ("PendingReplicaDeletion", 7)
    assert "DeletionDate" not in primary
    assert replica["KeyState"] == "PendingDeletion"
    assert [each["Region"] for each in primary["MultiRegionConfiguration"]["ReplicaKeys"]] == [OTHER]
    for client in (here, there):
        with pytest.raises(ClientError, match="KMSInvalidStateException"):
            client.encrypt(KeyId=key, Plaintext=b"x")
        with pytest.raises(ClientError, match="KMSInvalidStateException"):
            client.schedule_key_deletion(KeyId=key)


def test_a_key_without_replicas_waits_for_its_own_days(cloud: RunningCloud) -> None:
    kms = cloud.client("kms")
    for multi in (True, False):
        key = kms.create_key(MultiRegion=multi)["KeyMetadata"]["KeyId"]
        told = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        assert (told["KeyState"], told["PendingWindowInDays"]) == ("PendingDeletion", 7)
        assert "DeletionDate" in kms.describe_key(KeyId=key)["KeyMetadata"]
