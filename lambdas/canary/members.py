"""Who belongs to the region's payments table: its replica in the other region, and the witness.

DynamoDB lists both in DescribeTable, with a status, and has no metric or event of them (DynamoDB API Reference,
ReplicaDescription and GlobalTableWitnessDescription). It takes a replica out of the group by itself when its region or
its key has been inaccessible for 20 hours. That a region merely does not answer is no change of the group: it shows in
what clients get.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.errors import Unavailable

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry
    from lambdas.telemetry.journal import LogJournal

MISSING: Final = "TableMembersMissing"
"""The metric: how many of them are gone, or are there with another status than this one."""
ACTIVE: Final = "ACTIVE"


@dataclass(frozen=True, slots=True)
class TableMembers:
    """Asks DynamoDB in the own region, and nothing of the other one."""

    dynamodb: Any
    table: str
    peer: str
    """The AWS region of the other replica."""
    witness: str
    """That of the witness; empty with eventual consistency, which has none."""
    retry: Retry
    journal: LogJournal

    def count(self) -> None:
        """Measure how many are missing. What cannot be asked is told and not measured: the alarm takes silence for one.

        So it never raises for a dependency, and keeps nobody from paying as a client does.
        """
        try:
            found = self.retry(self.dynamodb.describe_table, TableName=self.table)["Table"]
        except Unavailable as error:
            self.journal.tell("table_members_unknown", error=str(error))
            return
        replica = _status(found.get("Replicas"), self.peer, "ReplicaStatus")
        wanted = {"replica": replica}
        if self.witness:
            wanted["witness"] = _status(found.get("GlobalTableWitnesses"), self.witness, "WitnessStatus")
        missing = sum(status != ACTIVE for status in wanted.values())
        self.journal.measure("table_members", {MISSING: float(missing)}, **wanted)


def _status(listed: Any, region: str, named: str) -> str:
    """The status of a region's member of the group; `gone` where DynamoDB lists none."""
    return next((str(each.get(named)) for each in listed or () if each.get("RegionName") == region), "gone")
