"""SNS's topics."""

from __future__ import annotations

from typing import Any

from ministack.services import sns

from sandbox.cloud.watch.here import Here
from sandbox.mail import Mail

MAIL = frozenset({"email", "email-json"})


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
