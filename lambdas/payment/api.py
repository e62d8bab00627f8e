"""The payment API: routes, who may, and which answer each outcome gets."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import Contradiction, InProgress, InvalidField, KeyReused, Throttled, Unavailable
from lambdas.domain.instruction import KEY_LENGTH
from lambdas.domain.payment import CANARY_CLIENT, SECOND, PaymentStatus
from lambdas.payment.fields import MalformedBody, read_object, to_instruction
from lambdas.telemetry.figures import FINISHED, UNKNOWN
from lambdas.web import headers, view
from lambdas.web.answer import Answer, problem, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.instruction import Instruction
    from lambdas.domain.service import Payments
    from lambdas.telemetry.journal import LogJournal
    from lambdas.web.request import Request

MAX_BODY: Final = 16 * 1024
"""Bytes; a payment needs about a hundred."""

_STATUS_METRICS: Final = {
    201: FINISHED[PaymentStatus.CAPTURED],
    402: FINISHED[PaymentStatus.DECLINED],
    202: UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Api:
    """Answers requests.

    `client_of` names the owner of an API key; `failover_name` is the name shared by both regions.
    """

    payments: Payments
    client_of: Callable[[str], str | None]
    journal: LogJournal
    failover_name: str

    def answer(self, request: Request) -> Answer:
        """The answer to a request; it never raises for anything that a caller or a dependency can do."""
        started = self.payments.clock.now()
        self.journal.correlate(request_id=request.id)
        client: str | None = None
        try:
            client = self._authenticated(request)
            answer = (
                self._route(request, client)
                if client is not None
                else problem("unauthorized", "Send your API key in the header x-api-key.")
            )
        except Throttled:
            answer = problem("throttled", "Try again later, with the same Idempotency-Key.", retry_after=1)
        except Unavailable as error:
            self.journal.tell("dependency_out", error=str(error))
            answer = problem("unavailable", "Try again later, with the same Idempotency-Key.", retry_after=2)
        except Exception as error:  # noqa: BLE001 - a mistake of ours; asking again with the same key is safe all the same
            self.journal.measure("unexpected", {"RequestsFailed": 1}, error=_told(error))
            answer = problem("unavailable", "Try again later, with the same Idempotency-Key.", retry_after=2)
        self._tell(request, client, answer, self.payments.clock.now() - started)
        return answer

    def _authenticated(self, request: Request) -> str | None:
        key = request.header(headers.API_KEY)
        return self.client_of(key) if key else None

    def _route(self, request: Request, client: str) -> Answer:
        path = request.path.rstrip("/")
        if path == "/payment":
            return self._post(request, client) if request.method == "POST" else _not_allowed("POST")
        parent, _, payment_id = path.rpartition("/")
        if parent == "/payment":
            return self._get(client, payment_id) if request.method == "GET" else _not_allowed("GET")
        return problem("not-found", "The API has /payment and /payment/{paymentId}.")

    def _get(self, client: str, payment_id: str) -> Answer:
        payment = self.payments.get(client, payment_id)
        if payment is None:
            return problem("not-found", "You have no payment of this id.")
        self.journal.correlate(**{**self.journal.correlation, "payment_id": payment.id})
        return Answer(200, to_json(view.document(payment)))

    def _post(self, request: Request, client: str) -> Answer:
        refusal, key = _unreadable(request), _idempotency_key(request)
        if refusal is not None:
            return refusal
        if key is None:
            return problem(
                "idempotency-key-invalid",
                f"Send one Idempotency-Key of 1 to {KEY_LENGTH} printable ASCII characters, new for each payment.",
            )
        try:
            instruction = to_instruction(client, key, read_object(request.body))
        except MalformedBody as error:
            return problem("malformed-request", str(error))
        except InvalidField as error:
            return problem("invalid-field", f"{error}.", field=error.field)
        return self._pay(instruction)

    def _pay(self, instruction: Instruction) -> Answer:
        self.journal.correlate(**{**self.journal.correlation, "payment_id": instruction.payment_id})
        try:
            return view.posted(self.payments.pay(instruction), self.payments.clock.now())
        except KeyReused:
            return problem("idempotency-key-reused", "Use a new Idempotency-Key for another payment.")
        except InProgress as busy:
            return problem(
                "in-progress",
                "Try again with the same Idempotency-Key.",
                retry_after=-(-busy.retry_after // SECOND),
            )
        except Contradiction:
            self.journal.measure("contradiction", {"Contradictions": 1})
            return problem("internal", "The payment is under examination; do not repeat it.")

    def _tell(self, request: Request, client: str | None, answer: Answer, took: int) -> None:
        """One line a request. Canaries stay out of the business figures."""
        metrics: dict[str, float] = {}
        if client is not None and client != CANARY_CLIENT:
            metrics["Latency"] = took
            if request.host == self.failover_name:
                metrics["FailoverTraffic"] = 1
            if answer.status in _STATUS_METRICS and headers.REPLAYED not in answer.headers:
                metrics[_STATUS_METRICS[answer.status]] = 1
        self.journal.measure(
            "request",
            metrics,
            method=request.method[:16],
            status=answer.status,
            client=client,
            replayed=True if headers.REPLAYED in answer.headers else None,
            milliseconds=took,
        )


def _told(error: Exception) -> str:
    """The error's class and place, without its text, which may have anything in it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].name}, line {frames[-1].lineno}"


def _not_allowed(allowed: str) -> Answer:
    refusal = problem("method-not-allowed", f"This resource answers {allowed}.")
    return Answer(refusal.status, refusal.body, {**refusal.headers, "Allow": allowed})


def _unreadable(request: Request) -> Answer | None:
    if len(request.body) > MAX_BODY:
        return problem("too-large", f"A body may have {MAX_BODY} bytes.")
    if not _is_json(request.header("content-type")):
        return problem("unsupported-media-type", "Send Content-Type: application/json.")
    return None


def _is_json(content_type: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [parameter.partition("=")[2].strip('"') for parameter in parameters if parameter.startswith("charset=")]
    return media_type == "application/json" and all(charset == "utf-8" for charset in charsets)


def _idempotency_key(request: Request) -> str | None:
    values = request.headers.get(headers.IDEMPOTENCY_KEY.lower(), ())
    if len(values) != 1:
        return None
    key = values[0].strip()
    return key if 1 <= len(key) <= KEY_LENGTH and key.isascii() and key.isprintable() else None
