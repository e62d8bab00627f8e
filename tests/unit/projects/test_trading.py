"""The trading profile: a load balancer in each region, its names and its sizes, and a gate by what that can tell."""

from __future__ import annotations

import json
import re

import pytest

from shared.environment import Environment
from shared.failover_time import Fault, bound
from tests.unit.projects.mocked_programs import ACCOUNT, TRADING, run_environment

ROLES = ("primary", "secondary")
REGION = {"primary": "us-east-1", "secondary": "us-west-2"}
SHORT = {"primary": "use1", "secondary": "usw2"}


def program(layer, role=None):
    return run_environment(TRADING)[f"{layer}/{TRADING}-{role}" if role else f"{layer}/{TRADING}"]


@pytest.mark.parametrize("role", ROLES)
def test_a_public_subnet_lies_in_each_zone_beside_the_private_ones(role):
    network = program("network", role).recorder
    subnets = {each.name: each for each in network.of("Subnet")}
    zones = Environment.load(TRADING).network.zones.of(role)
    for tier in ("public", "vpc-private"):
        assert [subnets[f"{tier}-{number}"]["availabilityZoneId"] for number in (1, 2)] == list(zones)
    assert len({each["cidrBlock"] for each in subnets.values()}) == len(subnets) == 4
    ids = {f"{name}-id" for name in subnets if name.startswith("public")}
    routed = {each["subnetId"]: each["routeTableId"] for each in network.of("RouteTableAssociation")}
    assert {subnet for subnet, table in routed.items() if table == "public-id"} == ids
    assert not any(each.get("mapPublicIpOnLaunch") for each in subnets.values())


@pytest.mark.parametrize("role", ROLES)
def test_only_public_subnets_have_a_way_to_the_internet(role):
    network = program("network", role).recorder
    route = network.one("Route")
    assert (route["routeTableId"], route["destinationCidrBlock"]) == ("public-id", "0.0.0.0/0")
    assert route["gatewayId"] == "public-id"
    assert network.one("InternetGateway")["vpcId"] == "vpc-id"
    tables = {each["subnetId"]: each["routeTableId"] for each in network.of("RouteTableAssociation")}
    assert tables == {
        f"{of}-{number}-id": table
        for of, table in (("vpc-private", "vpc-private-id"), ("public", "public-id"))
        for number in (1, 2)
    }


@pytest.mark.parametrize("role", ROLES)
def test_the_load_balancer_is_spoken_to_by_https_alone_and_speaks_to_nobody(role):
    network = program("network", role).recorder
    (rule,) = [each for each in network.of("SecurityGroupIngressRule") if each["securityGroupId"] == "public-id"]
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"], rule["ipProtocol"]) == ("0.0.0.0/0", 443, 443, "tcp")
    assert not [each for each in network.of("SecurityGroupEgressRule") if each["securityGroupId"] == "public-id"]
    acl = {
        (each["egress"], each["fromPort"], each["toPort"], each["cidrBlock"])
        for each in network.of("NetworkAclRule")
        if each["networkAclId"] == "public-acl-id"
    }
    assert acl == {(False, 443, 443, "0.0.0.0/0"), (True, 1024, 65535, "0.0.0.0/0")}


@pytest.mark.parametrize("role", ROLES)
def test_the_load_balancer_stands_in_the_public_subnets_with_a_group_for_each_function(role):
    compute, network = program("compute", role), program("network", role).exports
    balancer = compute.recorder.one("LoadBalancer")
    assert balancer["subnets"] == network["public"]["subnet_ids"] == ["public-1-id", "public-2-id"]
    assert balancer["securityGroups"] == [network["public"]["security_group_id"]]
    assert (balancer["internal"], balancer["loadBalancerType"]) == (False, "application")
    assert (balancer["dropInvalidHeaderFields"], balancer["enableDeletionProtection"]) == (True, False)
    groups = {each.name: each for each in compute.recorder.of("TargetGroup")}
    assert groups.keys() == {"load-balancer-payment", "load-balancer-health"}
    for group in groups.values():
        assert (group["targetType"], group["lambdaMultiValueHeadersEnabled"]) == ("lambda", True)


@pytest.mark.parametrize("role", ROLES)
def test_the_load_balancer_logs_who_asked_into_a_bucket_that_load_balancers_alone_write(role):
    compute = program("compute", role).recorder
    balancer, bucket = compute.one("LoadBalancer"), compute.one("Bucket")
    assert bucket["bucket"] == f"trading-{REGION[role]}-production-lb-access-t9m4-{ACCOUNT}"
    assert balancer["accessLogs"] == {"bucket": "load-balancer-logs-id", "enabled": True}
    assert bucket.provider == balancer.provider
    assert {"BucketPolicy:load-balancer-logs", "BucketServerSideEncryptionConfiguration:load-balancer-logs"} <= (
        balancer.after
    ), "Elastic Load Balancing tries to write at once"
    (rule,) = compute.one("BucketServerSideEncryptionConfiguration")["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    assert compute.one("BucketLifecycleConfiguration")["rules"][0]["expiration"] == {"days": 90}
    _, written = json.loads(compute.one("BucketPolicy")["policy"])["Statement"]
    assert written["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert written["Action"] == ["s3:PutObject"]
    assert written["Resource"] == [f"arn:aws:bucket:::{bucket['bucket']}/AWSLogs/{ACCOUNT}/*"]
    ours = f"arn:aws:elasticloadbalancing:{REGION[role]}:{ACCOUNT}:loadbalancer/*"
    assert written["Condition"] == {"ArnLike": {"aws:SourceArn": ours}}, "AWS documents no narrower source"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("function", ["payment", "health"])
def test_a_function_is_a_target_once_its_group_may_call_it(role, function):
    compute = program("compute", role).recorder
    arn = f"arn:aws:targetgroup:::{compute.one('TargetGroup', function)['name']}"
    permission = compute.one("Permission", f"{function}-load-balancer")
    assert permission["principal"] == "elasticloadbalancing.amazonaws.com"
    assert permission["sourceArn"] == arn
    target = compute.one("TargetGroupAttachment", function)
    assert target["targetGroupArn"] == arn
    assert f"Permission:{function}-load-balancer" in target.after


@pytest.mark.parametrize("role", ROLES)
def test_edge_listens_by_its_certificate_and_knows_three_paths(role):
    edge, compute = program("edge").recorder, program("compute", role).exports["load_balancer"]
    listener = edge.one("Listener", role)
    assert (listener["port"], listener["protocol"], listener["loadBalancerArn"]) == (443, "HTTPS", compute["arn"])
    assert listener["certificateArn"] == "arn:aws:certificate:::zone-" + role
    assert listener["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-")
    (otherwise,) = listener["defaultActions"]
    fixed = otherwise["fixedResponse"]
    assert (otherwise["type"], fixed["statusCode"], fixed["contentType"]) == (
        "fixed-response",
        "404",
        "application/json",
    )
    assert json.loads(fixed["messageBody"])["type"] == "/problems/not-found"
    rules = {
        tuple(each["conditions"][0]["pathPattern"]["values"]): each["actions"]
        for each in edge.of("ListenerRule")
        if each.name.endswith(role)
    }
    assert rules == {
        ("/payment", "/payment/*"): [{"type": "forward", "targetGroupArn": compute["payment_targets_arn"]}],
        ("/health",): [{"type": "forward", "targetGroupArn": compute["health_targets_arn"]}],
    }


@pytest.mark.parametrize("role", ROLES)
def test_names_lead_to_the_load_balancers(role):
    edge, compute = program("edge").recorder, program("compute", role).exports["load_balancer"]
    own = edge.one("Record", f"entry-points-{role}")
    shared = edge.one("Record", f"failover-{role}")
    assert own["name"] == f"{SHORT[role]}-api.t9m4.trade.example.com"
    assert shared["name"] == "api.t9m4.trade.example.com"
    for record in (own, shared):
        assert (record["type"], record["records"], record["ttl"]) == ("CNAME", [compute["dns_name"]], 60)
    assert shared.get("healthCheckId") == ("checks-gate-id" if role == "primary" else None)


def test_no_rest_api_is_left_and_no_load_balancer_in_the_other_profile():
    assert not [
        each for run in run_environment(TRADING).values() for each in run.recorder.cloud if "apigateway" in each.type
    ]
    kinds = {each.type.partition("/")[0] for run in run_environment().values() for each in run.recorder.cloud}
    assert "aws:lb" not in kinds
    assert not [each for run in run_environment().values() for each in run.recorder.of("InternetGateway")]


def test_every_function_has_512_mb_and_exactly_100_executions():
    functions = [each for run in run_environment(TRADING).values() for each in run.recorder.of("Function")]
    assert len(functions) == 2 * 4 + 1
    for each in functions:
        assert (each["memorySize"], each["reservedConcurrentExecutions"]) == (512, 100), each.name


@pytest.mark.parametrize("role", ROLES)
def test_names_are_service_region_environment_purpose_suffix(role):
    stacks = {name: run for name, run in run_environment(TRADING).items() if name.endswith(role)}
    named = [
        each.get("name", "")
        for run in stacks.values()
        for kind in ("Function", "Queue", "MetricAlarm", "Topic", "EventRule", "LoadBalancer", "TargetGroup")
        for each in run.recorder.of(kind)
    ]
    assert len(named) > 30
    form = re.compile(rf"trading-({REGION[role]}|{SHORT[role]})-production-[a-z-]+-t9m4")
    assert [name for name in named if not form.fullmatch(name)] == []


def test_the_gate_follows_what_a_load_balancer_can_tell():
    """And nothing that requests alone bring about, by their form (501, 505, 413) or number (502 of what is refused)."""
    edge = program("edge").recorder
    balancer = program("compute", "primary").exports["load_balancer"]
    gate = edge.one("HealthCheck", "gate")
    children = ("standard", "fast", "stop-switch", "target-errors", "crashes", "probe-failures")
    assert gate["childHealthchecks"] == [f"checks-{each}-id" for each in children]
    assert gate["childHealthThreshold"] == len(children)
    for name, metric, statistic, threshold in (
        ("target-errors", "HTTPCode_Target_5XX_Count", "Sum", 14),
        ("crashes", "Errors", "Sum", 14),
        ("probe-failures", "OnlyPrimaryUnserved", "Minimum", 1),
    ):
        alarm = edge.one("MetricAlarm", name)
        check = edge.one("HealthCheck", name)
        assert (alarm["metricName"], alarm["statistic"], alarm["threshold"]) == (metric, statistic, threshold)
        assert (alarm["period"], alarm["evaluationPeriods"], alarm["treatMissingData"]) == (60, 1, "notBreaching")
        assert alarm["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert check["cloudwatchAlarmName"] == alarm["name"]
        assert (check["cloudwatchAlarmRegion"], check["insufficientDataHealthStatus"]) == ("us-east-1", "Healthy")
    assert edge.one("MetricAlarm", "target-errors")["dimensions"] == {
        "LoadBalancer": balancer["dimension"],
        "TargetGroup": balancer["payment_targets_dimension"],
    }
    function = program("compute", "primary").exports["payment_function_name"]
    failing = edge.one("MetricAlarm", "crashes")
    assert failing["namespace"] == "AWS/Lambda"
    assert failing["dimensions"] == {"FunctionName": function, "Resource": f"{function}:live"}
    assert edge.one("MetricAlarm", "probe-failures")["dimensions"]["Role"] == "primary"


@pytest.mark.parametrize("role", ROLES)
def test_alarms_watch_the_load_balancers_payments(role):
    watch = program("observability", role).recorder
    balancer = program("compute", role).exports["load_balancer"]
    payments = {"LoadBalancer": balancer["dimension"], "TargetGroup": balancer["payment_targets_dimension"]}
    latency = watch.one("MetricAlarm", "alarms-latency")["metricQueries"]
    asked = [each["metric"] for each in latency if "metric" in each]
    assert {each["metricName"] for each in asked} == {"TargetResponseTime"}
    assert [each["stat"] for each in asked] == ["SampleCount", "PR(:0.5)"]
    assert all(each["dimensions"] == payments for each in asked)
    rate = {each["id"]: each for each in watch.one("MetricAlarm", "error-rate")["metricQueries"]}
    assert rate["watched"]["expression"] == "(FILL(answered, 0) + FILL(crashed, 0) + FILL(broken, 0)) / requests"
    assert rate["watched"]["returnData"] is True
    metrics = {name: rate[name]["metric"]["metricName"] for name in ("answered", "crashed", "broken", "requests")}
    assert metrics == {
        "answered": "HTTPCode_Target_5XX_Count",
        "crashed": "LambdaUserError",
        "broken": "LambdaInternalError",
        "requests": "RequestCount",
    }
    assert all(rate[name]["metric"]["dimensions"] == payments for name in metrics)
    assert watch.one("MetricAlarm", "error-rate")["threshold"] == 0.01
    assert watch.one("MetricAlarm", "alarms-errors")["threshold"] == 10


@pytest.mark.parametrize("role", ROLES)
def test_each_regions_dashboard_shows_both_load_balancers(role):
    body = program("observability", role).recorder.one("Dashboard")["dashboardBody"]
    for each in ROLES:
        assert program("compute", each).exports["load_balancer"]["dimension"] in body
    assert "AWS/ApiGateway" not in body


def test_a_failover_takes_300_s_and_is_noticed_within_30():
    environment = Environment.load(TRADING)
    checks, dns = environment.edge.checks.of_the_entry_point, environment.edge.dns
    found = {fault: bound(checks, dns, fault) for fault in Fault}
    assert {fault.label: each.total for fault, each in found.items()} == {
        "refused": 90, "error": 90, "hang": 98, "slow": 106, "data layer": 100
    }  # fmt: skip
    assert max(found[each].detection for each in (Fault.REFUSED, Fault.ERROR, Fault.HANG)) == 28
    assert (environment.objectives.failover, environment.objectives.detection) == (300, 30)
