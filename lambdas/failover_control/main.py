"""The failover-control function's entry, in the secondary: schedules ask it whether a failover is to last, and more."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from lambdas.adapters.aws import client
from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.keys import ApiKeys
from lambdas.adapters.retry import Retry
from lambdas.domain.payment import CANARY_CLIENT
from lambdas.failover_control.figures import Figures
from lambdas.failover_control.latch import Latch
from lambdas.failover_control.ranges import RangeWatch, download
from lambdas.failover_control.rule import LatchRule
from lambdas.failover_control.switch import Switch
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
_objects = client("s3")
_switch = Switch(_objects, os.environ["STOP_SWITCH_BUCKET"], os.environ["STOP_SWITCH_KEY"], _retry)
_keys = ApiKeys(client("secretsmanager"), os.environ["API_KEYS_SECRET_ARN"], _retry)


def _primary() -> Prober:
    return Prober(os.environ["PRIMARY_URL"].rstrip("/"), _keys.key_of(CANARY_CLIENT), token)


_ranges = RangeWatch(_objects, os.environ["STOP_SWITCH_BUCKET"], _retry, download, _journal)
_latch = Latch(
    _switch,
    Figures(client("cloudwatch"), _journal.dimensions, _retry),
    LatchRule.of(_values) if (_values := json.loads(os.environ["LATCH"])) else None,
    _primary,
    _journal,
    _clock,
)


@rehearsable()
def handler(event: Mapping[str, Any], _context: object) -> dict[str, str]:
    """Compare the switch's readers when that is asked; else look, probe, decide. What raises is tried again later."""
    if event.get("compare") == "ranges":
        return {"ranges": _ranges.look()}
    return {"primary": _latch.run()}
