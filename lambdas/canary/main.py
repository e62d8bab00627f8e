"""The canary function's entry: every minute it pays in both regions, as a client does, and counts what did not serve.

Before that it counts which members the region's payments table misses. Its payments keep the paying route's metrics
alive when nobody else pays: without data no alarm sees a grey failure.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lambdas.adapters.aws import client
from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.keys import ApiKeys
from lambdas.adapters.parameters import ParameterFolder
from lambdas.adapters.retry import Retry
from lambdas.canary.canary import PARAMETERS, Canary
from lambdas.canary.members import TableMembers
from lambdas.domain.payment import CANARY_CLIENT
from lambdas.probing import Prober
from lambdas.rehearsal import rehearsable
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal

if TYPE_CHECKING:
    from collections.abc import Mapping

_settings = Settings.read()
_clock = SystemClock()
_retry = Retry(_clock)
_journal = LogJournal.of(_settings, _clock)
_parameters = ParameterFolder(client("ssm"), os.environ["PARAMETERS"], PARAMETERS, _retry)
_secrets = client("secretsmanager")
_keys: dict[str, ApiKeys] = {}


def _prober(url: str, secret_arn: str) -> Prober:
    keys = _keys.setdefault(secret_arn, ApiKeys(_secrets, secret_arn, _retry))
    return Prober(url, keys.key_of(CANARY_CLIENT), token)


_members = TableMembers(
    client("dynamodb"),
    os.environ["TABLE_NAME"],
    os.environ["PEER_REGION"],
    os.environ["WITNESS_REGION"] if _settings.strong else "",
    Retry(_clock, attempts=1),  # the next minute asks again
    _journal,
)
_canary = Canary(_settings.role, _parameters.values, _prober, _journal, _clock)


@rehearsable()
def handler(_event: Mapping[str, Any], _context: object) -> dict[str, str]:
    """Look at the table and probe both regions. Raises Unavailable when the region's own settings cannot be read."""
    _members.count()
    return _canary.sing()
