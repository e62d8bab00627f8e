"""Failing back is a decision: a failover that lasts throws the stop switch, and only a person takes it back.

Time drives it, every minute: CloudWatch's actions come on a transition into ALARM alone, so that one client that stays
at the secondary would disarm them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from lambdas.domain.errors import Unavailable
from lambdas.failover_control.figures import PROBE_FAILED
from lambdas.probing import Unhealthy

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.ports import Clock
    from lambdas.failover_control.figures import Figures
    from lambdas.failover_control.rule import LatchRule
    from lambdas.failover_control.switch import SwitchState
    from lambdas.probing import Prober
    from lambdas.telemetry.journal import LogJournal

PAYMENTS: Final = 5
FAILURES: Final = 2
"""So many of a probe's payments: one failed request of many is no failure of a region, and a share of them is."""
HEALTH_ATTEMPTS: Final = 2
BUDGET: Final = 15_000
"""No payment of a probe begins later (ms): a region that is so slow does not serve."""


class PrimarySwitch(Protocol):
    """What is used of the stop switch."""

    def state(self) -> SwitchState:
        """How it is. Raises Unavailable."""
        ...

    def stop(self, seen: str) -> bool:
        """Take the primary out, unless somebody has moved it since `seen`; whether it did. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe of the primary came to: both None when the primary serves."""

    failure: str | None = None
    """What a client of it would have met."""
    unable: Unavailable | KeyError | None = None
    """Why it could not be probed."""


@dataclass(frozen=True, slots=True)
class Latch:
    """`prober` makes the client of the primary, when it is needed. Without a rule every failover ends by itself."""

    switch: PrimarySwitch
    figures: Figures
    rule: LatchRule | None
    prober: Callable[[], Prober]
    journal: LogJournal
    clock: Clock

    def run(self) -> str:
        """Look at the last minutes, probe the primary if clients are here, and stop it when the failover shall last.

        Says what came of it. Raises Unavailable when it cannot see or move the switch, and when it could not probe and
        nothing else decides; KeyError when the secret has no key for probes: the next minute tries again.
        """
        standing = self.switch.state()
        if standing.stopped:
            return self._told("already stopped")
        if self.rule is None:
            return self._told("left alone")
        return self._watch(self.rule, standing)

    def _watch(self, rule: LatchRule, standing: SwitchState) -> str:
        minutes = self.figures.minutes(rule.memory)
        if not rule.seen(minutes, self.clock.now()):
            return self._told("no failover traffic")
        probed = self._probed()
        now = self.clock.now()
        measured = self.figures.counted(minutes)
        if probed.unable is None:
            measured[-1] = replace(measured[-1], failed=probed.failure is not None or bool(measured[-1].failed))
        reason = rule.reason(measured, now, standing.since)
        if reason is not None:
            # A person who moved it while the primary was probed knows more: what was seen is of before. The look tells
            # also that the same was said once more, by its time; the write fails on what comes after the look.
            if self.switch.state() != standing or not self.switch.stop(standing.seen):
                return self._told("moved meanwhile", probed, reason)
        elif probed.unable is not None:
            raise probed.unable
        result = "stopped" if reason else "waiting" if rule.waits(now, standing.since) else "watching"
        return self._told(result, probed, reason)

    def _told(self, result: str, probed: Probed | None = None, reason: str | None = None) -> str:
        metrics = {"PrimaryStopped": float(result in {"stopped", "already stopped"})}
        failure, unable = (probed.failure, probed.unable) if probed else (None, None)
        if probed and unable is None:
            metrics[PROBE_FAILED] = float(failure is not None)
        self.journal.measure(
            "latch",
            metrics,
            result=result,
            failure=failure,
            reason=reason,
            unable=None if unable is None else str(unable),
        )
        return result

    def _probed(self) -> Probed:
        """Probe the primary. Without a key to do so, what the clients show decides all the same."""
        try:
            return Probed(self._failure())
        except (Unavailable, KeyError) as error:
            return Probed(unable=error)

    def _failure(self) -> str | None:
        """What a client of the primary would have met, or None: what failed once may be one request of many."""
        begun, failures = self.clock.now(), 0
        prober = self.prober()
        for attempt in range(1, HEALTH_ATTEMPTS + 1):
            try:
                prober.health()
                break
            except Unhealthy as unhealthy:
                if attempt == HEALTH_ATTEMPTS:
                    return str(unhealthy)
        for _ in range(PAYMENTS):
            if self.clock.now() - begun > BUDGET:
                return f"a probe of {PAYMENTS} payments takes over {BUDGET // 1000} s"
            try:
                prober.payment()
            except Unhealthy as unhealthy:
                failures += 1
                if failures == FAILURES:
                    return str(unhealthy)
        return None
