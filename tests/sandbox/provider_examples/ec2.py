from __future__ import annotations

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example


def a_vpc(engine: Engine) -> Made:
    return engine.make("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")


def a_subnet(engine: Engine, vpc: Made, number: int = 0) -> Made:
    return engine.make("aws:ec2/subnet:Subnet", vpcId=vpc.id, cidrBlock=f"10.0.{number}.0/24")


def a_group(engine: Engine, vpc: Made) -> Made:
    return engine.make("aws:ec2/securityGroup:SecurityGroup", vpcId=vpc.id)


@example("aws:ec2/vpc:Vpc")
def vpc(engine: Engine) -> Example:
    return Example(
        {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": {"Name": "a"}},
        update={"enableDnsHostnames": False, "tags": {"Name": "b", "more": "c"}},
        replace={"cidrBlock": "10.1.0.0/16"},
    )


@example("aws:ec2/subnet:Subnet")
def subnet(engine: Engine) -> Example:
    return Example(
        {
            "vpcId": a_vpc(engine).id,
            "cidrBlock": "10.0.1.0/24",
            "availabilityZone": "us-east-1b",
            "tags": {"Name": "a"},
        },
        update={"mapPublicIpOnLaunch": True, "tags": None},
        replace={"availabilityZone": "us-east-1a"},
    )


@example("aws:ec2/routeTable:RouteTable")
def route_table(engine: Engine) -> Example:
    return Example({"vpcId": a_vpc(engine).id}, update={"tags": {"a": "b"}}, replace={"vpcId": "vpc-other"})


@example("aws:ec2/routeTableAssociation:RouteTableAssociation")
def route_table_association(engine: Engine) -> Example:
    vpc = a_vpc(engine)
    table = engine.make("aws:ec2/routeTable:RouteTable", vpcId=vpc.id)
    return Example(
        {"routeTableId": table.id, "subnetId": a_subnet(engine, vpc).id}, replace={"routeTableId": "rtb-other"}
    )


@example("aws:ec2/securityGroup:SecurityGroup")
def security_group(engine: Engine) -> Example:
    return Example(
        {"name": "group", "description": "What it is for", "vpcId": a_vpc(engine).id, "tags": {"a": "b"}},
        update={"tags": {"a": "c"}, "revokeRulesOnDelete": True},
        replace={"name": "other", "description": "else"},
    )


@example("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
def default_security_group(engine: Engine) -> Example:
    rule = {"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}
    return Example({"vpcId": a_vpc(engine).id, "tags": {"a": "b"}}, update={"ingress": [rule]}, outlives=True)


@example("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
def ingress_rule(engine: Engine) -> Example:
    vpc = a_vpc(engine)
    return Example(
        {
            "securityGroupId": a_group(engine, vpc).id,
            "referencedSecurityGroupId": a_group(engine, vpc).id,
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "description": "from the functions",
            "tags": {"a": "b"},
        },
        update={"tags": {"a": "c"}},
        replace={"fromPort": 80, "description": "else"},
    )


@example("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
def egress_rule(engine: Engine) -> Example:
    group = a_group(engine, a_vpc(engine))
    prefix_list = engine.invoke("aws:ec2/getPrefixList:getPrefixList", name="com.amazonaws.us-east-1.dynamodb")["id"]
    return Example(
        {
            "securityGroupId": group.id,
            "prefixListId": prefix_list,
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
        },
        update={"tags": {"a": "c"}},
        replace={"ipProtocol": "udp"},
    )


@example("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
def egress_rule_for_all(engine: Engine) -> Example:
    group = a_group(engine, a_vpc(engine))
    return Example({"securityGroupId": group.id, "cidrIpv4": "0.0.0.0/0", "ipProtocol": "-1"})


@example("aws:ec2/networkAcl:NetworkAcl")
def network_acl(engine: Engine) -> Example:
    return Example({"vpcId": a_vpc(engine).id}, update={"tags": {"a": "b"}})


@example("aws:ec2/networkAclRule:NetworkAclRule")
def network_acl_rule(engine: Engine) -> Example:
    acl = engine.make("aws:ec2/networkAcl:NetworkAcl", vpcId=a_vpc(engine).id)
    return Example(
        {
            "networkAclId": acl.id,
            "ruleNumber": 100,
            "egress": True,
            "protocol": "tcp",
            "ruleAction": "allow",
            "cidrBlock": "0.0.0.0/0",
            "fromPort": 443,
            "toPort": 443,
        },
        replace={"toPort": 444, "ruleNumber": 101},
        import_id=f"{acl.id}:100:tcp:true",
    )


@example("aws:ec2/networkAclAssociation:NetworkAclAssociation")
def network_acl_association(engine: Engine) -> Example:
    vpc = a_vpc(engine)
    acl = engine.make("aws:ec2/networkAcl:NetworkAcl", vpcId=vpc.id)
    return Example({"networkAclId": acl.id, "subnetId": a_subnet(engine, vpc).id}, replace={"subnetId": "subnet-other"})


@example("aws:ec2/vpcEndpoint:VpcEndpoint")
def gateway_endpoint(engine: Engine) -> Example:
    vpc = a_vpc(engine)
    table, other = (engine.make("aws:ec2/routeTable:RouteTable", vpcId=vpc.id) for _ in range(2))
    return Example(
        {
            "vpcId": vpc.id,
            "serviceName": "com.amazonaws.us-east-1.dynamodb",
            "routeTableIds": [table.id],
            "policy": '{"Version": "2012-10-17", "Statement": []}',
        },
        update={"routeTableIds": [other.id, table.id], "tags": {"a": "b"}},
        replace={"vpcEndpointType": "Interface"},
        unset=("networkInterfaceIds", "requesterManaged"),
    )


@example("aws:ec2/vpcEndpoint:VpcEndpoint")
def interface_endpoint(engine: Engine) -> Example:
    vpc = a_vpc(engine)
    return Example(
        {
            "vpcId": vpc.id,
            "serviceName": "com.amazonaws.us-east-1.secretsmanager",
            "vpcEndpointType": "Interface",
            "privateDnsEnabled": True,
            "subnetIds": [a_subnet(engine, vpc, 1).id, a_subnet(engine, vpc, 2).id],
            "securityGroupIds": [a_group(engine, vpc).id],
        },
        update={"securityGroupIds": [a_group(engine, vpc).id], "privateDnsEnabled": False},
        unset=("networkInterfaceIds", "requesterManaged", "prefixListId"),
    )


@example("aws:ec2/flowLog:FlowLog")
def flow_log(engine: Engine) -> Example:
    return Example(
        {
            "vpcId": a_vpc(engine).id,
            "trafficType": "REJECT",
            "logDestination": "arn:aws:logs:us-east-1:000000000000:log-group:flows",
            "iamRoleArn": "arn:aws:iam::000000000000:role/flows",
            "maxAggregationInterval": 60,
        },
        update={"tags": {"a": "b"}},
        replace={"trafficType": "ALL"},
    )


@example("aws:ec2/internetGateway:InternetGateway")
def internet_gateway(engine: Engine) -> Example:
    return Example(
        {"vpcId": a_vpc(engine).id, "tags": {"a": "b"}}, update={"vpcId": a_vpc(engine).id, "tags": {"a": "c"}}
    )


@example("aws:ec2/route:Route")
def route(engine: Engine) -> Example:
    vpc = a_vpc(engine)
    table = engine.make("aws:ec2/routeTable:RouteTable", vpcId=vpc.id)
    gateways = [engine.make("aws:ec2/internetGateway:InternetGateway", vpcId=each.id) for each in (vpc, a_vpc(engine))]
    return Example(
        {"routeTableId": table.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateways[0].id},
        update={"gatewayId": gateways[1].id},
        replace={"destinationCidrBlock": "10.9.0.0/16"},
    )
