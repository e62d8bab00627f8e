"""The health function's entry."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdas.adapters.aws import client
from lambdas.adapters.clock import SystemClock
from lambdas.health.health import Health, read_strongly
from lambdas.rehearsal import rehearsable
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from lambdas.web import headers
from lambdas.web.answer import Answer, problem, to_json
from lambdas.web.request import answered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.web.request import Request

_settings = Settings.read()
_clock = SystemClock()
_journal = LogJournal.of(_settings, _clock)
_table = client("dynamodb", connect_timeout=0.4, read_timeout=0.4)
_health = Health(partial(read_strongly, _table, os.environ["TABLE_NAME"]), _clock)
# While Lambda initializes there is more processor time, and no request waits: make the connection now.
_health.check(budget=500)


@rehearsable()
def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer one proxy event: 200, or 503 when the region cannot serve payments."""
    return answered(event, headers.of_every_answer(_settings.place), _answer)


def _answer(_: Request) -> Answer:
    started = _clock.now()
    healthy = _health.check()
    state = {
        "region": _settings.region,
        "role": _settings.role,
        "release": _settings.release,
        "consistency": "MRSC" if _settings.strong else "MREC",
    }
    answer = (
        Answer(200, to_json({"status": "pass", **state}))
        if healthy
        else problem("unavailable", "This region cannot serve payments.", retry_after=5, **state)
    )
    _journal.tell("health", healthy=healthy, milliseconds=_clock.now() - started)
    return answer
