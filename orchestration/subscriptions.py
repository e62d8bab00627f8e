"""Who is subscribed to the notifications of an environment, in each region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import asked
from shared import naming

if TYPE_CHECKING:
    from orchestration.aws import Aws
    from shared.environment import Environment
    from shared.roles import Role

PEOPLE: Final = {"email": "mail", "https": "pager"}
"""What leads to people, by SNS's protocols. The others lead to the record."""
PENDING: Final = "PendingConfirmation"
"""In the place of a subscription's ARN until somebody confirms it (SNS API Reference, ListSubscriptionsByTopic)."""


def topic(environment: Environment, account: str, role: Role) -> str:
    """The ARN of a region's topic."""
    name = environment.foundation().names.of(naming.NOTIFICATION_TOPIC, role)
    return f"arn:aws:sns:{environment.region(role)}:{account}:{name}"


def of_topic(aws: Aws, environment: Environment, account: str, role: Role) -> list[Any]:
    """The subscriptions to a region's topic, as SNS lists them. Raises Problem."""
    region, arn = environment.region(role), topic(environment, account, role)
    pages = aws.client("sns", region).get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    return asked(lambda: [each for page in pages for each in page["Subscriptions"]], "list who is subscribed", region)


def confirmed(subscription: Any) -> bool:
    """Whether somebody has: whoever has not is told nothing."""
    return bool(subscription["SubscriptionArn"] != PENDING)
