"""The entry of a canary of CloudWatch Synthetics: it pays in one region, as a client does, and fails as a client would.

Its runtime brings the SDK, calls `handler` on a schedule, and keeps and measures what came of it. Whatever is raised
is the run's failure.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lambdas.adapters.aws import client
from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.keys import ApiKeys
from lambdas.adapters.parameters import API_KEYS_SECRET, ParameterFolder
from lambdas.adapters.retry import Retry
from lambdas.domain.payment import CANARY_CLIENT
from lambdas.probing import Prober

if TYPE_CHECKING:
    from collections.abc import Mapping

_target = os.environ["TARGET"]
"""The parameter with the URL of the region that is asked."""
_retry = Retry(SystemClock())
_parameters = ParameterFolder(client("ssm"), os.environ["PARAMETERS"], (_target, API_KEYS_SECRET), _retry)
_secrets = client("secretsmanager")


def handler(_event: Mapping[str, Any], _context: object) -> str:
    """Make a payment, repeat it and read it back. Raises Unhealthy for what a client would not want to meet.

    Raises Unavailable when the region's own configuration cannot be read.
    """
    where = _parameters.values()
    keys = ApiKeys(_secrets, where[API_KEYS_SECRET], _retry)
    prober = Prober(where[_target], keys.key_of(CANARY_CLIENT), token)
    prober.health()
    prober.payment()
    return f"{where[_target]} serves"
