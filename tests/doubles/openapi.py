"""The API's document, and a check of answers against it."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs
import yaml

from shared.packaging.packages import ROOT

PATHS = {"/payment": "/payment", "/health": "/health"}


@cache
def document() -> dict[str, Any]:
    """`lambdas/openapi.yaml`, its references resolved."""
    text = (ROOT / "lambdas" / "openapi.yaml").read_text()
    raw = yaml.safe_load(text)

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                target: Any = raw
                for step in value["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
                return resolved(target)
            return {name: resolved(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [resolved(inner) for inner in value]
        return value

    whole = resolved(raw)
    assert isinstance(whole, dict)
    return whole


def operation(method: str, path: str) -> dict[str, Any]:
    """The document's operation for a request."""
    template = "/payment/{paymentId}" if path.startswith("/payment/") else path
    found = document()["paths"][template][method.lower()]
    assert isinstance(found, dict)
    return found


def check(method: str, path: str, answer: dict[str, Any]) -> None:
    """The answer is one that the document promises: status, media type, body, headers."""
    promised = operation(method, path)["responses"][str(answer["statusCode"])]
    content_type = answer["headers"]["Content-Type"]
    schema = promised["content"][content_type]["schema"]
    validate(schema, json.loads(answer["body"]))
    for name, header in promised.get("headers", {}).items():
        value = answer["headers"].get(name)
        if value is None:
            assert name == "Idempotent-Replayed", f"{name} is missing"
        elif header["schema"]["type"] == "integer":
            assert int(value) >= header["schema"]["minimum"]
        else:
            assert value in header["schema"].get("enum", [value])


def validate(schema: dict[str, Any], value: Any) -> None:
    """Validate against a schema of OpenAPI 3.0: JSON Schema draft 4."""
    jsonschema_rs.validate(schema, value, draft=jsonschema_rs.Draft4)


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Whether the schema accepts the value."""
    return jsonschema_rs.is_valid(schema, value, draft=jsonschema_rs.Draft4)


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern of the document matches, as ECMA 262 would."""
    return re.search(pattern, text) is not None
