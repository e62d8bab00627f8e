"""Restores the newest copy that lies in the locked vault, in the region of the vault, and takes the table away again.

The copy is of a backup that was made some hours before at most: within those, the plan begins a job and ends it
(projects/vault/daily_copies.py). So what was written in that time may be in the copy or not.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from drill.restoring import Restoring
from orchestration.aws import asked
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_JOB: Final = 13 * 3600 * 1000
"""ms from the hour of the plan until a copy is there: an hour to begin, twelve to be done."""


@dataclass(frozen=True)
class RestoringCopies(Restoring):
    """The vault's region, and what is done with the copies there; `table` is the original, which lies elsewhere."""

    _: KW_ONLY
    backup: Any
    """A client of AWS Backup, in the vault's region."""
    vault: str
    table_arn: str
    role_arn: str
    """Under which AWS Backup restores."""

    def moment(self, wanted: float | None) -> datetime:
        """When the newest copy was made, or the newest that is no newer than wanted. Raises Problem."""
        return _made(self._copy(wanted))

    @property
    def doubt(self) -> int:
        """Ms before the moment in which what is restored may have been so."""
        return LONGEST_JOB

    def _begin(self, moment: datetime) -> None:
        """Have the copy restored. Raises Problem when it is refused, and when the job has failed by then."""
        metadata = {"targetTableName": self.target, "encryptionType": "KMS", "kmsMasterKeyArn": self.key_arn}
        point = str(self._copy(moment.timestamp())["RecoveryPointArn"])
        answer = self._of_backup(
            f"restore a copy of {self.table}",
            "start_restore_job",
            RecoveryPointArn=point,
            IamRoleArn=self.role_arn,
            Metadata=metadata,
            ResourceType="DynamoDB",
        )
        # The table is there only when the job has begun to work.
        self._until(lambda: self._begun(str(answer["RestoreJobId"])), f"waiting for the restore job of {self.target}")

    def _begun(self, job: str) -> bool:
        found = self._of_backup("look at the restore job", "describe_restore_job", RestoreJobId=job)
        if found["Status"] in {"FAILED", "ABORTED"}:
            raise Problem(
                f"the restore job {job} in {self.region} has failed: {found.get('StatusMessage', 'no reason')}"
            )
        return found["Status"] == "COMPLETED" or bool(self._status())

    def _copy(self, wanted: float | None) -> Mapping[str, Any]:
        """The newest copy that is whole, and no newer than wanted. Raises Problem when there is none."""
        pages = self.backup.get_paginator("list_recovery_points_by_backup_vault")
        told = asked(
            lambda: list(pages.paginate(BackupVaultName=self.vault, ByResourceArn=self.table_arn)),
            f"list the copies in {self.vault}",
            self.region,
        )
        copies = [each for page in told for each in page["RecoveryPoints"] if each["Status"] == "COMPLETED"]
        chosen = [each for each in copies if wanted is None or int(each["CreationDate"].timestamp()) <= wanted]
        if chosen:
            return dict(max(chosen, key=lambda each: each["CreationDate"]))
        if not copies:
            raise Problem(
                f"{self.vault} in {self.region} has no copy of {self.table}: the first comes within a day; "
                "docs/runbooks/vault.md says what to do when it does not"
            )
        oldest = min(map(_made, copies))
        raise Problem(f"--at: the oldest copy in {self.vault} is of {oldest:%Y-%m-%dT%H:%M:%SZ}: choose a later moment")

    def _of_backup(self, what: str, operation: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = asked(lambda: getattr(self.backup, operation)(**arguments), what, self.region)
        return answer


def _made(copy: Mapping[str, Any]) -> datetime:
    made: datetime = copy["CreationDate"]
    return made.astimezone(UTC).replace(microsecond=0)
