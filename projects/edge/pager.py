"""The pager of whoever is on call, subscribed to a region's topic.

Its address wakes people, so whoever has it could: it is in no file, but in a parameter of each region that is encrypted
(SecureString) and made before any environment. Here it is a secret, also in the stack's state.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from shared.components.queues import DeadLetters
from shared.components.regions import Region

RETRIES = {
    "healthyRetryPolicy": {
        "numRetries": 12,
        "numNoDelayRetries": 3,
        "minDelayTarget": 1,
        "maxDelayTarget": 300,
        "backoffFunction": "exponential",
    }
}
"""Three more tries at once, then for some half an hour: SNS's own are three within a minute, and takes an hour at most.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""
CONFIRMED_WITHIN = 2
"""Minutes. Pagers confirm by themselves; one that does not would get nothing, so the update fails."""


def subscribed_pager(
    name: str,
    region: Region,
    parameter: str,
    topic: aws.sns.Topic,
    dead_letters: DeadLetters,
    *,
    parent: pulumi.Resource,
) -> aws.sns.TopicSubscription:
    """Subscribe it. SNS's own envelope is what pagers' integrations take, so nothing is delivered raw.

    What the pager does not take in the end lies in the dead letters, whose alarm mails at least.
    """
    found = aws.ssm.get_parameter_output(
        name=parameter, with_decryption=True, opts=pulumi.InvokeOutputOptions(parent=parent, provider=region.provider)
    )
    address = pulumi.Output.secret(found.value).apply(lambda value: _https(value, f"{parameter} in {region.name}"))
    return aws.sns.TopicSubscription(
        name,
        topic=topic.arn,
        protocol="https",
        endpoint=address,
        endpoint_auto_confirms=True,
        confirmation_timeout_in_minutes=CONFIRMED_WITHIN,
        delivery_policy=pulumi.Output.json_dumps(RETRIES),
        redrive_policy=dead_letters.redrive,
        opts=pulumi.ResourceOptions.merge(
            region.options(parent, depends_on=[dead_letters.policy]),
            pulumi.ResourceOptions(additional_secret_outputs=["endpoint"]),
        ),
    )


def _https(address: str, where: str) -> str:
    """The address. What is wrong with it is said without it."""
    if not address.startswith("https://"):
        raise pulumi.RunError(f"edge.pager: the parameter {where} holds no https address: put the pager's there")
    return address
