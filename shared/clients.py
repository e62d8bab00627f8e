"""The API's clients: who they are, and the headers that they and the API exchange.

`lambdas/` may import nothing of this: it says the same in its own words, and tests/contract/test_walls.py compares.
"""

from __future__ import annotations

from typing import Final

STOREFRONT: Final = "storefront"
"""A merchant's front end."""
CANARY: Final = "canary"
"""Pays to see whether a region serves. Its payments stay out of the business figures, and are removed after a day."""
CLIENTS: Final = (STOREFRONT, CANARY)
"""Those that have a key from the first."""

KEY_CHARACTERS: Final = 40
"""Letters and digits of an API key."""
KEY_NOTICED_SECONDS: Final = 5
"""A function asks for the keys anew at most this long after a key that it does not know: a new one is accepted then."""
KEYS_KEPT_SECONDS: Final = 60
"""A function uses what it has read for so long: a key that went may be accepted until then."""

API_KEY: Final = "x-api-key"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""Sent again, to either region, it is answered with the same payment."""
REPLAYED: Final = "Idempotent-Replayed"
"""`true` in an answer that repeats an earlier one."""
SERVED_BY: Final = "Served-By"
"""The region and its role."""

API_TLS: Final = {"security_policy": "SecurityPolicy_TLS13_1_2_2021_06", "endpoint_access_mode": "BASIC"}
"""Nothing older than TLS 1.2, which Route 53's checkers need, for an API and for the names that lead to it.

An API that is told nothing takes TLS 1.0 in its region, and a name's clients are held to the policy of the API:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html. BASIC leaves the
API's own address, which checkers and probes ask, beside the names.
"""
