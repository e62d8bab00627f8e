"""Calls to AWS, repeated when that helps, with the SDK's errors in the domain's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ParamValidationError

from lambdas.domain.errors import Contended, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.deadline import Deadline
    from lambdas.domain.ports import Clock

TRANSIENT: Final = frozenset(
    {
        "ConditionalRequestConflict",  # S3: another conditional write of the key was in flight
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",  # MRSC: the item was written in another region at the same moment
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
    }
)
"""What may pass. A dependency that throttles is out as any other: our caller has not sent too much."""

ONE_ITEM: Final = re.compile(r"Table(Read|Write)KeyRangeThroughputExceeded")
"""Why DynamoDB throttles who asks about one key too often (API reference, ThrottlingReason). Not those of indexes, of
which all payments share a few."""

REASONS: Final = ("ThrottlingReasons", "throttlingReasons")
"""Two spellings, for different errors (the SDK's model of DynamoDB)."""

ATTEMPT: Final = 1_500
"""What one attempt takes at most (ms): `aws.py` ends it then."""
ATTEMPTS: Final = 4
FIRST_PAUSE: Final = 25
"""Milliseconds before the second attempt; doubles. A conflicting MRSC write is over within a round trip or two."""
BUDGET: Final = 2_500
"""No attempt starts later than this many milliseconds after the first."""


def code_of(error: ClientError) -> str:
    """AWS's name of the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


@dataclass(frozen=True, slots=True)
class Retry:
    """Calls SDK operations. Whatever they raise leaves here as `Unavailable`; see `deadline` for how long it takes."""

    clock: Clock
    deadline: Deadline | None = None
    """When all must be over: no attempt is begun that could end later."""
    attempts: int = ATTEMPTS

    def __call__(
        self, operation: Callable[..., dict[str, Any]], /, *, expected: str | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """The operation's answer.

        Raises Rejected (no effect), Unavailable (the call may have had its effect), and ClientError only for the error
        code that the caller says it understands, `expected`.
        """
        started = self.clock.now()
        pause = FIRST_PAUSE
        failure = Unavailable("no time is left")
        for attempt in range(1, self.attempts + 1):
            if not self._allows(ATTEMPT):
                break
            try:
                return operation(**arguments)
            except Exception as error:
                # Not the SDK's own classes alone: parsers, TLS and sockets have theirs, and a dependency is out all
                # the same.
                if isinstance(error, ClientError) and code_of(error) == expected:
                    raise
                failure = _failure(error)
                if isinstance(failure, Rejected):
                    # An attempt before this one may have had its effect: no later answer takes that back.
                    raise (failure if attempt == 1 else Unavailable(str(failure))) from error
                failure.__cause__ = error
            if (
                attempt == self.attempts
                or self.clock.now() + pause > started + BUDGET
                or not self._allows(pause + ATTEMPT)
            ):
                break
            self.clock.sleep(pause)
            pause *= 2
        raise failure

    def _allows(self, milliseconds: int) -> bool:
        return self.deadline is None or self.deadline.allows(milliseconds)


def _is_of_one_item(error: ClientError) -> bool:
    told: Any = error.response
    reasons = [str(each.get("reason")) for name in REASONS for each in told.get(name) or ()]
    return bool(reasons) and all(map(ONE_ITEM.fullmatch, reasons))


def _failure(error: Exception) -> Unavailable:
    """An SDK's error in the domain's words."""
    if isinstance(error, ClientError):
        code = code_of(error)
        if _is_of_one_item(error):
            return Contended(code)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return (Unavailable if code in TRANSIENT or status >= 500 else Rejected)(code or str(status))
    name = type(error).__name__
    return Rejected(name) if isinstance(error, ParamValidationError) else Unavailable(name)
