"""Alarms watch what the requirements name, tell the region's topic, and the dashboard shows both regions."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pulumi
import pytest

from lambdas.canary.members import MISSING
from lambdas.telemetry.journal import DIMENSIONS, NAMESPACE
from projects.observability.canary import READ
from shared.environment import Environment, Regions
from tests.unit.projects.mocked_programs import ACCOUNT, published, run_environment, run_program

OTHER = {"primary": "secondary", "secondary": "primary"}


@pytest.fixture(params=["primary", "secondary"])
def role(request):
    return request.param


@pytest.fixture
def watch(role):
    return run_environment()[f"observability/payments-{role}"].recorder


def alarm(recorder, name):
    (found,) = [each for each in recorder.of("MetricAlarm") if each.name == f"alarms-{name}"]
    return found


@pytest.mark.parametrize(
    ("name", "metric", "statistic", "threshold"),
    [
        ("error-rate", "AWS/ApiGateway 5XXError", "Average", 0.01),
        ("errors", "AWS/ApiGateway 5XXError", "Sum", 10),
        ("processor-function-errors", "AWS/Lambda Errors", "Sum", 0),
        ("health-function-errors", "AWS/Lambda Errors", "Sum", 0),
        ("audit-function-errors", "AWS/Lambda Errors", "Sum", 0),
        ("dynamodb-user-errors", "AWS/DynamoDB UserErrors", "Sum", 10),
        ("dynamodb-read-throttles", "AWS/DynamoDB ReadThrottleEvents", "Sum", 0),
        ("dynamodb-write-throttles", "AWS/DynamoDB WriteThrottleEvents", "Sum", 0),
        ("table-replication-lag", "AWS/DynamoDB ReplicationLatency", "Average", 5000),
        ("audit-replication-lag", "AWS/S3 ReplicationLatency", "Maximum", 900),
        ("audit-replication-failures", "AWS/S3 OperationsFailedReplication", "Sum", 0),
        ("dead-letters", "AWS/SQS ApproximateNumberOfMessagesVisible", "Maximum", 0),
    ],
)
def test_what_is_watched(watch, name, metric, statistic, threshold):
    found = alarm(watch, name)
    assert f"{found['namespace']} {found['metricName']}" == metric
    assert found["statistic"] == statistic
    assert found["threshold"] == threshold
    assert found["comparisonOperator"] == "GreaterThanThreshold"
    assert found["treatMissingData"] == "notBreaching"


@pytest.mark.parametrize(
    ("name", "metric", "rule"),
    [
        ("contradictions", "Contradictions Sum", (0, 60, "notBreaching")),
        ("unexpected-errors", "RequestsFailed Sum", (0, 60, "notBreaching")),
        ("stuck-payments", "SweepStuck Sum", (0, 300, "notBreaching")),
        ("unfinished-payments", "OldestUnfinished Maximum", (1_200, 600, "breaching")),
        ("audits-owed", "AuditsOwed Maximum", (0, 900, "notBreaching")),
    ],
)
def test_what_the_functions_count_is_watched_in_both_regions(watch, role, name, metric, rule):
    """A sweep tells the age in every run, so its silence is an alarm; the others are told when there is something."""
    found, (threshold, seconds, missing) = alarm(watch, name), rule
    assert f"{found['namespace']} {found['metricName']} {found['statistic']}" == f"Payments {metric}"
    assert found["dimensions"] == {"Environment": "payments", "Suffix": "x7k2", "Role": role}
    assert (found["comparisonOperator"], found["threshold"]) == ("GreaterThanThreshold", threshold)
    assert found["period"] * found["evaluationPeriods"] == seconds
    assert found["treatMissingData"] == missing


def test_readers_of_the_switch_that_are_stale_or_not_compared_raise_an_alarm_in_the_secondary(watch, role):
    """Found at once, in any comparison of the period; and a period without one is an alarm too."""
    found = [each for each in watch.of("MetricAlarm") if each["name"].startswith("payment-switch-ranges-stale")]
    assert len(found) == (role == "secondary")
    for each in found:
        assert (each["metricName"], each["statistic"], each["threshold"]) == ("SwitchRangesStale", "Maximum", 1)
        assert each["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert each["treatMissingData"] == "breaching"
        assert (each["period"], each["evaluationPeriods"]) == (3 * 3600, 1)
        assert each["dimensions"] == {"Environment": "payments", "Suffix": "x7k2", "Role": "secondary"}


def test_more_than_ten_errors_are_counted_over_five_minutes(watch):
    assert alarm(watch, "errors")["period"] * alarm(watch, "errors")["evaluationPeriods"] == 300


def test_every_alarm_tells_its_own_regions_topic(watch, role):
    topic = f"arn:aws:topic:::payment-failover-topic-{role}-x7k2"
    told = [each for each in watch.of("MetricAlarm") if "-burn-" not in each.name]
    for found in [*told, *watch.of("CompositeAlarm")]:
        assert topic in found["alarmActions"]
        assert found["okActions"] == [topic]


def test_alarms_watch_their_own_region(watch, role):
    stage = {"ApiName": f"payment-api-{role}-x7k2", "Stage": "v1"}
    assert alarm(watch, "errors")["dimensions"] == stage
    of_payments = stage | {"Resource": "/payment", "Method": "POST"}
    assert alarm(watch, "error-rate")["dimensions"] == of_payments
    asked = [each["metric"] for each in alarm(watch, "latency")["metricQueries"] if "metric" in each]
    assert [each["dimensions"] for each in asked] == [of_payments, of_payments]
    name = f"payment-processor-{role}-x7k2"
    assert alarm(watch, "processor-function-errors")["dimensions"] == {"FunctionName": name, "Resource": f"{name}:live"}
    assert alarm(watch, "notification-dead-letters")["dimensions"] == {
        "QueueName": f"payment-notification-dead-letters-{role}-x7k2"
    }
    assert "dimensions" not in alarm(watch, "dynamodb-user-errors").inputs


def test_replication_is_watched_where_its_metrics_are(watch, role):
    buckets = {each: f"payment-audit-logs-{each}-x7k2-{ACCOUNT}" for each in OTHER}
    assert alarm(watch, "audit-replication-lag")["dimensions"] == {
        "SourceBucket": buckets[OTHER[role]],
        "DestinationBucket": buckets[role],
        "RuleId": f"to-{role}",
    }
    assert alarm(watch, "audit-replication-failures")["dimensions"] == {
        "SourceBucket": buckets[role],
        "DestinationBucket": buckets[OTHER[role]],
        "RuleId": f"to-{OTHER[role]}",
    }


def test_the_tables_replication_is_watched_towards_the_other_region(watch, role):
    receiving = {"primary": "us-east-2", "secondary": "us-east-1"}[role]
    assert alarm(watch, "table-replication-lag")["dimensions"] == {
        "TableName": "payment-transactions-x7k2",
        "ReceivingRegion": receiving,
    }


@pytest.mark.parametrize(
    ("name", "metric", "limit"), [("latency", "Latency", "500"), ("health-latency", "Duration", "100")]
)
def test_slowness_is_a_share_of_all_answers(watch, name, metric, limit):
    found = alarm(watch, name)
    queries = {each["id"]: each for each in found["metricQueries"]}
    share = "IF(answers > 350, (answers * (100 - within) / 100) / (answers), (answers * (100 - within) / 100) / 350)"
    assert queries["watched"]["expression"] == share
    asked = {name: queries[name]["metric"] for name in ("answers", "within")}
    assert {each["metricName"] for each in asked.values()} == {metric}
    assert (asked["answers"]["stat"], asked["within"]["stat"]) == ("SampleCount", f"PR(:{limit})")
    assert (found["threshold"], found["comparisonOperator"]) == (0.01, "GreaterThanThreshold")


def test_no_alarm_is_on_a_percentile_which_few_samples_keep_silent_or_noisy(watch):
    for found in watch.of("MetricAlarm"):
        assert "extendedStatistic" not in found.inputs
        queries = found.get("metricQueries") or ()
        assert not any(each.get("metric", {}).get("stat", "").startswith("p") for each in queries), found.name


def test_failover_traffic_is_told_in_the_secondary_also_when_its_metrics_are_late(watch, role):
    found = [each for each in watch.of("MetricAlarm") if each.name.endswith("failover-traffic")]
    if role == "primary":
        assert not found
        return
    (traffic,) = found
    assert traffic["name"] == "payment-failover-traffic-secondary-x7k2"
    assert (traffic["period"], traffic["threshold"], traffic["treatMissingData"]) == (10, 1, "notBreaching")
    assert (traffic["datapointsToAlarm"], traffic["evaluationPeriods"]) == (1, 12), "one point of two minutes is enough"
    assert traffic["dimensions"] == {"Environment": "payments", "Suffix": "x7k2", "Role": "secondary"}
    assert traffic["alarmActions"] == ["arn:aws:topic:::payment-failover-topic-secondary-x7k2"]


def test_alarms_on_the_functions_own_metrics_ask_for_the_dimensions_that_they_have(watch, role):
    """An alarm on a metric of other dimensions finds no data, and says nothing for ever."""
    own = [each for each in watch.of("MetricAlarm") if each.get("namespace") == NAMESPACE]
    assert own
    for each in own:
        assert each["dimensions"] == dict(zip(DIMENSIONS, ("payments", "x7k2", role), strict=True)), each.name


def test_a_latch_that_says_nothing_is_an_alarm(watch, role):
    found = [each for each in watch.of("MetricAlarm") if each.name.endswith("latch-silent")]
    assert len(found) == (role == "secondary")
    for each in found:
        assert (each["metricName"], each["treatMissingData"]) == ("PrimaryStopped", "breaching")
        assert (each["period"], each["evaluationPeriods"], each["comparisonOperator"]) == (60, 5, "LessThanThreshold")
        assert (each["statistic"], each["threshold"]) == ("Minimum", 0), "no value of it is below: only silence is"


def test_health_checks_are_watched_in_us_east_1_alone(watch, role):
    checks = {
        each["dimensions"]["HealthCheckId"]
        for each in watch.of("MetricAlarm")
        if each.get("namespace") == "AWS/Route53"
    }
    assert checks == ({"checks-gate-id", "checks-secondary-id"} if role == "primary" else set())


def test_what_clients_notice_is_summed_up(watch, role):
    (rule,) = [each["alarmRule"] for each in watch.of("CompositeAlarm") if each.name == "alarms"]
    names = set(rule.replace('ALARM("', "").replace('")', "").split(" OR "))
    expected = {"latency", "error-rate", "errors", "processor-function-errors", "unexpected-errors", f"{role}-unserved"}
    if role == "primary":
        expected |= {"primary-unhealthy"}
    assert names == {f"payment-{name}-{role}-x7k2" for name in expected}


def test_the_dashboard_shows_both_regions(watch):
    widgets = json.loads(watch.one("Dashboard")["dashboardBody"])["widgets"]
    shown = {each["properties"].get("region") for each in widgets if each["type"] == "metric"}
    assert shown == {"us-east-1", "us-east-2"}
    places = [(each["x"], each["y"]) for each in widgets]
    assert len(places) == len(set(places))
    text = json.dumps(widgets)
    assert "payment-api-primary-x7k2" in text
    assert "payment-api-secondary-x7k2" in text


def test_thresholds_come_from_the_environment(monkeypatch):
    load = Environment.load

    def changed(name, root=None):
        environment = load(name, root)
        section = environment.observability.model_copy(update={"latency_ms": 250, "error_percent": 0.5})
        return environment.model_copy(update={"observability": section})

    monkeypatch.setattr(Environment, "load", changed)
    watch = run_program("observability", "payments-primary", published()).recorder
    asked = [each["metric"]["stat"] for each in alarm(watch, "latency")["metricQueries"] if "metric" in each]
    assert asked == ["SampleCount", "PR(:250)"]
    assert alarm(watch, "error-rate")["threshold"] == 0.005


@pytest.mark.parametrize("asked", ["primary", "secondary"])
def test_each_region_s_canary_watches_both_and_its_silence_is_an_alarm(watch, role, asked):
    found = alarm(watch, f"{asked}-unserved")
    assert (found["namespace"], found["metricName"]) == ("Payments", f"{asked.title()}Unserved")
    assert found["dimensions"] == {"Environment": "payments", "Suffix": "x7k2", "Role": role}
    assert (found["threshold"], found["period"], found["evaluationPeriods"]) == (0, 60, 2)
    assert found["treatMissingData"] == "breaching"


def test_a_member_of_the_table_that_is_gone_is_told_by_each_region_for_itself(watch, role):
    """Both consistency modes and profiles: the function knows by its variables whom the table must have."""
    found = alarm(watch, "table-members")
    assert (found["namespace"], found["metricName"], found["statistic"]) == ("Payments", MISSING, "Maximum")
    assert (found["threshold"], found["period"], found["evaluationPeriods"]) == (0, 60, 5)
    assert found["treatMissingData"] == "breaching"
    assert found["alarmActions"] == [f"arn:aws:topic:::payment-failover-topic-{role}-x7k2"]
    variables = watch.one("Function")["environment"]["variables"]
    own, peer = {"primary": ("us-east-1", "us-east-2"), "secondary": ("us-east-2", "us-east-1")}[role]
    assert (variables["PEER_REGION"], variables["WITNESS_REGION"]) == (peer, "us-west-2")
    assert variables["TABLE_NAME"] == "payment-transactions-x7k2"
    statements = json.loads(watch.one("RolePolicy", "canary")["policy"])["Statement"]
    (looking,) = [each for each in statements if "dynamodb:DescribeTable" in each["Action"]]
    assert looking["Action"] == ["dynamodb:DescribeTable"]
    assert looking["Resource"] == [f"arn:aws:dynamodb:{own}:{ACCOUNT}:table/payment-transactions-x7k2"]


def test_the_canary_pays_every_minute_outside_the_vpc_and_is_not_repeated(watch, role):
    function, rule, target = watch.one("Function"), watch.one("EventRule"), watch.one("EventTarget")
    assert function["name"] == f"payment-canary-{role}-x7k2"
    assert "vpcConfig" not in function.inputs
    assert rule["scheduleExpression"] == "rate(1 minute)"
    assert rule["name"] == f"payment-canary-{role}-x7k2"
    assert target["arn"] == "arn:aws:alias:::live"
    assert target["retryPolicy"] == {"maximumEventAgeInSeconds": 60, "maximumRetryAttempts": 0}
    (permission,) = watch.of("Permission")
    assert permission["principal"] == "events.amazonaws.com"
    assert permission["sourceArn"] == f"arn:aws:eventrule:::{rule['name']}"


def test_the_canary_reads_its_own_region_s_parameters_and_keys_alone(watch, role):
    region = {"primary": "us-east-1", "secondary": "us-east-2"}[role]
    statements = json.loads(watch.one("RolePolicy", "canary")["policy"])["Statement"]
    rights = {action: each for each in statements if each["Effect"] == "Allow" for action in each["Action"]}
    folder = f"arn:aws:ssm:{region}:{ACCOUNT}:parameter/payment-processing/x7k2"
    assert rights["ssm:GetParameter"]["Resource"] == [f"{folder}/{name}" for name in READ]
    assert f":{region}:" in rights["secretsmanager:GetSecretValue"]["Resource"][0]
    assert rights["kms:Decrypt"]["Condition"]["StringEquals"]["kms:ViaService"] == [
        f"secretsmanager.{region}.amazonaws.com",
        f"ssm.{region}.amazonaws.com",
    ]
    assert watch.one("Function")["environment"]["variables"]["PARAMETERS"] == "/payment-processing/x7k2"


def test_synthetics_reads_where_its_canaries_pay_and_no_more(watch, role):
    statements = json.loads(watch.one("RolePolicy", "synthetics")["policy"])["Statement"]
    (read,) = [each["Resource"] for each in statements if each["Action"] == ["ssm:GetParameter"]]
    assert {each.rpartition("/")[2] for each in read} == {*canaries(watch), "api-keys-secret"}


@pytest.mark.parametrize(("regions", "said"), [(("us-east-1", "us-east-2"), 0), (("us-east-2", "us-west-2"), 1)])
def test_no_alarm_on_health_checks_is_lost_without_a_word(monkeypatch, regions, said):
    """Route 53 reports them in us-east-1 alone: where that is no region of the environment, the program says so."""
    load, warnings = Environment.load, []

    def elsewhere(name, root=None):
        environment = load(name, root)
        primary, secondary = regions
        (witness,) = {"us-east-1", "us-east-2", "us-west-2"} - set(regions)
        chosen = Regions(primary=primary, secondary=secondary, witness=witness)
        return environment.model_copy(update={"regions": chosen})

    monkeypatch.setattr(Environment, "load", elsewhere)
    monkeypatch.setattr(pulumi, "warn", warnings.append)
    # Not deployed before: a stack that is refuses another region.
    others = {name: outputs for name, outputs in published().items() if "/observability/" not in name}
    for stack in ("payments-primary", "payments-secondary"):
        run_program("observability", stack, others)
    assert len(warnings) == said
    assert all("no alarm watches the health checks" in each for each in warnings)


def canaries(watch):
    return {each["runConfig"]["environmentVariables"]["TARGET"]: each for each in watch.of("Canary")}


def test_synthetics_pays_in_each_region_and_from_the_secondary_in_the_primary_too(watch, role):
    found = canaries(watch)
    assert set(found) == ({"endpoint"} if role == "primary" else {"endpoint", "peer-endpoint"})
    assert found["endpoint"]["name"] == f"payment-pays-in-{role}-{role}-x7k2"
    if role == "secondary":
        assert found["peer-endpoint"]["name"] == "payment-pays-in-primary-secondary-x7k2"
    for each in found.values():
        assert each["schedule"] == {"expression": "rate(5 minutes)", "durationInSeconds": 0}
        assert each["startCanary"] is True
        assert each["deleteLambda"] is True
        assert "vpcConfig" not in each.inputs
        assert each["artifactS3Location"] == f"s3://payment-canaries-{role}-x7k2-{ACCOUNT}/results"
        assert each["runtimeVersion"].startswith("syn-python-selenium-")
        assert each["runConfig"]["environmentVariables"]["TARGET"] in READ
        assert "RolePolicy:synthetics" in each.after


def test_the_canaries_script_is_seen_from_the_programs_folder_and_holds_its_handler(watch):
    """No machine's own path gets into a state, and Synthetics takes up to 225 KB."""
    for each in watch.of("Canary"):
        path = Path(each["zipFile"])
        assert not path.is_absolute()
        assert path.stat().st_size < 225_000
        with zipfile.ZipFile(path) as packed:
            names = packed.namelist()
        module, _, function = each["handler"].rpartition(".")
        assert (f"python/{module}.py" in names, function) == (True, "handler")
        assert all(name.startswith("python/") for name in names)
        assert not [name for name in names if "botocore" in name or name.endswith(".pyc")]


def test_a_canarys_role_keeps_measures_and_reads_and_makes_no_log_group(watch, role):
    region = {"primary": "us-east-1", "secondary": "us-east-2"}[role]
    statements = json.loads(watch.one("RolePolicy", "synthetics")["policy"])["Statement"]
    rights = {action: each for each in statements if each["Effect"] == "Allow" for action in each["Action"]}
    bucket = f"arn:aws:bucket:::payment-canaries-{role}-x7k2-{ACCOUNT}"
    assert rights["s3:PutObject"]["Resource"] == rights["s3:GetObject"]["Resource"] == [f"{bucket}/results/*"]
    assert rights["s3:GetBucketLocation"]["Resource"] == [bucket]
    condition = {"StringEquals": {"cloudwatch:namespace": "CloudWatchSynthetics"}}
    assert rights["cloudwatch:PutMetricData"]["Condition"] == condition
    assert f":{region}:" in rights["ssm:GetParameter"]["Resource"][0]
    assert {action for each in statements if each["Effect"] == "Deny" for action in each["Action"]} == {
        "logs:CreateLogGroup"
    }
    assert not any(action.startswith("logs:") for action in rights)


def test_a_canary_that_fails_twice_or_says_nothing_is_an_alarm(watch, role):
    names = {each["dimensions"]["CanaryName"]: each for each in watch.of("MetricAlarm") if "synthetics-" in each.name}
    assert set(names) == {each["name"] for each in watch.of("Canary")}
    for each in names.values():
        assert f"{each['namespace']} {each['metricName']} {each['statistic']}" == (
            "CloudWatchSynthetics SuccessPercent Average"
        )
        assert (each["comparisonOperator"], each["threshold"]) == ("LessThanThreshold", 100)
        assert (each["period"], each["evaluationPeriods"], each["treatMissingData"]) == (300, 2, "breaching")
