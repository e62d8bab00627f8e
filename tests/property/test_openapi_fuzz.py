"""The document's requests, valid and not, against the payment function in this process."""

from __future__ import annotations

import base64

from lambdas.web.request import Request
from tests.doubles.fuzzing import fuzz
from tests.doubles.payments import STOREFRONT, Region


def test_no_request_surprises_the_function():
    region = Region()

    def app(environ, start_response):
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name == "CONTENT_TYPE"
        }
        event = {
            "httpMethod": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "headers": headers,
            "body": base64.b64encode(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))).decode(),
            "isBase64Encoded": True,
        }
        request = Request.of(event)
        answer = request.response(region.api.answer(request), {})
        start_response(f"{answer['statusCode']} -", list(answer["headers"].items()))
        return [answer["body"].encode()]

    answers = fuzz(app, "http://payments.example", STOREFRONT, 100)
    assert sum(answers.values()) >= 200
    assert {201, 404, 422} <= answers.keys()
