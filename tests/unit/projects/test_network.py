"""The network: two zones, no way to the internet, and endpoints that know only our own resources."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from projects.network.endpoints import Endpoints, interface_statements
from projects.network.security import Security
from projects.network.vpc import Vpc
from shared.components import regions
from shared.environment import Environment
from tests.unit.projects.mocked_programs import ACCOUNT, run_component, run_environment, run_program

ROLES = ("primary", "secondary")
CIDRS = {"primary": "10.0.0.0/16", "secondary": "10.1.0.0/16"}


@pytest.fixture(params=ROLES)
def role(request):
    return request.param


@pytest.fixture
def network(role):
    return run_environment()[f"network/payments-{role}"].recorder


def test_the_vpc_has_its_regions_range_and_names_inside(network, role):
    vpc = network.one("Vpc")
    assert vpc["cidrBlock"] == CIDRS[role]
    assert vpc["enableDnsSupport"] is True
    assert vpc["enableDnsHostnames"] is True
    assert vpc["tags"]["Name"] == f"payment-vpc-{role}-x7k2"


def test_a_private_subnet_lies_in_each_of_two_zones(network, role):
    subnets = network.of("Subnet")
    assert len({each["cidrBlock"] for each in subnets}) == 2
    assert all(IPv4Network(each["cidrBlock"]).subnet_of(IPv4Network(CIDRS[role])) for each in subnets)
    assert {each["subnetId"] for each in network.of("RouteTableAssociation")} == {f"{each.name}-id" for each in subnets}
    assert {each["subnetId"] for each in network.of("NetworkAclAssociation")} == {f"{each.name}-id" for each in subnets}


def test_no_route_leads_to_the_internet(network):
    kinds = {each.type.rpartition(":")[2] for each in network.made}
    assert not kinds & {"InternetGateway", "NatGateway", "Route", "EgressOnlyInternetGateway", "Eip"}
    assert "routes" not in network.one("RouteTable").inputs


def test_functions_reach_endpoints_and_nothing_reaches_functions(network):
    egress = {
        (each["securityGroupId"], each.get("referencedSecurityGroupId") or each.get("prefixListId"))
        for each in network.of("SecurityGroupEgressRule")
    }
    assert egress == {
        ("security-functions-id", "security-endpoints-id"),
        ("security-functions-id", "pl-endpoints-dynamodb"),
        ("security-functions-id", "pl-endpoints-s3"),
    }
    ingress = network.one("SecurityGroupIngressRule")
    assert (ingress["securityGroupId"], ingress["referencedSecurityGroupId"]) == (
        "security-endpoints-id",
        "security-functions-id",
    )
    for rule in [*network.of("SecurityGroupEgressRule"), ingress]:
        assert (rule["ipProtocol"], rule["fromPort"], rule["toPort"]) == ("tcp", 443, 443)


def test_the_default_group_lets_nothing_through(network):
    assert set(network.one("DefaultSecurityGroup").inputs) == {"vpcId", "tags"}


def test_the_network_acl_lets_https_and_its_answers_through(network, role):
    own = CIDRS[role]
    rules = {
        (each["egress"], each["cidrBlock"], each["fromPort"], each["toPort"]) for each in network.of("NetworkAclRule")
    }
    assert rules == {
        (True, "0.0.0.0/0", 443, 443),
        (True, own, 1024, 65535),
        (False, "0.0.0.0/0", 1024, 65535),
        (False, own, 443, 443),
    }
    assert all(each["ruleAction"] == "allow" and each["protocol"] == "tcp" for each in network.of("NetworkAclRule"))
    numbers = [(each["egress"], each["ruleNumber"]) for each in network.of("NetworkAclRule")]
    assert len(numbers) == len(set(numbers))


def test_every_service_has_its_endpoint(network, role):
    region = {"primary": "us-east-1", "secondary": "us-east-2"}[role]
    kinds = {each["serviceName"].removeprefix(f"com.amazonaws.{region}."): each for each in network.of("VpcEndpoint")}
    assert {name for name, each in kinds.items() if each["vpcEndpointType"] == "Gateway"} == {"dynamodb", "s3"}
    interfaces = {name for name, each in kinds.items() if each["vpcEndpointType"] == "Interface"}
    assert interfaces == {"secretsmanager", "ssm", "kms", "logs"}
    for name in interfaces:
        assert kinds[name]["privateDnsEnabled"] is True
        assert kinds[name]["subnetIds"] == ["vpc-private-1-id", "vpc-private-2-id"]
        assert kinds[name]["securityGroupIds"] == ["security-endpoints-id"]


def test_endpoints_serve_our_account_alone(network):
    for endpoint in network.of("VpcEndpoint"):
        (statement,) = json.loads(endpoint["policy"])["Statement"]
        assert statement["Condition"]["StringEquals"] == {
            "aws:PrincipalAccount": ACCOUNT,
            "aws:ResourceAccount": ACCOUNT,
        }


def test_the_kms_endpoint_is_for_the_key_with_our_alias(network):
    (statement,) = json.loads(network.one("VpcEndpoint", "kms")["policy"])["Statement"]
    assert statement["Condition"]["ForAnyValue:StringEquals"] == {"kms:ResourceAliases": "alias/payment-data-x7k2"}


def test_flow_logs_keep_all_traffic(network, role):
    log = network.one("FlowLog")
    assert (log["trafficType"], log["logDestinationType"]) == ("ALL", "cloud-watch-logs")
    assert log["maxAggregationInterval"] == 60
    group = network.one("LogGroup")
    assert (group["name"], group["retentionInDays"]) == (f"/vpc/flow-logs/payment-vpc-{role}-x7k2", 7)
    trust = json.loads(network.one("Role")["assumeRolePolicy"])["Statement"][0]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    statements = json.loads(network.one("RolePolicy")["policy"])["Statement"]
    assert {action for each in statements for action in each["Action"]} == {
        f"logs:{action}"
        for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents", "DescribeLogGroups", "DescribeLogStreams")
    }


def test_subnets_are_pinned_to_the_zones_of_the_environment(network, role):
    """Nothing asks which zones are there: an answer without one that is out would replace its subnet."""
    region, net = {"primary": ("use1", 0), "secondary": ("use2", 1)}[role]
    ranges = {each["availabilityZoneId"]: each["cidrBlock"] for each in network.of("Subnet")}
    assert ranges == {f"{region}-az1": f"10.{net}.0.0/20", f"{region}-az2": f"10.{net}.16.0/20"}
    assert not any("availabilityZone" in each.inputs for each in network.of("Subnet"))


def test_what_holds_functions_interfaces_is_given_the_time_that_lambda_takes(network):
    """45 minutes were seen; the provider gives a group 15 and a subnet 20 by itself."""
    for kind, type_ in (("Subnet", "aws:ec2/subnet:Subnet"), ("SecurityGroup", "aws:ec2/securityGroup:SecurityGroup")):
        assert network.of(kind)
        assert all(network.deletes_within[type_, each.name] == "60m" for each in network.of(kind))


def test_three_zones_get_three_subnets():
    def build():
        environment = Environment.load("payments")
        zones = environment.network.zones.model_copy(update={"primary": ("use1-az6", "use1-az1", "use1-az4")})
        settings = environment.network.model_copy(update={"zones": zones})
        return Vpc("vpc", regions.Region.connect(environment.foundation(), "primary"), settings)

    run = run_component("payments-primary", build)
    ranges = {each["availabilityZoneId"]: each["cidrBlock"] for each in run.recorder.of("Subnet")}
    assert ranges == {"use1-az6": "10.0.0.0/20", "use1-az1": "10.0.16.0/20", "use1-az4": "10.0.32.0/20"}


def test_the_processor_has_an_endpoint_where_it_offers_a_service():
    service = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"

    def build(processor_service):
        environment = Environment.load("payments")
        region = regions.Region.connect(environment.foundation(), "primary")
        vpc = Vpc("vpc", region, environment.network)
        return Endpoints("endpoints", region, vpc, Security("security", region, vpc), processor_service)

    made = run_component("payments-primary", lambda: build(service)).recorder.one("VpcEndpoint", "processor")
    assert (made["serviceName"], made["vpcEndpointType"], made["privateDnsEnabled"]) == (service, "Interface", True)
    assert made["securityGroupIds"] == ["security-endpoints-id"]
    assert len(made["subnetIds"]) == 2
    without = run_component("payments-primary", lambda: build(None)).recorder
    assert not [each for each in without.of("VpcEndpoint") if "vpce-svc" in each["serviceName"]]


def test_traces_have_an_endpoint_where_it_is_wished():
    def build(*, traces):
        environment = Environment.load("payments")
        region = regions.Region.connect(environment.foundation(), "primary")
        vpc = Vpc("vpc", region, environment.network)
        return Endpoints("endpoints", region, vpc, Security("security", region, vpc), traces=traces)

    made = run_component("payments-primary", lambda: build(traces=True)).recorder.one("VpcEndpoint", "xray")
    assert (made["serviceName"], made["vpcEndpointType"]) == ("com.amazonaws.us-east-1.xray", "Interface")
    (statement,) = json.loads(made["policy"])["Statement"]
    assert statement["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    assert Environment.load("payments").network.traces == "services"


@pytest.mark.parametrize("environment", ["payments", "trading"])
def test_the_program_makes_the_endpoint_for_traces_by_the_environment(monkeypatch, environment):
    load = Environment.load

    def wished(*arguments):
        found = load(*arguments)
        network = found.network.model_copy(update={"traces": "endpoint"})
        return found.model_copy(update={"network": network})

    monkeypatch.setattr(Environment, "load", staticmethod(wished))
    made = run_program("network", f"{environment}-primary").recorder
    assert made.one("VpcEndpoint", "xray")["subnetIds"] == ["vpc-private-1-id", "vpc-private-2-id"]


def test_interface_policies_name_resources_of_later_layers():
    def build():
        region = regions.Region.connect(Environment.load("payments").foundation(), "secondary")
        found.update(interface_statements(region))

    found: dict[str, Any] = {}
    run_component("payments-secondary", build)
    assert found["secretsmanager"]["Resource"][0] == (
        f"arn:aws:secretsmanager:us-east-2:{ACCOUNT}:secret:payment-api-secret-x7k2-??????"
    )
    assert found["ssm"]["Resource"] == [f"arn:aws:ssm:us-east-2:{ACCOUNT}:parameter/payment-processing/x7k2/*"]
    assert found["logs"]["Resource"][0] == (
        f"arn:aws:logs:us-east-2:{ACCOUNT}:log-group:/aws/lambda/payment-processor-secondary-x7k2:*"
    )
