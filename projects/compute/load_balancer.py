"""The load balancer of a region, before the same functions that a REST API would call."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.compute.functions import Functions
from shared import naming
from shared.components import iam
from shared.components.buckets import expiring_bucket
from shared.components.function import Function
from shared.components.regions import Region
from shared.contracts import LoadBalancerOutputs, PublicTierOutputs
from shared.naming import Kind

SERVICE = "elasticloadbalancing.amazonaws.com"
LOG_SERVICE = "logdelivery.elasticloadbalancing.amazonaws.com"
IDLE_SECONDS = 60
"""A connection without traffic is kept for so long: longer than any function may take."""


class PaymentLoadBalancer(pulumi.ComponentResource):
    """An Application Load Balancer over the region's zones, and a target group for each function that clients reach.

    Edge gives it its listener, which needs edge's certificate. A load balancer checks no request: the function answers
    for a missing header or a body that is no object itself. Attributes: outputs.
    """

    outputs: LoadBalancerOutputs

    def __init__(
        self, name: str, region: Region, log_days: int, public: PublicTierOutputs, functions: Functions
    ) -> None:
        super().__init__("payments:compute:LoadBalancer", name)
        self._name = name
        self._region = region
        self._options = region.options(self)

        named = region.named(naming.LOAD_BALANCER)
        logs = expiring_bucket(
            f"{name}-logs",
            region,
            naming.BALANCER_LOG_BUCKET,
            log_days,
            lambda arn: [self._log_writer(arn)],
            parent=self,
        )
        balancer = aws.lb.LoadBalancer(
            name,
            name=named,
            load_balancer_type="application",
            internal=False,
            ip_address_type="ipv4",
            subnets=public.subnet_ids,
            security_groups=[public.security_group_id],
            idle_timeout=IDLE_SECONDS,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_deletion_protection=False,
            access_logs={"bucket": logs.bucket.id, "enabled": True},
            # Elastic Load Balancing writes a test file when it is told to log, and refuses a bucket where it may not.
            opts=region.options(self, depends_on=[logs.policy, logs.encryption]),
        )
        payment = self._targets("payment", naming.PAYMENT_TARGETS, functions.payment)
        health = self._targets("health", naming.HEALTH_TARGETS, functions.health)
        self.outputs = LoadBalancerOutputs(
            arn=balancer.arn,
            dns_name=balancer.dns_name,
            dimension=balancer.arn_suffix,
            payment_targets_arn=payment.arn,
            payment_targets_dimension=payment.arn_suffix,
            health_targets_arn=health.arn,
        )
        self.register_outputs({})

    def _log_writer(self, bucket: pulumi.Output[str]) -> iam.Statement:
        """Who writes the access log: the service, for load balancers of this account in the region.

        A pattern with the load balancer's name would be narrower, and AWS documents none: were the source that it
        names another, it would refuse the bucket.
        User Guide for Application Load Balancers, "Enable access logs", Step 2: this principal in all regions, where an
        account of Elastic Load Balancing's was named for the older ones, and the source's ARN as the only condition.
        """
        account = self._region.account
        return iam.allow(
            ["s3:PutObject"],
            [pulumi.Output.concat(bucket, f"/AWSLogs/{account}/*")],
            principal={"Service": LOG_SERVICE},
            condition={"ArnLike": {"aws:SourceArn": self._region.arn("elasticloadbalancing", "loadbalancer/*")}},
            sid="AccessLogs",
        )

    def _targets(self, what: str, kind: Kind, function: Function) -> aws.lb.TargetGroup:
        """The function's live version, as the only target of a group."""
        name = f"{self._name}-{what}"
        group = aws.lb.TargetGroup(
            name,
            name=self._region.named(kind),
            target_type="lambda",
            # All values of a header that is sent twice: with the last one alone, two keys would look like one.
            lambda_multi_value_headers_enabled=True,
            opts=self._options,
        )
        allowed = function.allow("load-balancer", SERVICE, group.arn)
        # Elastic Load Balancing refuses a function that it may not call.
        aws.lb.TargetGroupAttachment(
            name,
            target_group_arn=group.arn,
            target_id=function.alias.arn,
            opts=self._region.options(self, depends_on=[allowed]),
        )
        return group
