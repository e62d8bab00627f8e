"""A request, whether it came through API Gateway (REST, proxy integration) or an Application Load Balancer."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lambdas.web.answer import Answer, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


LONGEST_WAIT: Final = 30_000
"""Milliseconds: no entry point waits longer for a function, so a greater difference is one of clocks."""

_TRACED = re.compile(r"1-([0-9a-f]{8})-[0-9a-f]{24}")
"""A trace id, with the second in which it was given (Elastic Load Balancing User Guide, "Request tracing")."""


class NoRequest(ValueError):
    """An event that is no HTTP request. The text says what is wrong with it; it may have what a caller sent in it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are in lower case, each with all of its values in order."""

    method: str
    path: str
    headers: Mapping[str, tuple[str, ...]]
    """API Gateway sends all values beside the last one. A load balancer sends the last one, or, where its target group
    has `lambda.multi_value_headers.enabled`, all: it needs that here, else a key sent twice would look like one."""
    body: bytes
    id: str
    source: str
    """The caller's address, as the entry point saw it; "" when it did not say."""
    arrived: int | None
    """When the entry point got it, in milliseconds since 1970; None when it did not say."""
    multi_value: bool
    """The answer must use `multiValueHeaders` (a load balancer drops all others in that mode)."""

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """The request in a proxy event. Raises NoRequest for an event that has none."""
        try:
            request = cls._of(event)
        except (LookupError, TypeError, AttributeError) as error:
            raise NoRequest(f"{type(error).__name__}: {error}") from error
        texts = (request.method, request.path, *(value for values in request.headers.values() for value in values))
        if not all(isinstance(text, str) for text in texts):
            raise NoRequest("method, path and headers are texts")
        return request

    @classmethod
    def _of(cls, event: Mapping[str, Any]) -> Request:
        headers: dict[str, tuple[str, ...]] = {}
        single, multi = event.get("headers") or {}, event.get("multiValueHeaders") or {}
        # A name in two spellings is one header, sent twice.
        for name, values in multi.items():
            headers[name.lower()] = (*headers.get(name.lower(), ()), *values)
        complete = set(headers)
        for name, value in single.items():
            if name.lower() not in complete:
                headers[name.lower()] = (*headers.get(name.lower(), ()), value)
        context = event.get("requestContext") or {}
        return cls(
            method=event["httpMethod"],
            path=event["path"],
            headers=headers,
            body=_body(event),
            id=context.get("requestId") or _first(headers.get("x-amzn-trace-id", ())),
            source=_source(context, headers),
            arrived=_arrived(context, headers),
            multi_value=_multi_value(event),
        )

    def header(self, name: str) -> str:
        """The header's value, "" when it is missing; several values are joined as HTTP defines it."""
        return ", ".join(self.headers.get(name, ()))

    def one(self, name: str) -> str:
        """The header's value, "" when it is missing or there more than once: nobody knows which one is meant."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else ""

    def waited(self, now: int) -> int:
        """Milliseconds that the request has waited for a function, such as for a cold start; 0 when nobody can say."""
        waited = 0 if self.arrived is None else now - self.arrived
        return waited if 0 < waited <= LONGEST_WAIT else 0

    @property
    def host(self) -> str:
        """The name that the client asked for, without a port."""
        return self.header("host").rsplit(":", 1)[0].lower()

    def response(self, answer: Answer, shared_headers: Mapping[str, str]) -> dict[str, Any]:
        """The proxy response for this request's entry point."""
        return _response(answer, shared_headers, multi_value=self.multi_value)


def answered(
    event: Mapping[str, Any], shared_headers: Mapping[str, str], answer: Callable[[Request], Answer]
) -> dict[str, Any]:
    """The proxy response to an event: what `answer` says to its request, and 400 where it has none."""
    try:
        request = Request.of(event)
    except NoRequest:
        refusal = problem("malformed-request", "The entry point has handed over no HTTP request.")
        return _response(refusal, shared_headers, multi_value=_multi_value(event))
    return request.response(answer(request), shared_headers)


def _response(answer: Answer, shared_headers: Mapping[str, str], *, multi_value: bool) -> dict[str, Any]:
    headers = {**shared_headers, **answer.headers}
    fields: dict[str, Any] = (
        {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
        if multi_value
        else {"headers": headers}
    )
    return {"statusCode": answer.status, "isBase64Encoded": False, "body": answer.body, **fields}


def _multi_value(event: Mapping[str, Any]) -> bool:
    return "multiValueHeaders" in event and "headers" not in event


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(str(body), validate=True)
        except ValueError:  # binascii's own, and one for what is not ASCII
            return b"\xff"  # what no JSON begins with: refused as any other body that is not JSON
    return str(body).encode("utf-8", "surrogatepass")


def _source(context: Mapping[str, Any], headers: Mapping[str, tuple[str, ...]]) -> str:
    """Of what was forwarded the last address alone is a load balancer's own word; those before it are the caller's."""
    told = (context.get("identity") or {}).get("sourceIp") or ""
    return told or ", ".join(headers.get("x-forwarded-for", ())).rpartition(",")[2].strip()


def _arrived(context: Mapping[str, Any], headers: Mapping[str, tuple[str, ...]]) -> int | None:
    """API Gateway says it. A load balancer gives each request a trace id with its second: its last moment is meant.

    A caller's own id stays as `Root`, and then the load balancer's is `Self`: the newest of those counts, as who could
    make a request old would have it answered 503, of which a health check hears.
    """
    told = context.get("requestTimeEpoch")
    if isinstance(told, int):
        return told
    fields = [
        part.strip().partition("=")[::2] for value in headers.get("x-amzn-trace-id", ()) for part in value.split(";")
    ]
    ids = [value for name, value in fields if name == "Self"] or [value for name, value in fields if name == "Root"]
    seconds = [int(found[1], 16) for value in ids if (found := _TRACED.fullmatch(value))]
    return max(seconds) * 1000 + 999 if seconds else None


def _first(values: tuple[str, ...]) -> str:
    return values[0] if values else ""
