"""Random requests, made from the API's document, and what every answer to them must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.doubles import openapi

if TYPE_CHECKING:
    from collections.abc import Callable

PROMISES = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
PATHS = (("/payment", "POST"), ("/payment/{paymentId}", "GET"))


def fuzz(app: Callable[..., Any] | None, url: str, api_key: str, requests: int) -> dict[int, int]:
    """Make about `requests` requests of each operation, valid and invalid ones in turn. Returns answers by status.

    Fails with the request to repeat when an answer is not one that the document promises, or is a 5xx.
    """
    raw = {**openapi.document(), "paths": {path: openapi.document()["paths"][path] for path, _ in PATHS}}
    schema: Any = schemathesis.openapi.from_dict(raw)
    schema.app = app
    answers: dict[int, int] = {}
    for path, method in PATHS:
        operation = schema[path][method]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=requests // 2,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                case.headers = {**(case.headers or {}), "x-api-key": api_key}
                response = case.call(base_url=url)
                answers[response.status_code] = answers.get(response.status_code, 0) + 1
                case.validate_response(response, checks=PROMISES)

            ask()
    return answers
