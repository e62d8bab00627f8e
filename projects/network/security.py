"""Security groups: functions may speak to endpoints, endpoints listen to functions, and that is all."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.network.vpc import HTTPS, INTERFACES_GO, Vpc
from shared import naming
from shared.components.regions import Region


class Security(pulumi.ComponentResource):
    """The groups `functions` and `endpoints`, with HTTPS from the first to the second.

    Call `open_gateway` for each gateway endpoint: its addresses are a prefix list, not a group.
    """

    functions: aws.ec2.SecurityGroup
    endpoints: aws.ec2.SecurityGroup

    def __init__(self, name: str, region: Region, vpc: Vpc) -> None:
        super().__init__("payments:network:Security", name)
        self._name = name
        self._region = region
        self._options = region.options(self)

        self.functions = self._group(
            "functions", region.named(naming.FUNCTION_SECURITY_GROUP), "Payment functions: out to endpoints only", vpc
        )
        self.endpoints = self._group(
            "endpoints",
            region.named(naming.ENDPOINT_SECURITY_GROUP),
            "Interface endpoints: in from functions only",
            vpc,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-functions-to-endpoints",
            security_group_id=self.functions.id,
            description="HTTPS to the interface endpoints",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            referenced_security_group_id=self.endpoints.id,
            opts=self._options,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-endpoints-from-functions",
            security_group_id=self.endpoints.id,
            description="HTTPS from the payment functions",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            referenced_security_group_id=self.functions.id,
            opts=self._options,
        )
        self.register_outputs({})

    def open_gateway(self, service: str, prefix_list_id: pulumi.Input[str]) -> None:
        """Let functions reach the gateway endpoint of `service`."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-functions-to-{service}",
            security_group_id=self.functions.id,
            description=f"HTTPS to the gateway endpoint of {service}",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            prefix_list_id=prefix_list_id,
            opts=self._options,
        )

    def _group(self, what: str, physical_name: str, description: str, vpc: Vpc) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            f"{self._name}-{what}",
            name=physical_name,
            description=description,
            vpc_id=vpc.id,
            tags={"Name": physical_name},
            opts=self._region.options(self, delete=INTERFACES_GO),
        )
