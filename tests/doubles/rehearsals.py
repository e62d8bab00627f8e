"""A version that passes its rehearsal: what each event is answered that a deployment sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.rehearsals import EVENT


def passing(event: str, place: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answers to a rehearsal's event by functions that say `place` of themselves."""
    answers: list[dict[str, Any]] = []
    body: dict[str, Any] = {}
    for turn in json.loads(event)[EVENT]:
        asked = turn["event"]
        if "status" not in turn:
            answers.append({"batchItemFailures": []})
            continue
        if asked["path"] == "/health":
            body = {"status": "pass", "consistency": "MRSC", **place}
        elif asked["httpMethod"] == "POST":
            body = {"paymentId": "pay_1", "status": "paid", **json.loads(asked["body"])}
        answers.append(proxied(turn["status"], body))
    return answers


def proxied(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {}, "body": json.dumps(body), "isBase64Encoded": False}
