"""The recovery points and jobs of the cloud. They are saved with everything else (`sandbox.cloud.state`)."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import AccountRegionScopedDict

POINTS = AccountRegionScopedDict()
"""A `RecoveryPoint` by its ARN, in the region of its vault."""
COPIES = AccountRegionScopedDict()
"""What DescribeCopyJob tells, by the job's id, in the region from which it copies."""
RESTORES = AccountRegionScopedDict()
"""What DescribeRestoreJob tells, by the job's id."""


@dataclass
class RecoveryPoint:
    """A backup of a table: `told` is what DescribeRecoveryPoint tells of it."""

    told: dict[str, Any]
    table: dict[str, Any]
    """What CreateTable takes, without the name."""
    items: dict[str, dict[str, Any]] = field(repr=False)
    """By partition and sort key, as the emulator keeps them. Never changed."""

    @property
    def arn(self) -> str:
        return str(self.told["RecoveryPointArn"])

    @property
    def vault(self) -> str:
        return str(self.told["BackupVaultName"])

    def fresh_items(self) -> dict[str, dict[str, Any]]:
        """The items for a table, which will change them."""
        return defaultdict(dict, copy.deepcopy(self.items))

    def expired(self, now: float) -> bool:
        """Whether its time is over."""
        ends = self.told.get("CalculatedLifecycle", {}).get("DeleteAt")
        return ends is not None and ends <= now


def in_vault(name: str) -> list[RecoveryPoint]:
    """What a vault of the request's region holds, the newest first."""
    found = [point for point in POINTS.values() if point.vault == name]
    return sorted(found, key=lambda point: float(point.told["CreationDate"]), reverse=True)
