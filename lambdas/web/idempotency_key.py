"""The idempotency key that a client sends: bare, or quoted as the IETF's draft has it.

A key names a payment, so two readings of one request would be two payments. Refused is whatever somebody on the way
may read otherwise: a second header, and a comma outside quotes, which is how proxies fold two headers into one
(RFC 9110, 5.2). `"abc"` is a String of RFC 9651 and means `abc`: a client that starts to quote repeats its payments.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lambdas.domain.instruction import KEY_LENGTH
from lambdas.web.headers import IDEMPOTENCY_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')


class InvalidKey(ValueError):
    """No one key. The text says what to send."""


def read_key(values: Sequence[str]) -> str:
    """The key in the values of the request's header, without quotes. Raises InvalidKey."""
    if len(values) > 1:
        raise InvalidKey(f"{IDEMPOTENCY_KEY} is there {len(values)} times: send it once.")
    sent = values[0].strip(" \t") if values else ""
    if not sent:
        raise InvalidKey(f"Send an {IDEMPOTENCY_KEY}, new for each payment.")
    key = _unquoted(sent) if sent.startswith('"') else sent
    if "," in key and key is sent:
        raise InvalidKey(f"{IDEMPOTENCY_KEY} has a comma, as two keys in one header have: send one, or quote it.")
    if not _BARE.fullmatch(key) or len(key) > KEY_LENGTH:
        raise InvalidKey(
            f"{IDEMPOTENCY_KEY} has 1 to {KEY_LENGTH} characters, visible ASCII, with spaces only between them."
        )
    return key


def _unquoted(sent: str) -> str:
    quoted = _QUOTED.fullmatch(sent)
    if quoted is None:
        raise InvalidKey(f'{IDEMPOTENCY_KEY} begins with a quote: send one string, "…", with \\" and \\\\ inside.')
    return re.sub(r"\\(.)", r"\1", quoted[1])
