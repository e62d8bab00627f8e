"""A client's payment in both regions, and what came of it as metrics."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lambdas.adapters.parameters import API_KEYS_SECRET, ENDPOINT, PEER_ENDPOINT
from lambdas.probing import Unhealthy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdas.domain.ports import Clock
    from lambdas.probing import Prober
    from lambdas.telemetry.journal import LogJournal

PARAMETERS: Final = (ENDPOINT, PEER_ENDPOINT, API_KEYS_SECRET)
"""The region's parameters that a canary reads."""

UNSERVED: Final = {"primary": "PrimaryUnserved", "secondary": "SecondaryUnserved"}
"""The metric of each region that is asked: 1 when it did not serve, else 0."""

ONLY_PRIMARY: Final = "OnlyPrimaryUnserved"
"""1 when the primary did not serve and the secondary did: a failover would help. What fails in both is not a region."""
AGAIN: Final = 2
"""Payments that are tried before that is said: one request of many may fail anywhere."""
PAUSE: Final = 5_000
"""Milliseconds before each."""


@dataclass(frozen=True, slots=True)
class Canary:
    """The canary in the region of `role`. `prober` makes a client of the region at a URL."""

    role: str
    parameters: Callable[[], Mapping[str, str]]
    prober: Callable[[str, str], Prober]
    journal: LogJournal
    clock: Clock

    def sing(self) -> dict[str, str]:
        """Probe both regions at once, and say of each role `pass` or what a client met.

        What does not serve is counted, not raised: Lambda would try again, and the next minute does that anyway.
        """
        where = self.parameters()
        (peer,) = (role for role in UNSERVED if role != self.role)
        targets = {self.role: where[ENDPOINT], peer: where[PEER_ENDPOINT]}
        probers = {role: self.prober(url, where[API_KEYS_SECRET]) for role, url in targets.items()}
        with ThreadPoolExecutor(len(probers)) as threads:
            found = dict(zip(probers, threads.map(_result, probers.values()), strict=True))
        unserved = {UNSERVED[role]: float(result != "pass") for role, result in found.items()}
        alone = unserved[UNSERVED["primary"]] and not unserved[UNSERVED["secondary"]]
        still = alone and self._fails(probers["primary"])
        self.journal.measure("canary", {**unserved, ONLY_PRIMARY: float(still)}, **found)
        return found

    def _fails(self, prober: Prober) -> bool:
        """Whether no payment goes through in the next seconds either."""
        for _ in range(AGAIN):
            self.clock.sleep(PAUSE)
            if prober.pays():
                return False
        return True


def _result(prober: Prober) -> str:
    try:
        prober.health()
        prober.payment()
    except Unhealthy as failure:
        return str(failure)
    return "pass"
