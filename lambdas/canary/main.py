"""The canary function's entry: fails when a region does not serve, which is what its alarm counts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lambdas.adapters.aws import client
from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.keys import ApiKeys
from lambdas.adapters.retry import Retry
from lambdas.domain.payment import CANARY_CLIENT
from lambdas.probing import Prober, Unhealthy
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal

if TYPE_CHECKING:
    from collections.abc import Mapping

_settings = Settings.read()
_clock = SystemClock()
_journal = LogJournal.of(_settings, _clock)
_keys = ApiKeys(client("secretsmanager"), os.environ["API_KEYS_SECRET_ARN"], Retry(_clock))
_targets = [target.rstrip("/") for target in os.environ["TARGETS"].split(",")]


def handler(_event: Mapping[str, Any], _context: object) -> dict[str, str]:
    """Probe every target. Raises Unhealthy, after all were probed, when one does not serve."""
    results = {target: probe(target) for target in _targets}
    failures = {target: result for target, result in results.items() if result != "pass"}
    if failures:
        raise Unhealthy("; ".join(failures.values()))
    return results


def probe(target: str) -> str:
    """`pass`, or what a client would have met."""
    started = _clock.now()
    prober = Prober(target, _keys.key_of(CANARY_CLIENT), token)
    result = "pass"
    try:
        prober.health()
        prober.payment()
    except Unhealthy as failure:
        result = str(failure)
    metrics = {"CanaryFailed": float(result != "pass"), "CanaryDuration": float(_clock.now() - started)}
    _journal.measure("canary", metrics, target=target, result=result)
    return result
