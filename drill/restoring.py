"""Restores the payments table to a point in time beside the original, and takes the restored one away again.

DynamoDB restores a global table as one of a single region, and takes minutes to hours for it. Source: DynamoDB
Developer Guide, "Before you begin using point-in-time recovery".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from drill.restored import IN_DOUBT
from orchestration.aws import asked, or_none
from shared.errors import Problem

if TYPE_CHECKING:
    from drill.restored import Item

TAIL: Final = "-restore-test"
"""What the restored table is called behind the original's name: so whoever comes next knows it, and removes it."""
FIRST_WAIT, LONGEST_WAIT, TOLD_EVERY = 0.2, 15.0, 60.0
"""Seconds between two looks at a table, at first and at last, and between two words about it."""
SEGMENTS: Final = 4
"""Parts of a table that are read at once."""


@dataclass(frozen=True)
class Restoring:
    """One region's table, and what is done with it."""

    client: Any
    """Of DynamoDB, in that region."""
    region: str
    table: str
    key_arn: str
    tell: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    @property
    def target(self) -> str:
        """The restored table."""
        return self.table + TAIL

    def moment(self, wanted: float | None) -> datetime:
        """The whole second to restore to: the one wanted, or the last that can be. Raises Problem."""
        answer = self._asked("see how far the table can be recovered", "describe_continuous_backups", self.table)
        recovery = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            raise Problem(f"{self.table} has no point-in-time recovery in {self.region}: run ./invoke drift")
        earliest, latest = recovery["EarliestRestorableDateTime"], recovery["LatestRestorableDateTime"]
        if wanted is None:
            return _utc(latest)
        moment = datetime.fromtimestamp(int(wanted), UTC)
        if not earliest <= moment <= latest:
            raise Problem(
                f"--at {moment:%Y-%m-%dT%H:%M:%SZ}: {self.table} can be restored in {self.region} to a moment from "
                f"{_utc(earliest):%Y-%m-%dT%H:%M:%SZ} to {_utc(latest):%Y-%m-%dT%H:%M:%SZ}"
            )
        return moment

    @contextmanager
    def restored(self, moment: datetime) -> Iterator[str]:
        """The name of the table as it was at a moment, which goes at the end. Raises Problem.

        What a run before has left goes first. Whoever is interrupted while DynamoDB still restores leaves the table, as
        it can be deleted only when it is there.
        """
        if self._status():
            self.tell(f"{self.target} is left of another run: removing it")
            self._remove()
        self._begin(moment)
        try:
            self._until(lambda: self._status() == "ACTIVE", f"restoring {self.table} as {self.target}")
            yield self.target
        finally:
            if self._status() == "CREATING":
                self.tell(
                    f"{self.target} in {self.region} cannot be deleted while it is being restored, and costs money "
                    "until it is: the next ./invoke restore-test removes it"
                )
            else:
                self._remove()

    def _begin(self, moment: datetime) -> None:
        """Have the table restored. Raises Problem."""
        self._asked(
            f"restore {self.table}",
            "restore_table_to_point_in_time",
            "",
            SourceTableName=self.table,
            TargetTableName=self.target,
            RestoreDateTime=moment,
            BillingModeOverride="PAY_PER_REQUEST",
            GlobalSecondaryIndexOverride=[],  # it is read by nobody but us, so it needs no index
            SSESpecificationOverride={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": self.key_arn},
        )

    @property
    def doubt(self) -> int:
        """Ms before the moment in which what is restored may have been so."""
        return IN_DOUBT

    def items(self, table: str) -> Iterator[Item]:
        """Every item of a table, strongly consistent, in no order. Raises Problem."""
        with ThreadPoolExecutor(SEGMENTS) as threads:
            pages = [_Pages(self, table, segment) for segment in range(SEGMENTS)]
            going = {page: threads.submit(page.next) for page in pages}
            while going:
                for page in list(going):
                    found = going.pop(page).result()
                    if page.more:
                        going[page] = threads.submit(page.next)
                    yield from found

    def require_keys(self, table: str) -> None:
        """Raise Problem for a table that is not there, or whose keys are not those of payments."""
        answer = self._asked(f"look at {table}", "describe_table", table)
        keys = {each["AttributeName"]: each["KeyType"] for each in answer["Table"]["KeySchema"]}
        if keys != {"pk": "HASH", "sk": "RANGE"}:
            raise Problem(f"{table} in {self.region} has the keys {', '.join(keys)}, and payments have pk and sk")

    def _remove(self) -> None:
        """Delete the restored table, and wait until it is gone."""
        self._until(lambda: self._status() not in {"CREATING", "UPDATING"}, f"waiting to delete {self.target}")
        if self._status() not in {"", "DELETING"}:
            self._asked(f"delete {self.target}", "delete_table", self.target)
        self._until(lambda: not self._status(), f"deleting {self.target}")

    def _status(self) -> str:
        """Of the restored table; empty when there is none."""
        ask = lambda: self._asked(f"look at {self.target}", "describe_table", self.target)  # noqa: E731
        found = or_none(ask, "ResourceNotFoundException")
        return str(found["Table"]["TableStatus"]) if found else ""

    def _until(self, done: Callable[[], bool], what: str) -> None:
        waited, told, pause = 0.0, 0.0, FIRST_WAIT
        while not done():
            if waited - told >= TOLD_EVERY:
                told = waited
                self.tell(f"{what}: {waited / 60:.0f} min")
            self.sleep(pause)
            waited += pause
            pause = min(pause * 1.5, LONGEST_WAIT)

    def _asked(self, what: str, operation: str, table: str, **arguments: Any) -> dict[str, Any]:
        named = {"TableName": table} if table else {}
        answer: dict[str, Any] = asked(lambda: getattr(self.client, operation)(**named, **arguments), what, self.region)
        return answer

    def scan(self, table: str, segment: int, after: dict[str, Any]) -> dict[str, Any]:
        """A page of a part of a table."""
        return self._asked(
            f"read {table}", "scan", table, Segment=segment, TotalSegments=SEGMENTS, ConsistentRead=True, **after
        )


class _Pages:
    """The pages of a part of a table, one after another."""

    def __init__(self, of: Restoring, table: str, segment: int) -> None:
        self._of, self._table, self._segment = of, table, segment
        self._after: dict[str, Any] = {}
        self.more = True

    def next(self) -> list[Item]:
        """The items of the next page."""
        answer = self._of.scan(self._table, self._segment, self._after)
        self.more = "LastEvaluatedKey" in answer
        self._after = {"ExclusiveStartKey": answer["LastEvaluatedKey"]} if self.more else {}
        return list(answer["Items"])


def _utc(moment: datetime) -> datetime:
    """A moment in UTC, to the whole second."""
    return moment.astimezone(UTC).replace(microsecond=0)
