"""Secrets Manager's replicas."""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import secretsmanager

Request = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


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
        secretsmanager._secrets.pop_scoped(get_account_id(), region, secret["Name"], None)
    secret["ReplicationStatus"] = [
        status for status in secret.get("ReplicationStatus", []) if status["Region"] not in gone
    ]
    return {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}


def _stop_replication(replica: Request, _: Request) -> Request:
    for name in ("_PrimarySecretArn", "_PrimaryRegion"):
        replica.pop(name, None)
    return {"ARN": replica["ARN"]}
