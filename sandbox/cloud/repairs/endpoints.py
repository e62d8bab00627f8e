"""VPC endpoints and flow logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.services import ec2

from sandbox.cloud.repairs.xml import element, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cloud.repairs.xml import Answer, Parameters

    Action = Callable[[Parameters], Answer]

_parameter = ec2._p
_members = ec2._parse_member_list

_EVERYTHING = '{"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]}'
"""AWS's policy of an endpoint that was created without one."""
_LOG_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)


def vpc_endpoints() -> None:
    """Endpoints lose their policy, security groups and private DNS, and keep a policy that is reset."""
    create: Action = ec2._ACTION_MAP["CreateVpcEndpoint"]
    modify: Action = ec2._ACTION_MAP["ModifyVpcEndpoint"]
    stored, xml = ec2._vpc_endpoints, ec2._vpce_fields_xml

    def created(parameters: Parameters) -> Answer:
        before = set(stored)
        create(parameters)
        (endpoint,) = (stored[identity] for identity in set(stored) - before)
        endpoint["PolicyDocument"] = _parameter(parameters, "PolicyDocument") or _EVERYTHING
        endpoint["SecurityGroupIds"] = _members(parameters, "SecurityGroupId")
        endpoint["PrivateDnsEnabled"] = _parameter(parameters, "PrivateDnsEnabled") == "true"
        answer: Answer = ec2._xml(200, "CreateVpcEndpointResponse", fields(endpoint, "vpcEndpoint"))
        return answer

    def modified(parameters: Parameters) -> Answer:
        answer = modify(parameters)
        endpoint = stored.get(_parameter(parameters, "VpcEndpointId"))
        if endpoint is not None:
            removed = set(_members(parameters, "RemoveSecurityGroupId"))
            groups = [*endpoint["SecurityGroupIds"], *_members(parameters, "AddSecurityGroupId")]
            endpoint["SecurityGroupIds"] = [group for group in dict.fromkeys(groups) if group not in removed]
            if given := _parameter(parameters, "PrivateDnsEnabled"):
                endpoint["PrivateDnsEnabled"] = given == "true"
            if _parameter(parameters, "ResetPolicy") == "true":
                endpoint["PolicyDocument"] = _EVERYTHING
        return answer

    def fields(endpoint: dict[str, Any], tag: str = "item") -> str:
        groups = [{"groupId": group, "groupName": group} for group in endpoint.get("SecurityGroupIds", ())]
        return within(
            xml(endpoint, tag),
            element("policyDocument", endpoint.get("PolicyDocument", _EVERYTHING)),
            element("groupSet", groups),
            element("privateDnsEnabled", endpoint.get("PrivateDnsEnabled", False)),
        )

    ec2._ACTION_MAP["CreateVpcEndpoint"] = created
    ec2._ACTION_MAP["ModifyVpcEndpoint"] = modified
    ec2._vpce_fields_xml = fields


def flow_logs() -> None:
    """Flow logs lose their role, interval, format and tags, and name a log group by its ARN only."""
    create: Action = ec2._ACTION_MAP["CreateFlowLogs"]
    describe: Action = ec2._ACTION_MAP["DescribeFlowLogs"]
    stored = ec2._flow_logs

    def created(parameters: Parameters) -> Answer:
        before = set(stored)
        answer = create(parameters)
        for identity in set(stored) - before:
            ec2._parse_tag_specs(parameters, "vpc-flow-log", identity)
            stored[identity]["More"] = {
                "deliverLogsPermissionArn": _parameter(parameters, "DeliverLogsPermissionArn") or None,
                "maxAggregationInterval": _parameter(parameters, "MaxAggregationInterval") or "600",
                "logFormat": _parameter(parameters, "LogFormat") or _LOG_FORMAT,
                "logGroupName": _group(stored[identity]["LogDestination"]),
                "deliverLogsStatus": "SUCCESS",
            }
        return answer

    def described(parameters: Parameters) -> Answer:
        status, headers, body = describe(parameters)
        text = body.decode()
        for identity, flow_log in stored.items():
            marker = element("flowLogId", identity)
            more = (element(name, value) for name, value in flow_log.get("More", {}).items() if value is not None)
            text = text.replace(marker, marker + "".join(more))
        return status, headers, text.encode()

    ec2._ACTION_MAP["CreateFlowLogs"] = created
    ec2._ACTION_MAP["DescribeFlowLogs"] = described


def _group(destination: str) -> str | None:
    """The log group of a destination, which is its name or its ARN; None for a bucket."""
    if not destination.startswith("arn:"):
        return destination
    return destination.split(":")[6] if ":log-group:" in destination else None
