"""KMS: the end of keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json
from ministack.services import kms

if TYPE_CHECKING:
    Answer = tuple[int, dict[str, str], bytes]

PENDING = frozenset({"PendingDeletion", "PendingReplicaDeletion"})
LONGEST = 30
"""Days that a key waits for its deletion when nobody says how many."""


def pending_replicas() -> None:
    """A primary key waits for its replica to be scheduled for deletion, and can be used: on AWS for it to be gone."""
    schedule, check = kms._schedule_key_deletion, kms._check_key_state

    def scheduled(request: dict[str, Any]) -> Answer:
        key = kms._resolve_key(request.get("KeyId", ""))
        if key is not None and key["KeyState"] in PENDING:
            return _pending(key)
        members = [] if key is None else [(each, dict(each)) for _, each in kms._mrk_members(key)]
        answer: Answer = schedule(request)
        if answer[0] != 200 or key is None:
            return answer
        for member, before in members:
            # Until it is gone a replica is one of them, and its primary waits for that.
            member["_mrk_regions"] = before["_mrk_regions"]
            if member is not key:
                member["KeyState"] = before["KeyState"]
        if key["KeyState"] == "PendingReplicaDeletion":
            key.pop("DeletionDate")
        told = {
            "PendingWindowInDays": request.get("PendingWindowInDays", LONGEST),
            "DeletionDate": key.get("DeletionDate"),
        }
        body = {"KeyId": key["Arn"], "KeyState": key["KeyState"], **told}
        return 200, answer[1], json.dumps({name: value for name, value in body.items() if value is not None}).encode()

    def checked(key: dict[str, Any]) -> Answer | None:
        answer: Answer | None = _pending(key) if key["KeyState"] in PENDING else check(key)
        return answer

    kms._schedule_key_deletion, kms._check_key_state = scheduled, checked


def _pending(key: dict[str, Any]) -> Answer:
    answer: Answer = error_response_json("KMSInvalidStateException", f"{key['Arn']} is pending deletion.", 400)
    return answer
