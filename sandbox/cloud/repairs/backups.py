"""AWS Backup: what is in a backup, how long it is kept, and what a plan comes to."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from ministack.services import backup

from sandbox.cloud.backups import jobs, locks
from sandbox.cloud.backups.store import COPIES, POINTS, RESTORES, in_vault
from sandbox.cloud.watch.here import Here

if TYPE_CHECKING:
    Answer = tuple[int, dict[str, str], bytes]
    Body = dict[str, Any]

WINDOWS = {"StartWindowMinutes": 480, "CompletionWindowMinutes": 10_080, "ScheduleExpressionTimezone": "Etc/UTC"}
"""What AWS says of a rule that does not say it (BackupRule)."""


def recovery_points() -> None:
    """A backup holds nothing, is copied nowhere and restores nothing, and its time is the machine's."""
    theirs, describe, remove = backup.handle_request, backup._describe_vault, backup._delete_vault

    def described(name: str) -> Answer:
        answer: Answer = describe(name)
        if answer[0] != 200:
            return answer
        return _ok({**json.loads(answer[2]), "NumberOfRecoveryPoints": len(in_vault(name))})

    def removed(name: str) -> Answer:
        answer: Answer = locks.delete_vault(name) or remove(name)
        return answer

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Answer:
        parts = [part for part in path.strip("/").split("/") if part]
        asked: Body = json.loads(body) if body else {}
        answer = _jobs(method, parts, asked) or _points(method, parts)
        return answer or await theirs(method, path, headers, body, query)

    backup._epoch = lambda: int(Here.clock.now())
    backup._describe_vault, backup._delete_vault = described, removed
    backup.handle_request = handle


def vault_locks() -> None:
    """A vault cannot be locked."""
    theirs = backup.handle_request

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Answer:
        match [part for part in path.strip("/").split("/") if part]:
            case ["backup-vaults", name, "vault-lock"] if method == "PUT":
                return locks.put(name, json.loads(body) if body else {})
            case ["backup-vaults", name, "vault-lock"] if method == "DELETE":
                return locks.remove(name)
        answer: Answer = await theirs(method, path, headers, body, query)
        return answer

    backup.handle_request = handle


def rules_of_plans() -> None:
    """A plan is told as it was given: its rules have neither ids nor the times that hold when none are said."""
    create, update, remove = backup._create_plan, backup._update_plan, backup._delete_plan

    def whole(body: Body) -> Body:
        rules = [
            {"RuleId": str(uuid.uuid4()), **WINDOWS, **rule} for rule in body.get("BackupPlan", {}).get("Rules", [])
        ]
        return {**body, "BackupPlan": {**body.get("BackupPlan", {}), "Rules": rules}}

    def removed(plan: str) -> Answer:
        if any(each["BackupPlanId"] == plan for each in backup._selections.values()):
            return locks.refused("Related backup plan selections must be deleted prior to backup plan deletion")
        answer: Answer = remove(plan)
        return answer

    backup._create_plan = lambda body: create(whole(body))
    backup._update_plan = lambda plan, body: update(plan, whole(body))
    backup._delete_plan = removed


def _jobs(method: str, parts: list[str], asked: Body) -> Answer | None:
    """Answer a request about jobs; None where it is about something else."""
    told: Body | None = None
    match method, parts:
        case "PUT", ["backup-jobs"]:
            job = jobs.back_up(asked["ResourceArn"], asked["BackupVaultName"], asked["IamRoleArn"], _days(asked))
            told = {name: job[name] for name in ("BackupJobId", "RecoveryPointArn", "CreationDate") if name in job}
        case "PUT", ["copy-jobs"]:
            point, source = asked["RecoveryPointArn"], asked["SourceBackupVaultName"]
            job = jobs.copy_to(point, source, asked["DestinationBackupVaultArn"], asked["IamRoleArn"], _days(asked))
            told = {name: job[name] for name in ("CopyJobId", "CreationDate")}
        case "PUT", ["restore-jobs"]:
            job = jobs.restore(asked["RecoveryPointArn"], asked["Metadata"], asked["IamRoleArn"])
            told = {"RestoreJobId": job["RestoreJobId"]}
        case "GET", ["copy-jobs"]:
            told = {"CopyJobs": list(COPIES.values())}
        case "GET", ["copy-jobs", id_] if id_ in COPIES:
            told = {"CopyJob": COPIES[id_]}
        case "GET", ["restore-jobs"]:
            told = {"RestoreJobs": list(RESTORES.values())}
        case "GET", ["restore-jobs", id_] if id_ in RESTORES:
            told = RESTORES[id_]
    return None if told is None else _ok(told)


def _days(asked: Body) -> int | None:
    """For how many days what is asked for is to be kept; None for ever."""
    days = (asked.get("Lifecycle") or {}).get("DeleteAfterDays")
    return None if days is None else int(days)


def _points(method: str, parts: list[str]) -> Answer | None:
    """Answer a request about a vault's recovery points; None where it is about something else."""
    match parts:
        case ["backup-vaults", vault, "recovery-points"] if method == "GET" and vault in backup._vaults:
            return _ok({"RecoveryPoints": [point.told for point in in_vault(vault)]})
        case ["backup-vaults", vault, "recovery-points", *arn]:
            point = POINTS.get("/".join(arn))
            if point is None or point.vault != vault:
                return None
            if method == "GET":
                return _ok(point.told)
            if method == "DELETE":
                refusal = locks.delete_point(point)
                if refusal is None:
                    del POINTS[point.arn]
                return refusal or backup._no_content()
    return None


def _ok(body: Body) -> Answer:
    answer: Answer = backup._ok(body)
    return answer
