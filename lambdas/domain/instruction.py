"""What a client asks for, and the two hashes that make asking twice safe."""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lambdas.domain.money import Money

_PAYMENT_ID: Final = re.compile(r"pay_[a-z2-7]{26}")

KEY_LENGTH: Final = 255
"""The longest idempotency key (Stripe's limit, which client libraries keep to)."""


def payment_id(client: str, key: str) -> str:
    """The payment's name, from who asks and under which key: both regions compute the same without asking anybody.

    130 bits of SHA-256 over the length-prefixed parts; the key cannot be read from it.
    """
    return "pay_" + b32encode(_digest("payment", client, key)).decode("ascii").lower()[:26]


def is_payment_id(text: str) -> bool:
    """Whether a payment can have this name."""
    return _PAYMENT_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One validated request to pay."""

    client: str
    key: str
    money: Money
    customer: str

    @property
    def payment_id(self) -> str:
        """The name of the payment that this asks for."""
        return payment_id(self.client, self.key)

    @property
    def fingerprint(self) -> str:
        """Equal for payloads that mean the same payment (100 and 100.00), different otherwise."""
        money = self.money
        return _digest("payload", str(money.minor_units), money.currency, self.customer).hex()


def _digest(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        # The length keeps ("ab", "c") and ("a", "bc") apart.
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.digest()
