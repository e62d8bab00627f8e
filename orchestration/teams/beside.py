"""Rights that AWS asks for beside those of an operation, and the sandbox does not: from AWS's pages, unproven.

And what a bake asks for, which no recorded deployment has.

By layer: actions, and what they are about, in the language of `targets.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

Beside = Mapping[str, Sequence[tuple[Sequence[str], Sequence[str]]]]

_ANY: Final = ("*",)
_KEYS: Final = ("arn:aws:kms:{region}:{account}:key/*",)
_IN_A_VPC: Final = ("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs")

BESIDE: Final[Beside] = {
    # docs.aws.amazon.com/vpc/latest/privatelink/security_iam_id-based-policy-examples.html
    "network": [
        (("ec2:DescribeAvailabilityZones", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcEndpointServices"), _ANY),
    ],
    # docs.aws.amazon.com/amazondynamodb/latest/developerguide/globaltables-security.html, and for the key
    # .../encryption.usagenotes.html; Secrets Manager and S3 take the caller's right to the key, too
    "data": [
        (
            ("dynamodb:CreateTableReplica", "dynamodb:DeleteTableReplica"),
            ("arn:aws:dynamodb:{region}:{account}:table/{PAYMENTS_TABLE.once}",),
        ),
        (
            (
                *("kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"),
                *("kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
            ),
            _KEYS,
        ),
    ],
    # docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, "Required IAM permissions"
    # .../AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html: orchestration/baking.py
    "compute": [(_IN_A_VPC, _ANY), (("cloudwatch:DescribeAlarms",), _ANY)],
    # docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html, "Permissions"; who is told of a change of DNS;
    # docs.aws.amazon.com/service-authorization/latest/reference/list_awswafv2.html, AssociateWebACL
    "edge": [
        (
            (
                *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups"),
                *("logs:DescribeResourcePolicies", "logs:PutResourcePolicy"),
            ),
            _ANY,
        ),
        (("route53:GetChange",), ("arn:aws:route53:::change/*",)),
        (("elasticloadbalancing:SetWebAcl",), _ANY),
    ],
    # docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_Roles.html
    "observability": [
        (
            (
                *("lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction", "lambda:PublishVersion"),
                *("lambda:GetFunctionConfiguration", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
            ),
            ("arn:aws:lambda:{region}:{account}:function:cwsyn-{CANARIES.regional}-*",),
        ),
    ],
    # docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html
    "vault": [
        (
            ("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", "kms:RetireGrant"),
            (*_KEYS, "arn:aws:kms:{vault}:{account}:key/*"),
        ),
        (("backup-storage:MountCapsule",), _ANY),
    ],
}

LINKED: Final[Mapping[str, Sequence[str]]] = {
    "data": ("replication.dynamodb.amazonaws.com",),
    "compute": ("elasticloadbalancing.amazonaws.com", "lambda.amazonaws.com", "ops.apigateway.amazonaws.com"),
    "edge": ("wafv2.amazonaws.com",),
    "vault": ("backup.amazonaws.com",),
}
"""Services that make a role of theirs in the account at the first use, in the caller's name
(IAM User Guide, "Service-linked role permissions")."""
