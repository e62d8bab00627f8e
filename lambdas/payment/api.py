"""The payment API: routes, who may, and which answer each outcome gets."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import Contended, Contradiction, InProgress, InvalidField, KeyReused, Unavailable, Unreadable
from lambdas.domain.payment import CANARY_CLIENT, SECOND, PaymentStatus
from lambdas.payment.fields import MalformedBody, read_object, to_instruction
from lambdas.telemetry.figures import FINISHED, UNKNOWN
from lambdas.telemetry.journal import FAILOVER_TRAFFIC
from lambdas.telemetry.sources import mark
from lambdas.web import headers, view
from lambdas.web.answer import JSON, Answer, problem, to_json
from lambdas.web.idempotency_key import InvalidKey, read_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.fence import Fence
    from lambdas.domain.instruction import Instruction
    from lambdas.domain.service import Payments
    from lambdas.telemetry.journal import LogJournal
    from lambdas.web.request import Request

MAX_BODY: Final = 16 * 1024
"""Bytes; a payment needs about a hundred."""

ELSEWHERE: Final = "Close the connection, ask DNS again, and repeat the request there with the same Idempotency-Key."
TRY_AGAIN: Final = "Try again later, with the same Idempotency-Key."

PAYMENT_TIME: Final = 7_500
"""Milliseconds that slow answers of secret, table and card processor take, and the write that must follow: with less
left, a payment is not begun (lambdas/README.md)."""

UNREADABLE_FOR: Final = 60 * SECOND
"""After so long a client may ask again about a payment that this release cannot read (ms): a newer one must come."""

READING: Final = ("GET", "HEAD")
"""HEAD is answered as GET is: whoever speaks HTTP to the client leaves the body out (RFC 9110, 9.3.2)."""

SECONDARY: Final = "secondary"
"""Where it matters how many clients have come by the shared name."""

PAYMENT: Final = "/payment"

UNSERVED: Final = "PaymentsUnserved"
"""1 for a payment of a known client that gets 5XX, else 0: the average is the share of them. Of API Gateway's own share
each request is a part that anybody sends, refused ones too. In the primary alone, which a health check follows."""

FAILED: Final = 500

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
    fence: Fence

    def answer(self, request: Request) -> Answer:
        """The answer to a request; it never raises for anything that a caller or a dependency can do."""
        started = self.payments.clock.now()
        self.journal.correlate(request_id=request.id)
        client: str | None = None
        late = request.method == "POST" and not self.payments.deadline.allows(PAYMENT_TIME)
        try:
            if late:
                answer = problem("late", TRY_AGAIN, retry_after=1)
            elif (client := self._authenticated(request)) is not None:
                answer = self._route(request, client)
            else:
                answer = problem("unauthorized", "Send your API key in the header x-api-key, once.")
        except Contended as error:
            # As 5XX, one client that repeats one key could take the region out.
            self.journal.tell("contended", error=str(error))
            answer = problem("contended", TRY_AGAIN, retry_after=2)
        except Unavailable as error:
            self.journal.tell("dependency_out", error=str(error))
            answer = problem("unavailable", TRY_AGAIN, retry_after=2)
        except Exception as error:  # noqa: BLE001 - a mistake of ours; asking again with the same key is safe all the same
            self.journal.measure("unexpected", {"RequestsFailed": 1}, error=_told(error))
            answer = problem("unavailable", TRY_AGAIN, retry_after=2)
        # A client may be unknown as the keys cannot be read. Who is late is not asked for a key.
        unserved = None if client is None and (late or answer.status < FAILED) else answer.status >= FAILED
        self._tell(request, client, answer, self.payments.clock.now() - started, unserved=unserved)
        return answer

    def _authenticated(self, request: Request) -> str | None:
        key = request.one(headers.API_KEY)
        return self.client_of(key) if key else None

    def _route(self, request: Request, client: str) -> Answer:
        path = request.path.rstrip("/")
        if path == PAYMENT:
            return self._post(request, client) if request.method == "POST" else _not_allowed("POST")
        parent, _, payment_id = path.rpartition("/")
        if parent == PAYMENT:
            return self._get(client, payment_id) if request.method in READING else _not_allowed(", ".join(READING))
        return problem("not-found", "The API has /payment and /payment/{paymentId}.")

    def _get(self, client: str, payment_id: str) -> Answer:
        payment = self.payments.get(client, payment_id)
        if payment is None:
            return problem("not-found", "You have no payment of this id.")
        self.journal.correlate(**{**self.journal.correlation, "payment_id": payment.id})
        return Answer(200, to_json(view.document(payment)))

    def _post(self, request: Request, client: str) -> Answer:
        refusal = _unreadable(request)
        if refusal is not None:
            return refusal
        try:
            key = read_key(request.headers.get(headers.IDEMPOTENCY_KEY.lower(), ()))
            instruction = to_instruction(client, key, read_object(request.body))
        except InvalidKey as error:
            return problem("idempotency-key-invalid", str(error))
        except MalformedBody as error:
            return problem("malformed-request", str(error))
        except InvalidField as error:
            return problem("invalid-field", f"{error}.", field=error.field)
        if client != CANARY_CLIENT and self.fence.holds():  # a canary's payment tells whether clients may come back
            return problem("out-of-service", ELSEWHERE, retry_after=1)
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
        except Unreadable as error:
            # As 5XX, repetitions of one payment could take the region out.
            self.journal.tell("payment_unreadable", error=str(error))
            return problem(
                "not-readable",
                "A newer release has written it, or it is damaged. " + TRY_AGAIN,
                retry_after=UNREADABLE_FOR // SECOND,
            )
        except Contradiction:
            self.journal.measure("contradiction", {"Contradictions": 1})
            return view.in_doubt()

    def _tell(self, request: Request, client: str | None, answer: Answer, took: int, *, unserved: bool | None) -> None:
        """One line a request. Canaries stay out of the business figures, and tell like others who is served."""
        metrics: dict[str, float] = {}
        paying = request.method == "POST" and request.path.rstrip("/") == PAYMENT
        if paying and unserved is not None and self.journal.role != SECONDARY:
            metrics[UNSERVED] = float(unserved)
        if client is not None and client != CANARY_CLIENT:
            metrics["Latency"] = took
            if request.host == self.failover_name:
                metrics[FAILOVER_TRAFFIC] = 1
                if self.journal.role == SECONDARY:
                    metrics |= mark(request.source, self.failover_name)
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
    types = request.headers.get("content-type", ())
    if len(types) > 1:
        return problem("unsupported-media-type", f"Content-Type is there {len(types)} times: send it once.")
    # JSON is UTF-8 and knows no parameter: what one says changes nothing (RFC 8259, 8.1 and 11).
    if request.header("content-type").partition(";")[0].strip(" \t").lower() != JSON:
        return problem("unsupported-media-type", f"Send Content-Type: {JSON}.")
    return None
