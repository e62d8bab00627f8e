"""The stop switch itself: one object in a bucket of its own, which Route 53's health checkers may read."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from shared import naming, stop_switch
from shared.components import iam
from shared.components.buckets import private_bucket
from shared.components.regions import Region

CHECKERS = "route53_healthchecks"
"""The service by which AWS publishes the checkers' addresses."""


class SwitchObject(pulumi.ComponentResource):
    """An object that says `primary: run` or `primary: stop`. Operators and the latch write it, the checkers read it.

    Attributes: bucket_name, bucket_arn, arn (of the object), host, readable (what must be there for it to be read).
    """

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]
    arn: pulumi.Output[str]
    host: pulumi.Output[str]
    readable: Sequence[pulumi.Resource]

    def __init__(self, name: str, region: Region, *, parent: pulumi.Resource) -> None:
        super().__init__("payments:edge:SwitchObject", name, opts=pulumi.ResourceOptions(parent=parent))
        made = private_bucket(
            name,
            region,
            naming.STOP_SWITCH_BUCKET,
            {"apply_server_side_encryption_by_default": {"sse_algorithm": stop_switch.ENCRYPTION}},
            lambda arn: switch_statements(_object(arn), checker_ranges(region)),
            parent=self,
        )
        self.bucket_name, self.bucket_arn = made.bucket.bucket, made.bucket.arn
        self.arn = _object(self.bucket_arn)
        self.host = made.bucket.bucket.apply(lambda each: stop_switch.host(each, region.name))
        says = aws.s3.BucketObjectv2(
            name,
            bucket=made.bucket.id,
            key=stop_switch.KEY,
            content=stop_switch.DEPLOYED,
            content_type=stop_switch.CONTENT_TYPE,
            server_side_encryption=stop_switch.ENCRYPTION,
            # The next version, which a person or the latch writes, has no tags.
            override_provider={"default_tags": {"tags": {}}},
            # What it says belongs to operators and the latch, and with it what S3 makes of that.
            opts=region.options(
                self,
                depends_on=[made.versioning, made.encryption],
                ignore_changes=["content", "contentType", "serverSideEncryption", "etag", "versionId", "tagsAll"],
            ),
        )
        self.readable = [made.policy, says]
        self.register_outputs({})


def checker_ranges(region: Region) -> Sequence[str]:
    """The CIDRs from which Route 53's health checkers ask, as AWS publishes them at the time of the update.

    IPv4 alone: of an endpoint that has a name a checker asks an IPv4 address (Route 53 API Reference,
    HealthCheckConfig, FullyQualifiedDomainName). The ranges of AWS's other partitions are among them: they may read
    one word.
    """
    found = aws.get_ip_ranges(services=[CHECKERS], opts=pulumi.InvokeOptions(provider=region.provider))
    return sorted(found.cidr_blocks)


def _object(bucket: pulumi.Output[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat(bucket, "/", stop_switch.KEY)


def switch_statements(switch: pulumi.Input[str], ranges: Sequence[str]) -> list[iam.Statement]:
    """What the policy of the switch's bucket says: the checkers may read the one object, and nobody may hide it.

    To S3 a policy is not public if it limits access to a set of CIDRs by `aws:SourceIp` (S3 API Reference,
    PublicAccessBlockConfiguration), so all four blocks stay on. Writers come by their own roles' policies.
    """
    return [
        iam.allow(
            ["s3:GetObject"],
            [switch],
            principal="*",
            condition={"IpAddress": {"aws:SourceIp": list(ranges)}},
            sid=stop_switch.READERS,
        ),
        iam.deny(
            ["s3:PutObject"],
            [switch],
            principal="*",
            # Only where a writer asks for another encryption: without a word S3 takes the bucket's.
            condition={
                "Null": {"s3:x-amz-server-side-encryption": "false"},
                "StringNotEquals": {"s3:x-amz-server-side-encryption": stop_switch.ENCRYPTION},
            },
            sid="CheckersCanReadWhatIsWritten",
        ),
    ]
