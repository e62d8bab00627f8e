"""SNS's topics."""

from __future__ import annotations

import json
import re
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import sns

from sandbox.cloud.watch.here import Here
from sandbox.mail import Mail

MAIL = frozenset({"email", "email-json"})
_PENDING = "<SubscriptionArn>pending confirmation</SubscriptionArn>"


def mail() -> None:
    """Who is subscribed by e-mail gets nothing: the sandbox keeps it, for `./invoke inbox`."""
    fan_out = sns._fanout

    def fanned_out(topic: str, identity: str, message: str, subject: str, *more: Any, **options: Any) -> None:
        fan_out(topic, identity, message, subject, *more, **options)
        found = sns._topic_by_arn_any_scope(topic)
        for each in found["subscriptions"] if found else ():
            if each.get("confirmed") and each.get("protocol") in MAIL:
                Here.mailbox.put(Mail(Here.clock.now(), each["endpoint"], topic, subject or "", message))

    sns._fanout = fanned_out


def https_endpoints() -> None:
    """What a topic posts goes to the machine's own network, and its SubscribeURL names the machine, not SNS."""

    def posted(url: str, payload: str, kind: str) -> int:
        told = json.loads(payload)
        region = told["TopicArn"].split(":")[3]
        if kind == "SubscriptionConfirmation":
            _, _, query = told["SubscribeURL"].partition("?")
            told["SubscribeURL"] = f"https://sns.{region}.amazonaws.com/?{query}"
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": kind,
            "x-amz-sns-message-id": told["MessageId"],
            "x-amz-sns-topic-arn": told["TopicArn"],
        }
        return Here.outside.post(url, json.dumps(told).encode(), headers)

    sns._http_post_sync = posted


def confirmations() -> None:
    """Whoever visits a SubscribeURL signs nothing, so its topic is looked for in us-east-1, whatever its region."""
    confirm = sns._confirm_subscription

    def confirmed(parameters: Any) -> Any:
        parts = str(sns._p(parameters, "TopicArn")).split(":")
        if len(parts) != 6:
            return confirm(parameters)
        with request_scope(parts[4], parts[3]):
            return confirm(parameters)

    sns._confirm_subscription = confirmed


def pending_subscriptions() -> None:
    """Whoever asks for the ARN of a subscription that nobody has confirmed is told none, and a list tells it to all."""
    subscribe, listed = sns._subscribe, sns._list_subscriptions_by_topic

    def listed_pending(parameters: Any) -> Any:
        status, headers, body = listed(parameters)
        topic = sns._topic_by_arn_any_scope(sns._p(parameters, "TopicArn"))
        for each in topic["subscriptions"] if topic else ():
            if not each.get("confirmed"):
                body = _bytes(body).replace(each["arn"].encode(), b"PendingConfirmation")
        return status, headers, body

    def subscribed(parameters: Any) -> Any:
        status, headers, body = subscribe(parameters)
        if sns._p(parameters, "ReturnSubscriptionArn") == "true" and _PENDING.encode() in _bytes(body):
            topic = sns._topic_by_arn_any_scope(sns._p(parameters, "TopicArn"))
            wanted = (sns._p(parameters, "Protocol"), sns._p(parameters, "Endpoint"))
            (made,) = [each for each in topic["subscriptions"] if (each["protocol"], each["endpoint"]) == wanted]
            body = re.sub(_PENDING.encode(), f"<SubscriptionArn>{made['arn']}</SubscriptionArn>".encode(), _bytes(body))
        return status, headers, body

    sns._subscribe, sns._list_subscriptions_by_topic = subscribed, listed_pending


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
