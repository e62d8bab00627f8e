"""A stand-in for the pager of whoever is on call: confirms what a topic offers it, and keeps what it was told.

It does as a pager's integration for SNS does: https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html.
Signatures are not looked at: the sandbox's topics have no key of AWS's.
"""

from __future__ import annotations

import http.client
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox.mail import Mail, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.addresses import Endpoint

TYPE = "x-amz-sns-message-type"
"""The header by which SNS says what it posts."""
_SNS = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com")
WAITS = 10
"""Seconds for the confirmation's answer."""


class Pager:
    """Answers SNS under every name. `aws` is where AWS's API is."""

    def __init__(self, pages: Mailbox, now: Callable[[], float], aws: Endpoint) -> None:
        self._pages = pages
        self._now = now
        self._aws = aws

    def answer(self, headers: Mapping[str, str], body: bytes) -> int:
        """The status for what SNS posts. Blocks while it confirms. Header names are in lower case."""
        try:
            told = json.loads(body)
            topic, kind = str(told["TopicArn"]), headers[TYPE]
            if kind == "SubscriptionConfirmation":
                return self._confirm(str(told["SubscribeURL"]))
            if kind != "Notification":
                return 400
            page = Mail(self._now(), headers.get("host", ""), topic, told.get("Subject") or "", str(told["Message"]))
        except (ValueError, KeyError, TypeError):
            return 400
        self._pages.put(page)
        return 202

    def _confirm(self, url: str) -> int:
        """Visit the address, if it is SNS's: others would make the pager ask whatever somebody posts."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not _SNS.fullmatch(parts.hostname or ""):
            return 400
        connection = http.client.HTTPConnection(*self._aws, timeout=WAITS)
        try:
            connection.request("GET", f"{parts.path or '/'}?{parts.query}", headers={"Host": str(parts.hostname)})
            return 200 if connection.getresponse().status == 200 else 502
        except OSError:
            return 502
        finally:
            connection.close()
