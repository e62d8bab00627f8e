"""A run of the sweep, and what it tells: counts, and how old the oldest unfinished payment is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.payment import SECOND, WORK_TIME
from lambdas.telemetry.figures import FINISHED

if TYPE_CHECKING:
    from lambdas.adapters.composition import Service
    from lambdas.domain.sweep import Swept


METRICS: Final = {
    "audited": "SweepAudited",
    "contradicted": "SweepContradicted",
    "deferred": "SweepDeferred",
    "deleted": "SweepDeleted",
    "forgotten": "SweepForgotten",
    "gone": "SweepGone",
    "resolved": "SweepResolved",
    "stuck": "SweepStuck",
    "taken": "SweepTaken",
    "unknown": "SweepUnknown",
    "waiting": "SweepWaiting",
}
"""What became of a payment -> the metric that counts it."""


def sweep(service: Service, left: int) -> dict[str, Any]:
    """Sweep for so long (ms). Raises Unavailable, after the rest is done, when part of the index could not be read."""
    swept = service.sweep.run(service.payments.clock.now() + left - WORK_TIME)
    error = None if swept.failure is None else str(swept.failure)
    service.journal.measure("sweep", metrics(swept), error=error)
    if swept.failure is not None:
        raise swept.failure
    return dict(swept.done)


def metrics(swept: Swept) -> dict[str, float]:
    """The run as metrics. Payments that it has finished are business like those that a request finishes."""
    return {
        **{METRICS[what]: count for what, count in sorted(swept.done.items())},
        **{FINISHED[status]: count for status, count in sorted(swept.finished.items())},
        **({"Contradictions": swept.done["contradicted"]} if swept.done["contradicted"] else {}),
        **({"SweepFailed": 1} if swept.failure is not None else {}),
        # Said by every run: that nobody says it is an alarm of its own.
        "OldestUnfinished": swept.oldest / SECOND,
        "AuditsOwed": swept.audits_owed,
        # But for this one, where the time was over before anybody looked: 0 would say that all is tidy.
        **({} if swept.untidied is None else {"OldestUntidied": swept.untidied / SECOND}),
    }
