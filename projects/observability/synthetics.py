"""CloudWatch Synthetics: canaries that pay every five minutes, with what they found kept in a bucket."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi
import pulumi_aws as aws

from projects.observability.alarm_rule import Watched
from projects.observability.canary import READ, reads_of_a_client
from projects.observability.rules import CANARIES_ASK
from shared import naming
from shared.components import iam
from shared.components.buckets import expiring_bucket
from shared.components.regions import Region
from shared.packaging.packages import SCRIPT_HANDLER, script
from shared.roles import Role

FUNCTION = "synthetics"
RUNTIME = "syn-python-selenium-14.0"
"""AWS deprecates a runtime some two years after its release, and makes no canary of a deprecated one.

CloudWatch User Guide, "Runtime versions using Python and Selenium Webdriver", has this as the newest (2026-11).
`./invoke readiness` asks AWS when it ends.
"""
SCHEDULE = "rate(5 minutes)"
MEMORY_MB = 960
"""The least that Synthetics takes."""
TIMEOUT = 60
"""Seconds. A run makes four requests of 5 s at most."""
KEPT_DAYS = 31
RESULTS = "results"
"""The folder of the bucket."""
ENDPOINT, PEER_ENDPOINT, API_KEYS_SECRET = READ


class Synthetics(pulumi.ComponentResource):
    """The region's canaries: one pays in the region itself, and the secondary's second one in the primary.

    They run outside the VPC, which has no way to the API's public name, with a role of their own that may read where
    the regions are and a client's key, keep results and measure. They log into their results: the log group that
    Synthetics would make is left behind when a canary goes, so the role is denied to make it. Of AWS's list of a role's
    rights ("Required roles and permissions for canaries") those to that log group are left out for this, and
    s3:ListAllMyBuckets and xray:PutTraceSegments, which know no resource: nothing is traced.
    """

    def __init__(self, name: str, watched: Watched) -> None:
        super().__init__("payments:observability:Synthetics", name)
        region = watched.region
        self._name = name
        self._watched = watched
        bucket = self._bucket()
        role, policy = self._role(bucket)
        for target in CANARIES_ASK[region.role]:
            aws.synthetics.Canary(
                f"{name}-{target}",
                name=region.named(naming.synthetics(target)),
                artifact_s3_location=pulumi.Output.concat("s3://", bucket.bucket, "/", RESULTS),
                execution_role_arn=role.arn,
                handler=SCRIPT_HANDLER,
                # Seen from the program's folder: no machine's own path gets into the state.
                zip_file=os.path.relpath(script(FUNCTION), Path.cwd()),
                runtime_version=RUNTIME,
                schedule={"expression": SCHEDULE, "duration_in_seconds": 0},
                run_config={
                    "timeout_in_seconds": TIMEOUT,
                    "memory_in_mb": MEMORY_MB,
                    "environment_variables": {
                        "PARAMETERS": region.named_once(naming.PARAMETERS),
                        "TARGET": _parameter(target, region),
                    },
                },
                success_retention_period=KEPT_DAYS,
                failure_retention_period=KEPT_DAYS,
                start_canary=True,
                delete_lambda=True,
                opts=region.options(self, depends_on=[policy]),
            )
        self.register_outputs({})

    def _bucket(self) -> aws.s3.Bucket:
        region = self._watched.region
        made = expiring_bucket(self._name, region, naming.ARTIFACT_BUCKET, KEPT_DAYS, lambda _: [], parent=self)
        return made.bucket

    def _role(self, bucket: aws.s3.Bucket) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        region = self._watched.region
        named = region.named(naming.CANARY_ROLE)
        targets = [_parameter(target, region) for target in CANARIES_ASK[region.role]]
        role = aws.iam.Role(
            self._name,
            name=named,
            description="What the canaries of CloudWatch Synthetics may do",
            assume_role_policy=iam.trust("lambda.amazonaws.com"),
            opts=region.options(self),
        )
        policy = aws.iam.RolePolicy(
            self._name,
            name=named,
            role=role.name,
            policy=iam.document(
                iam.allow(["s3:GetObject", "s3:PutObject"], [pulumi.Output.concat(bucket.arn, f"/{RESULTS}/*")]),
                iam.allow(["s3:GetBucketLocation"], [bucket.arn]),
                iam.allow(
                    ["cloudwatch:PutMetricData"],
                    ["*"],
                    condition={"StringEquals": {"cloudwatch:namespace": "CloudWatchSynthetics"}},
                ),
                iam.deny(["logs:CreateLogGroup"], ["*"]),
                *reads_of_a_client(region, self._watched, [*targets, API_KEYS_SECRET]),
            ),
            opts=region.options(self),
        )
        return role, policy


def _parameter(target: Role, region: Region) -> str:
    """Where a canary finds the URL of the region that it asks."""
    return ENDPOINT if target == region.role else PEER_ENDPOINT
