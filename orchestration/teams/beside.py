"""Rights that AWS asks for beside those of an operation, and the sandbox does not: from AWS's pages, unproven.

And what a bake asks for, which no recorded deployment has.

By layer: actions, and what they are about, in the language of `targets.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared import naming

Beside = Mapping[str, Sequence[tuple[Sequence[str], Sequence[str]]]]

_ANY: Final = ("*",)
_TABLES: Final = tuple(
    f"arn:aws:dynamodb:{{{region}}}:{{account}}:table/{{PAYMENTS_TABLE.once}}" for region in ("region", "witness")
)
_KEYS: Final = ("arn:aws:kms:{region}:{account}:key/*",)
_IN_A_VPC: Final = ("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs")

BESIDE: Final[Beside] = {
    # docs.aws.amazon.com/vpc/latest/privatelink/security_iam_id-based-policy-examples.html
    # docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, "Understanding Hyperplane Elastic Network
    # Interfaces": what Lambda cannot delete is deleted by hand, and, with its subnets and groups, by the provider:
    # github.com/hashicorp/terraform-provider-aws/pull/4884 has it delete what lingers
    "network": [
        (("ec2:DescribeAvailabilityZones", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcEndpointServices"), _ANY),
        (
            ("ec2:DeleteNetworkInterface", "ec2:DetachNetworkInterface"),
            ("arn:aws:ec2:{region}:{account}:network-interface/*",),
        ),
    ],
    # docs.aws.amazon.com/amazondynamodb/latest/developerguide/globaltables-security.html: of the replica's region the
    # rights to its items, too; .../V2globaltables.tutorial.html: all of these in the witness's region; and for the key
    # .../encryption.usagenotes.html; Secrets Manager and S3 take the caller's right to the key, too
    "data": [
        (
            (
                *("dynamodb:CreateGlobalTableWitness", "dynamodb:DeleteGlobalTableWitness"),
                *("dynamodb:CreateTableReplica", "dynamodb:DeleteTableReplica"),
                *("dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"),
                *("dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"),
            ),
            _TABLES,
        ),
        (
            (
                *("dynamodb:CreateTable", "dynamodb:DeleteTable"),
                *("dynamodb:DescribeTable", "dynamodb:UpdateTable"),
            ),
            _TABLES[1:],
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
    # docs.aws.amazon.com/service-authorization/latest/reference/list_awswafv2.html, AssociateWebACL;
    # .../list_amazonapigatewaymanagement.html, SetWebACL and, for UpdateDomainName, PATCH
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
        (("apigateway:SetWebACL",), (f"arn:aws:apigateway:{{region}}::/restapis/*/stages/{naming.STAGE}",)),
        (("apigateway:PATCH",), ("arn:aws:apigateway:{region}::/domainnames/*.{zone}",)),
    ],
    # docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_Roles.html
    "observability": [
        (
            (
                *("lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction", "lambda:PublishVersion"),
                *("lambda:GetFunctionConfiguration", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
                *("lambda:GetFunction", "lambda:ListTags", "lambda:TagResource"),
            ),
            ("arn:aws:lambda:{region}:{account}:function:cwsyn-{CANARIES.regional}-*",),
        ),
        (
            ("lambda:DeleteLayerVersion", "lambda:GetLayerVersion", "lambda:PublishLayerVersion"),
            ("arn:aws:lambda:{region}:{account}:layer:cwsyn-{CANARIES.regional}-*",),
        ),
        (
            ("lambda:GetLayerVersion",),
            tuple(
                f"arn:aws:lambda:{{region}}:*:layer:{each}:*" for each in ("Synthetics_Selenium", "AWS-CW-Synthetics*")
            ),
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
