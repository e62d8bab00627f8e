"""Where access logs go: S3 and Elastic Load Balancing take no bucket into which they could not write.

The logs themselves are not written here. An order in which a bucket or its policy comes too late fails all the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb

from sandbox.cloud.repairs.storage import when_loaded
from sandbox.cloud.waiting import region_of

if TYPE_CHECKING:
    Answer = tuple[int, dict[str, str], bytes]
    Parameters = dict[str, Any]

DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
PREFIX = "access_logs.s3."


def of_buckets() -> None:
    """A bucket logs into any bucket, also one that is not there or in another region."""
    when_loaded(_repair_s3)


def _repair_s3() -> None:
    from ministack.services import s3  # noqa: PLC0415 - see when_loaded

    put = s3._put_bucket_logging

    def checked(name: str, body: bytes) -> Answer:
        target = re.search(rb"<TargetBucket>([^<]*)</TargetBucket>", body)
        answer: Answer
        if not target or name not in s3._buckets:
            answer = put(name, body)
        elif (there := target[1].decode()) not in s3._buckets:
            message = "The target bucket for logging does not exist"
            answer = s3._error("InvalidTargetBucketForLogging", message, 400)
        elif region_of(s3._buckets[there]) != region_of(s3._buckets[name]):
            answer = s3._error("CrossLocationLoggingProhibitted", "Cross S3 location logging not allowed.", 403)
        else:
            answer = put(name, body)
        return answer

    s3._put_bucket_logging = checked


def of_load_balancers() -> None:
    """A load balancer logs into any bucket, whether it may write there or not."""
    modify = alb._ACTION_MAP["ModifyLoadBalancerAttributes"]

    def modified(parameters: Parameters) -> Answer:
        arn, wanted = alb._p(parameters, "LoadBalancerArn"), _attributes(parameters)
        if arn in alb._lbs and wanted.get(f"{PREFIX}enabled") == "true":
            bucket = wanted.get(f"{PREFIX}bucket", "")
            if not _may_log(arn, bucket, wanted.get(f"{PREFIX}prefix", "")):
                message = f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
                refused: Answer = alb._error("InvalidConfigurationRequest", message, 400)
                return refused
        answer: Answer = modify(parameters)
        return answer

    alb._ACTION_MAP["ModifyLoadBalancerAttributes"] = modified


def _attributes(parameters: Parameters) -> dict[str, str]:
    found, number = {}, 1
    while key := alb._p(parameters, f"Attributes.member.{number}.Key"):
        found[key] = alb._p(parameters, f"Attributes.member.{number}.Value")
        number += 1
    return found


def _may_log(balancer: str, bucket: str, prefix: str) -> bool:
    """Whether a bucket of the load balancer's region lets the service write the test file that it begins with."""
    if "s3" not in app._loaded_modules:
        return False
    from ministack.services import s3  # noqa: PLC0415 - see when_loaded

    if bucket not in s3._buckets or region_of(s3._buckets[bucket]) != get_region():
        return False
    folder = f"{prefix}/AWSLogs" if prefix else "AWSLogs"
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="s3:PutObject",
        resource_arn=f"arn:aws:s3:::{bucket}/{folder}/{get_account_id()}/ELBAccessLogTestFile",
        region=get_region(),
        service_context={"aws:sourcearn": balancer, "aws:securetransport": "true"},
    )
    policies = s3._bucket_policies
    policy = policies[bucket] if bucket in policies else None  # noqa: SIM401 - only its name is known, not its methods
    return bool(evaluate_resource_policy(policy, context, service=DELIVERY).decision == "Allow")
