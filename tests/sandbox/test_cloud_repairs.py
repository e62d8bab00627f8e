"""What is written to the emulator reads back as on AWS: one test, or more, for each of `sandbox.cloud.repairs`."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

HOME, OTHER = "us-east-1", "us-east-2"


def name() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def vpc(cloud: RunningCloud) -> str:
    return str(cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def subnet(cloud: RunningCloud, vpc: str) -> str:
    return str(cloud.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"])


def acls(cloud: RunningCloud, **filters: str) -> list[dict[str, Any]]:
    named = [{"Name": key.replace("__", ".").replace("_", "-"), "Values": [value]} for key, value in filters.items()]
    found: list[dict[str, Any]] = cloud.client("ec2").describe_network_acls(Filters=named)["NetworkAcls"]
    return found


def test_network_acl_entry_keeps_its_ports(cloud: RunningCloud, vpc: str) -> None:
    ec2 = cloud.client("ec2")
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"RuleNumber": 100, "Protocol": "6", "RuleAction": "allow", "Egress": True, "CidrBlock": "0.0.0.0/0"}
    ec2.create_network_acl_entry(NetworkAclId=acl, **entry, PortRange={"From": 443, "To": 444})
    (found,) = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    assert found == {**entry, "PortRange": {"From": 443, "To": 444}}
    with pytest.raises(ClientError, match="NetworkAclEntryAlreadyExists"):
        ec2.create_network_acl_entry(NetworkAclId=acl, **entry)
    ec2.create_network_acl_entry(NetworkAclId=acl, **{**entry, "Egress": False})
    ec2.replace_network_acl_entry(NetworkAclId=acl, **entry, PortRange={"From": 80, "To": 80})
    ports = [
        each.get("PortRange") for each in ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    ]
    assert ports == [None, {"From": 80, "To": 80}]


def test_subnet_moves_from_the_default_network_acl_to_another(cloud: RunningCloud, vpc: str, subnet: str) -> None:
    ec2 = cloud.client("ec2")
    (default,) = acls(cloud, association__subnet_id=subnet)
    assert default["VpcId"] == vpc
    assert default["IsDefault"]
    (before,) = default["Associations"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    wanted = {"AssociationId": before["NetworkAclAssociationId"], "NetworkAclId": acl}
    after = ec2.replace_network_acl_association(**wanted)["NewAssociationId"]
    (found,) = acls(cloud, association__association_id=after)
    assert found["NetworkAclId"] == acl
    assert [each["SubnetId"] for each in found["Associations"]] == [subnet]
    assert acls(cloud, association__association_id=before["NetworkAclAssociationId"]) == []
    with pytest.raises(ClientError, match=r"InvalidAssociationID\.NotFound"):
        ec2.replace_network_acl_association(**wanted)
    ec2.delete_subnet(SubnetId=subnet)
    assert acls(cloud, association__subnet_id=subnet) == []


def test_security_group_rule_keeps_its_prefix_list(cloud: RunningCloud, vpc: str) -> None:
    ec2 = cloud.client("ec2")
    prefix_list = ec2.describe_prefix_lists()["PrefixLists"][0]["PrefixListId"]
    group = ec2.create_security_group(GroupName=name(), Description="d", VpcId=vpc)["GroupId"]
    to = {"PrefixListId": prefix_list, "Description": "gateway endpoint"}
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [to]}
    rule = ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[permission])["SecurityGroupRules"][0]
    assert (rule["PrefixListId"], rule["Description"]) == (prefix_list, "gateway endpoint")
    identity = rule["SecurityGroupRuleId"]
    assert ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity])["SecurityGroupRules"] == [rule]


def test_interface_endpoint_keeps_policy_groups_and_private_dns(cloud: RunningCloud, vpc: str, subnet: str) -> None:
    ec2 = cloud.client("ec2")
    groups = [ec2.create_security_group(GroupName=name(), Description="d", VpcId=vpc)["GroupId"] for _ in range(2)]
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    created = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.kms",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        SecurityGroupIds=groups[:1],
        PrivateDnsEnabled=True,
        PolicyDocument=policy,
    )["VpcEndpoint"]

    def shape(endpoint: dict[str, Any]) -> tuple[Any, ...]:
        return (
            endpoint["PolicyDocument"],
            [each["GroupId"] for each in endpoint["Groups"]],
            endpoint["PrivateDnsEnabled"],
        )

    assert shape(created) == (policy, groups[:1], True)
    endpoint = created["VpcEndpointId"]
    ec2.modify_vpc_endpoint(
        VpcEndpointId=endpoint,
        AddSecurityGroupIds=groups[1:],
        RemoveSecurityGroupIds=groups[:1],
        PrivateDnsEnabled=False,
    )
    (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    assert shape(found) == (policy, groups[1:], False)


def test_flow_log_keeps_role_interval_group_and_tags(cloud: RunningCloud, vpc: str) -> None:
    ec2, group = cloud.client("ec2"), name()
    tags = [{"Key": "a", "Value": "b"}]
    role = "arn:aws:iam::000000000000:role/flow"
    (identity,) = ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="REJECT",
        LogDestination=f"arn:aws:logs:us-east-1:000000000000:log-group:{group}",
        DeliverLogsPermissionArn=role,
        MaxAggregationInterval=60,
        TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": tags}],
    )["FlowLogIds"]
    (found,) = ec2.describe_flow_logs(FlowLogIds=[identity])["FlowLogs"]
    assert found["DeliverLogsPermissionArn"] == role
    assert found["MaxAggregationInterval"] == 60
    assert found["LogGroupName"] == group
    assert found["LogFormat"].startswith("${version} ")
    assert found["Tags"] == tags


def global_table(cloud: RunningCloud, **update: Any) -> tuple[str, dict[str, Any]]:
    dynamodb, table = cloud.client("dynamodb"), name()
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return table, dynamodb.update_table(TableName=table, **update)["TableDescription"]


def test_strongly_consistent_table_tells_its_witness_and_the_replicas_keys(cloud: RunningCloud) -> None:
    key = "arn:aws:kms:us-east-2:000000000000:key/mrk-0"
    table, updated = global_table(
        cloud,
        MultiRegionConsistency="STRONG",
        ReplicaUpdates=[{"Create": {"RegionName": OTHER, "KMSMasterKeyId": key}}],
        GlobalTableWitnessUpdates=[{"Create": {"RegionName": "us-west-2"}}],
    )
    for found in (updated, cloud.client("dynamodb").describe_table(TableName=table)["Table"]):
        assert found["MultiRegionConsistency"] == "STRONG"
        assert found["GlobalTableWitnesses"] == [{"RegionName": "us-west-2", "WitnessStatus": "ACTIVE"}]
        assert found["Replicas"] == [{"RegionName": OTHER, "ReplicaStatus": "ACTIVE", "KMSMasterKeyId": key}]
        assert "StreamSpecification" not in found
    assert (
        cloud.client("dynamodb", OTHER).describe_table(TableName=table)["Table"]["MultiRegionConsistency"] == "STRONG"
    )
    cloud.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "x"}})
    assert "Item" in cloud.client("dynamodb", OTHER).get_item(TableName=table, Key={"pk": {"S": "x"}})
    alone = cloud.client("dynamodb").update_table(
        TableName=table,
        ReplicaUpdates=[{"Delete": {"RegionName": OTHER}}],
        GlobalTableWitnessUpdates=[{"Delete": {"RegionName": "us-west-2"}}],
    )["TableDescription"]
    assert not {"MultiRegionConsistency", "GlobalTableWitnesses", "Replicas"} & alone.keys()


def test_eventually_consistent_table_replicates_by_streams(cloud: RunningCloud) -> None:
    _, found = global_table(cloud, ReplicaUpdates=[{"Create": {"RegionName": OTHER}}])
    assert found["StreamSpecification"]["StreamEnabled"]
    assert "MultiRegionConsistency" not in found


def test_recovery_period_is_kept(cloud: RunningCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    table, _ = global_table(cloud, ReplicaUpdates=[{"Create": {"RegionName": OTHER}}])
    wanted = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=wanted)
    found = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert found["PointInTimeRecoveryDescription"]["RecoveryPeriodInDays"] == 7


def test_secret_is_created_with_its_replicas_and_deleted_after_them(cloud: RunningCloud) -> None:
    secrets, there, secret = cloud.client("secretsmanager"), cloud.client("secretsmanager", OTHER), name()
    created = secrets.create_secret(Name=secret, SecretString="one", AddReplicaRegions=[{"Region": OTHER}])
    assert [each["Region"] for each in created["ReplicationStatus"]] == [OTHER]
    assert there.get_secret_value(SecretId=secret)["SecretString"] == "one"
    secrets.put_secret_value(SecretId=secret, SecretString="two")
    assert there.get_secret_value(SecretId=secret)["SecretString"] == "two"
    removed = secrets.remove_regions_from_replication(SecretId=secret, RemoveReplicaRegions=[OTHER])
    assert removed["ReplicationStatus"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        there.describe_secret(SecretId=secret)
    secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


def test_replica_can_become_a_secret_of_its_own(cloud: RunningCloud) -> None:
    secrets, there, secret = cloud.client("secretsmanager"), cloud.client("secretsmanager", OTHER), name()
    secrets.create_secret(Name=secret, SecretString="one", AddReplicaRegions=[{"Region": OTHER}])
    there.stop_replication_to_replica(SecretId=secret)
    there.put_secret_value(SecretId=secret, SecretString="own")
    assert there.get_secret_value(SecretId=secret)["SecretString"] == "own"


def test_a_promoted_replica_is_written_over_by_force_alone(cloud: RunningCloud) -> None:
    secrets, there, secret = cloud.client("secretsmanager"), cloud.client("secretsmanager", OTHER), name()
    replicas = {"SecretId": secret, "AddReplicaRegions": [{"Region": OTHER}]}
    secrets.create_secret(Name=secret, SecretString="one", AddReplicaRegions=[{"Region": OTHER}])
    there.stop_replication_to_replica(SecretId=secret)
    there.put_secret_value(SecretId=secret, SecretString="own")

    secrets.put_secret_value(SecretId=secret, SecretString="two")
    assert there.get_secret_value(SecretId=secret)["SecretString"] == "own"
    (status,) = secrets.describe_secret(SecretId=secret)["ReplicationStatus"]
    assert (status["Region"], status["Status"]) == (OTHER, "Failed")

    (status,) = secrets.replicate_secret_to_regions(**replicas)["ReplicationStatus"]
    assert (status["Region"], status["Status"]) == (OTHER, "Failed")
    assert there.get_secret_value(SecretId=secret)["SecretString"] == "own"

    (status,) = secrets.replicate_secret_to_regions(**replicas, ForceOverwriteReplicaSecret=True)["ReplicationStatus"]
    assert (status["Region"], status["Status"]) == (OTHER, "InSync")
    assert there.get_secret_value(SecretId=secret)["SecretString"] == "two"
    with pytest.raises(ClientError, match="InvalidRequestException"):
        there.put_secret_value(SecretId=secret, SecretString="own")


def test_a_promoted_replica_outlives_its_former_primary(cloud: RunningCloud) -> None:
    secrets, there, secret = cloud.client("secretsmanager"), cloud.client("secretsmanager", OTHER), name()
    secrets.create_secret(Name=secret, SecretString="one", AddReplicaRegions=[{"Region": OTHER}])
    there.stop_replication_to_replica(SecretId=secret)
    assert secrets.remove_regions_from_replication(SecretId=secret, RemoveReplicaRegions=[OTHER])
    secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    assert there.get_secret_value(SecretId=secret)["SecretString"] == "one"


def test_a_bucket_logs_into_a_bucket_of_its_region_that_is_there(cloud: RunningCloud) -> None:
    s3, there = cloud.client("s3"), cloud.client("s3", OTHER)
    source, near, far = name(), name(), name()
    for bucket in (source, near):
        s3.create_bucket(Bucket=bucket)
    there.create_bucket(Bucket=far, CreateBucketConfiguration={"LocationConstraint": OTHER})

    def log(target: str) -> None:
        told = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "a/"}}
        s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=told)

    with pytest.raises(ClientError, match="InvalidTargetBucketForLogging"):
        log(name())
    with pytest.raises(ClientError, match="CrossLocationLoggingProhibitted"):
        log(far)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)
    log(near)
    assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"]["TargetBucket"] == near
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)


def test_health_checks_keep_lists_and_booleans(cloud: RunningCloud) -> None:
    route53 = cloud.client("route53")
    regions = ["us-east-1", "us-west-1", "eu-west-1"]
    flags = {"MeasureLatency": True, "Inverted": True, "EnableSNI": False}
    child = route53.create_health_check(
        CallerReference=name(),
        HealthCheckConfig={"Type": "HTTPS", "FullyQualifiedDomainName": "a.example.com", "Regions": regions, **flags},
    )["HealthCheck"]
    assert {key: child["HealthCheckConfig"][key] for key in flags} == flags
    assert child["HealthCheckConfig"]["Regions"] == regions
    parent = route53.create_health_check(
        CallerReference=name(),
        HealthCheckConfig={"Type": "CALCULATED", "HealthThreshold": 1, "ChildHealthChecks": [child["Id"]]},
    )["HealthCheck"]
    found = route53.get_health_check(HealthCheckId=parent["Id"])["HealthCheck"]
    assert found["HealthCheckConfig"]["ChildHealthChecks"] == [child["Id"]]


def test_percentile_alarm_has_no_other_statistic(cloud: RunningCloud) -> None:
    cloudwatch, alarm = cloud.client("cloudwatch"), name()
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/Lambda",
        MetricName="Duration",
        ExtendedStatistic="p99",
        EvaluateLowSampleCountPercentile="ignore",
        Period=10,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="GreaterThanThreshold",
    )
    (found,) = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    assert "Statistic" not in found
    assert (found["ExtendedStatistic"], found["EvaluateLowSampleCountPercentile"]) == ("p99", "ignore")


def test_empty_base_path_is_found_again(cloud: RunningCloud) -> None:
    gateway, domain = cloud.client("apigateway"), f"{name()}.example.com"
    gateway.create_domain_name(domainName=domain, endpointConfiguration={"types": ["REGIONAL"]})
    api = gateway.create_rest_api(name=name())["id"]
    gateway.create_base_path_mapping(domainName=domain, basePath="", restApiId=api, stage="v1")
    found = gateway.get_base_path_mapping(domainName=domain, basePath="(none)")
    assert (found["restApiId"], found["basePath"]) == (api, "(none)")
    gateway.delete_rest_api(restApiId=api)
    gateway.delete_domain_name(domainName=domain)


def test_domain_names_and_their_mappings_can_be_changed(cloud: RunningCloud) -> None:
    gateway, domain = cloud.client("apigateway"), f"{name()}.example.com"
    gateway.create_domain_name(domainName=domain, endpointConfiguration={"types": ["REGIONAL"]})
    policy = {"op": "replace", "path": "/securityPolicy", "value": "TLS_1_2"}
    assert gateway.update_domain_name(domainName=domain, patchOperations=[policy])["securityPolicy"] == "TLS_1_2"
    first, second = (gateway.create_rest_api(name=name())["id"] for _ in range(2))
    gateway.create_base_path_mapping(domainName=domain, basePath="pay", restApiId=first, stage="v1")
    patches = [
        {"op": "replace", "path": "/restapiId", "value": second},
        {"op": "replace", "path": "/stage", "value": "v2"},
    ]
    place = {"domainName": domain, "basePath": "pay"}
    gateway.update_base_path_mapping(**place, patchOperations=patches)
    found = gateway.get_base_path_mapping(**place)
    assert (found["restApiId"], found["stage"]) == (second, "v2")
    with pytest.raises(gateway.exceptions.NotFoundException):
        gateway.update_base_path_mapping(domainName=domain, basePath="other", patchOperations=patches)
    gateway.delete_domain_name(domainName=domain)


def test_a_patch_may_name_a_key_with_a_slash(cloud: RunningCloud) -> None:
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name=name())
    method = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "POST"}
    gateway.put_method(**method, authorizationType="NONE", requestModels={"application/json": "One"})
    patch = {"op": "replace", "path": "/requestModels/application~1json", "value": "Two"}
    gateway.update_method(**method, patchOperations=[patch])
    assert gateway.get_method(**method)["requestModels"] == {"application/json": "Two"}
    gateway.delete_rest_api(restApiId=api["id"])


def test_queue_urls_do_not_name_the_sandbox(cloud: RunningCloud) -> None:
    sqs, queue = cloud.client("sqs", OTHER), name()
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    assert url == f"https://sqs.{OTHER}.amazonaws.com/000000000000/{queue}"
    assert sqs.get_queue_url(QueueName=queue)["QueueUrl"] == url
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "x"


def test_unknown_service_is_refused_at_once(cloud: RunningCloud) -> None:
    began = time.perf_counter()
    with pytest.raises(ClientError, match="400"):
        cloud.client("fis").list_experiments()
    assert time.perf_counter() - began < 2  # without the repair 3, on a machine with nothing else to do


def test_loopback_counts_as_secure_transport(cloud: RunningCloud) -> None:
    name = f"writer-{uuid.uuid4().hex[:8]}"
    iam, s3 = cloud.client("iam", "us-east-1"), cloud.client("s3", "us-east-1")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    write = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*"}
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=_policy(write))
    s3.create_bucket(Bucket=name)
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    everybody = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=_policy(everybody | {"Condition": plain}))

    session = cloud.client("sts", "us-east-1").assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
    writer = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=cloud.endpoint,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    writer.put_object(Bucket=name, Key="record", Body=b"kept")
    with pytest.raises(ClientError, match="AccessDenied"):
        writer.get_object(Bucket=name, Key="record")


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
