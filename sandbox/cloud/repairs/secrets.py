"""Secrets Manager's replicas, and the labels of versions."""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import secretsmanager

Request = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]

MOST_VERSIONS = 100
"""Versions that a secret keeps; the oldest without a label go first."""


def first_versions() -> None:
    """A secret that is made without a value has a version, without one, and a creation's token names no version."""
    create = secretsmanager._create_secret

    def created(request: Request) -> Answer:
        answer: Answer = create(request)
        if answer[0] != 200:
            return answer
        _, secret = secretsmanager._resolve(request["Name"])
        told = json.loads(answer[2])
        version = secret["Versions"].pop(told.pop("VersionId"))
        if "SecretString" in request or "SecretBinary" in request:
            told["VersionId"] = request["ClientRequestToken"]
            secret["Versions"][told["VersionId"]] = version
        return 200, answer[1], json.dumps(told).encode()

    secretsmanager._create_secret = created


def replicas_at_creation() -> None:
    """CreateSecret ignores the replicas that it is asked for."""
    create = secretsmanager._create_secret

    def created(request: Request) -> Answer:
        answer: Answer = create(request)
        replicas = request.get("AddReplicaRegions")
        if answer[0] != 200 or not replicas:
            return answer
        force = request.get("ForceOverwriteReplicaSecret", False)
        wanted = {"SecretId": request["Name"], "AddReplicaRegions": replicas, "ForceOverwriteReplicaSecret": force}
        replicated: Answer = secretsmanager._replicate_secret_to_regions(wanted)
        if replicated[0] != 200:
            return replicated
        told: Request = json.loads(answer[2])
        told["ReplicationStatus"] = json.loads(replicated[2])["ReplicationStatus"]
        return 200, answer[1], json.dumps(told).encode()

    secretsmanager._create_secret = created


def end_of_replication() -> None:
    """RemoveRegionsFromReplication and StopReplicationToReplica are missing: replicated secrets cannot be deleted."""
    handle = secretsmanager.handle_request
    actions = {
        "secretsmanager.RemoveRegionsFromReplication": _remove_regions,
        "secretsmanager.StopReplicationToReplica": _stop_replication,
    }

    async def handled(method: str, path: str, headers: dict[str, str], body: bytes, query: Request) -> Answer:
        action = actions.get(headers.get("x-amz-target", ""))
        if action is None:
            handled_there: Answer = await handle(method, path, headers, body, query)
            return handled_there
        request = json.loads(body)
        _, secret = secretsmanager._resolve(request["SecretId"])
        answer: Answer
        if not secret:
            message = "Secrets Manager can't find the specified secret."
            answer = secretsmanager.error_response_json("ResourceNotFoundException", message, 400)
        else:
            answer = secretsmanager.json_response(action(secret, request))
        return answer

    secretsmanager.handle_request = handled


def _remove_regions(secret: Request, request: Request) -> Request:
    gone = set(request["RemoveReplicaRegions"])
    for region in gone:
        if not _stands_alone(secret, region):
            secretsmanager._secrets.pop_scoped(get_account_id(), region, secret["Name"], None)
    secret["ReplicationStatus"] = [
        status for status in secret.get("ReplicationStatus", []) if status["Region"] not in gone
    ]
    return {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}


def _stop_replication(replica: Request, _: Request) -> Request:
    for name in ("_PrimarySecretArn", "_PrimaryRegion"):
        replica.pop(name, None)
    return {"ARN": replica["ARN"]}


def promoted_replicas() -> None:
    """A promoted replica is written over: at its former primary's next change, and by replication without force."""
    sync, replicate = secretsmanager._sync_replicas, secretsmanager._replicate_secret_to_regions

    def synced(secret: Request) -> None:
        replicas = secret.get("ReplicationStatus") or []
        failed = [each for each in replicas if _stands_alone(secret, each["Region"])]
        for each in failed:
            each.update(_FAILED)
        secret["ReplicationStatus"] = [each for each in replicas if each not in failed]
        try:
            sync(secret)
        finally:
            secret["ReplicationStatus"] = replicas

    def replicated(request: Request) -> Answer:
        _, secret = secretsmanager._resolve(request["SecretId"])
        asked = request.get("AddReplicaRegions") or ()
        if not secret or request.get("ForceOverwriteReplicaSecret"):
            answer: Answer = replicate(request)
            return answer
        refused = [each for each in asked if _stands_alone(secret, each["Region"])]
        answer = replicate({**request, "AddReplicaRegions": [each for each in asked if each not in refused]})
        if answer[0] != 200 or not refused:
            return answer
        regions = {each["Region"] for each in refused}
        others = [each for each in secret["ReplicationStatus"] if each["Region"] not in regions]
        secret["ReplicationStatus"] = [*others, *({**each, **_FAILED} for each in refused)]
        told: Answer = secretsmanager.json_response(
            {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}
        )
        return told

    secretsmanager._sync_replicas, secretsmanager._replicate_secret_to_regions = synced, replicated


_FAILED = {"Status": "Failed", "StatusMessage": "Secret with this name already exists in this region"}
"""As the API Reference words it (ReplicationStatusType)."""


def _stands_alone(secret: Request, region: str) -> bool:
    """Whether another region has a secret of this name that is no replica of this one."""
    there = secretsmanager._secrets.get_scoped(get_account_id(), region, secret["Name"])
    return bool(there) and there.get("_PrimarySecretArn") != secret["ARN"]


def labels_of_versions() -> None:
    """PutSecretValue loses labels that come with AWSCURRENT, leaves others on two versions, and repeats what was done.

    A version without a label is lost as well: AWS keeps it, and tells of it only who asks for it.
    """
    put, promote, versions = (
        secretsmanager._put_secret_value,
        secretsmanager._apply_current_promotion,
        secretsmanager._list_secret_version_ids,
    )

    def labelled(request: Request) -> Answer:
        _, secret = secretsmanager._resolve(request.get("SecretId"))
        there = secret and secret["Versions"].get(request.get("ClientRequestToken"))
        if there:
            return _repeated(secret, there, request)
        answer: Answer = put(request)
        if answer[0] != 200:
            return answer
        told: Request = json.loads(answer[2])
        for label in request.get("VersionStages") or ():
            secretsmanager._remove_stage_everywhere(secret, label, except_version_id=told["VersionId"])
            secretsmanager._add_stage(secret, told["VersionId"], label)
        secretsmanager._sync_replicas(secret)
        told["VersionStages"] = list(secret["Versions"][told["VersionId"]]["Stages"])
        return 200, answer[1], json.dumps(told).encode()

    def promoted(secret: Request, version: str) -> None:
        before = dict(secret["Versions"])
        promote(secret, version)
        lost = {key: each for key, each in before.items() if key not in secret["Versions"]}
        kept = {**lost, **secret["Versions"]}
        while len(kept) > MOST_VERSIONS and (bare := next((key for key in kept if not kept[key]["Stages"]), None)):
            del kept[bare]
        secret["Versions"] = kept

    def listed(request: Request) -> Answer:
        answer: Answer = versions(request)
        if answer[0] != 200 or request.get("IncludeDeprecated"):
            return answer
        told = json.loads(answer[2])
        told["Versions"] = [each for each in told["Versions"] if each["VersionStages"]]
        return 200, answer[1], json.dumps(told).encode()

    secretsmanager._put_secret_value, secretsmanager._apply_current_promotion = labelled, promoted
    secretsmanager._list_secret_version_ids = listed


def _repeated(secret: Request, version: Request, request: Request) -> Answer:
    """The answer to a token that has made a version: the same again for the same value, else a refusal."""
    token = request["ClientRequestToken"]
    answer: Answer
    if any(version.get(name) != request.get(name) for name in ("SecretString", "SecretBinary")):
        message = (
            f"You can't use ClientRequestToken {token} because that value is already in use for a version of "
            f"secret {secret['ARN']}."
        )
        answer = secretsmanager.error_response_json("ResourceExistsException", message, 400)
    else:
        told = {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token, "VersionStages": version["Stages"]}
        answer = secretsmanager.json_response(told)
    return answer
