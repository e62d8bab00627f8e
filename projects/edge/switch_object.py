"""The stop switch itself: one object in a bucket of its own, which Route 53's health checkers may read."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from shared import naming, stop_switch
from shared.components import iam
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
        options = region.options(self)
        bucket = aws.s3.Bucket(
            name,
            bucket=region.named(naming.STOP_SWITCH_BUCKET),
            force_destroy=True,  # an environment can be destroyed whole
            opts=options,
        )
        self.bucket_name, self.bucket_arn = bucket.bucket, bucket.arn
        self.arn = pulumi.Output.concat(bucket.arn, "/", stop_switch.KEY)
        self.host = bucket.bucket.apply(lambda each: stop_switch.host(each, region.name))

        versioning = aws.s3.BucketVersioning(
            name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=options
        )
        encryption = aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": stop_switch.ENCRYPTION}}],
            opts=options,
        )
        aws.s3.BucketOwnershipControls(
            name, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=options
        )
        blocked = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=options,
        )
        policy = aws.s3.BucketPolicy(
            name,
            bucket=bucket.id,
            policy=iam.document(*switch_statements(bucket.arn, self.arn, checker_ranges(region))),
            opts=region.options(self, depends_on=[blocked]),  # S3 refuses to change both at once
        )
        says = aws.s3.BucketObjectv2(
            name,
            bucket=bucket.id,
            key=stop_switch.KEY,
            content=stop_switch.RUN,
            content_type=stop_switch.CONTENT_TYPE,
            server_side_encryption=stop_switch.ENCRYPTION,
            # The next version, which a person or the latch writes, has no tags.
            override_provider={"default_tags": {"tags": {}}},
            # What it says belongs to operators and the latch, and with it what S3 makes of that.
            opts=region.options(
                self,
                depends_on=[versioning, encryption],
                ignore_changes=["content", "contentType", "serverSideEncryption", "etag", "versionId", "tagsAll"],
            ),
        )
        self.readable = [policy, says]
        self.register_outputs({})


def checker_ranges(region: Region) -> Sequence[str]:
    """The CIDRs from which Route 53's health checkers ask, as AWS publishes them at the time of the update.

    IPv4 alone: of an endpoint that has a name a checker asks an IPv4 address (Route 53 API Reference,
    HealthCheckConfig, FullyQualifiedDomainName). The ranges of AWS's other partitions are among them: they may read
    one word.
    """
    found = aws.get_ip_ranges(services=[CHECKERS], opts=pulumi.InvokeOptions(provider=region.provider))
    return sorted(found.cidr_blocks)


def switch_statements(
    bucket: pulumi.Input[str], switch: pulumi.Input[str], ranges: Sequence[str]
) -> list[iam.Statement]:
    """The policy of the switch's bucket: the checkers may read the one object, over TLS, and nobody may hide it.

    To S3 a policy is not public if it limits access to a set of CIDRs by `aws:SourceIp` (S3 API Reference,
    PublicAccessBlockConfiguration), so all four blocks stay on. Writers come by their own roles' policies.
    """
    return [
        iam.deny(
            ["s3:*"],
            [bucket, pulumi.Output.concat(bucket, "/*")],
            principal="*",
            condition={"Bool": {"aws:SecureTransport": "false"}},
            sid="TlsOnly",
        ),
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
