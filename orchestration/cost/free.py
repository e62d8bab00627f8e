"""Types of resources that cost nothing by themselves, each with the page that says so: free is a price, too."""

from __future__ import annotations

from collections.abc import Mapping

from orchestration.cost import prices

ACM = "https://aws.amazon.com/certificate-manager/pricing/"
IAM = "https://aws.amazon.com/iam/"
EVENTBRIDGE = "https://aws.amazon.com/eventbridge/pricing/"
OURS = "no service of AWS: it exists in Pulumi's state alone"

FREE_BY_PAGE: Mapping[str, Mapping[str, str]] = {
    ACM: {"aws:acm": "certificate certificateValidation"},
    prices.API_GATEWAY: {  # requests are paid, at the API
        "aws:apigateway": "account basePathMapping deployment domainName integration method model requestValidator "
        "resource response usagePlan"
    },
    EVENTBRIDGE: {"aws:cloudwatch": "eventRule eventTarget"},  # a rule of the default bus on a schedule
    prices.DYNAMODB: {"aws:dynamodb": "tag"},
    prices.VPC: {
        "aws:ec2": "defaultSecurityGroup internetGateway networkAcl networkAclAssociation networkAclRule route "
        "routeTable routeTableAssociation securityGroup subnet vpc",
        "aws:vpc": "securityGroupEgressRule securityGroupIngressRule",
    },
    IAM: {"aws:iam": "policy role rolePolicy rolePolicyAttachment"},
    prices.KMS: {"aws:kms": "alias"},
    prices.ELB: {"aws:lb": "listener listenerRule targetGroup targetGroupAttachment"},  # the load balancer is paid
    prices.LAMBDA: {
        "aws:lambda": "alias functionEventInvokeConfig invocation permission"
    },  # so are reserved executions
    prices.ROUTE53: {"aws:route53": "record"},  # up to 10,000 in a zone; queries are paid, at the zone
    prices.S3: {
        "aws:s3": "bucketLifecycleConfiguration bucketLogging bucketObjectLockConfiguration bucketObjectv2 "
        "bucketOwnershipControls bucketPolicy bucketPublicAccessBlock bucketServerSideEncryptionConfiguration "
        "bucketVersioning"
    },
    prices.SECRETS: {"aws:secretsmanager": "secretVersion"},
    prices.SNS: {"aws:sns": "topic topicPolicy"},  # deliveries are paid, at the subscription
    prices.SQS: {"aws:sqs": "queue queuePolicy"},  # requests are paid, at the mapping that polls
    prices.BACKUP: {"aws:backup": "selection vault vaultLockConfiguration vaultPolicy"},  # storage is paid
    prices.WAF: {"aws:wafv2": "ipSet webAclAssociation webAclLoggingConfiguration"},
    OURS: {"random:index": "randomPassword"},
}

FREE: Mapping[str, str] = {
    f"{module}/{name}": page
    for page, modules in FREE_BY_PAGE.items()
    for module, names in modules.items()
    for name in names.split()
}
"""A type without its class, such as `aws:ec2/vpc` -> the page."""


def free(kind: str) -> str | None:
    """Where it says that a type is free; None for one that is not known to be. `kind`: `aws:ec2/vpc:Vpc`."""
    return FREE.get(kind.rpartition(":")[0])
