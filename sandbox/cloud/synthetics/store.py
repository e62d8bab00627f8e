"""The canaries of the cloud. They are saved with everything else (`sandbox.cloud.state`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import AccountRegionScopedDict

KEPT_RUNS = 100
"""Runs of a canary that are remembered, the newest ones. On AWS: as many days as its retention says."""

CANARIES = AccountRegionScopedDict()
"""A `StoredCanary` by its name."""


@dataclass
class StoredCanary:
    """A canary: `told` is what GetCanary tells of it, `variables` the environment of its runs, which nobody is told."""

    told: dict[str, Any]
    variables: dict[str, str]
    runs: list[dict[str, Any]] = field(default_factory=list)
    """As GetCanaryRuns tells them, the newest first."""

    @property
    def running(self) -> bool:
        return bool(self.told["Status"]["State"] == "RUNNING")

    def remember(self, run: dict[str, Any]) -> None:
        self.runs = [run, *self.runs][:KEPT_RUNS]
