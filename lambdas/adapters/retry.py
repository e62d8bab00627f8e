"""Calls to AWS, repeated when that helps, with the SDK's errors in the domain's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from lambdas.domain.errors import Throttled, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.ports import Clock

THROTTLED: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
    }
)
TRANSIENT: Final = THROTTLED | {
    "ConditionalRequestConflict",  # S3: another conditional write of the key was in flight
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "ReplicatedWriteConflictException",  # MRSC: the item was written in another region at the same moment
    "RequestTimeout",
    "ServiceUnavailable",
    "ServiceUnavailableException",
}

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
    """Calls SDK operations. A `ClientError` that no repetition mends is passed on, for the caller to understand."""

    clock: Clock

    def __call__(self, operation: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
        """The operation's answer. Raises Throttled, Unavailable (the call may have had its effect), ClientError."""
        started = self.clock.now()
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return operation(**arguments)
            except ClientError as error:
                code = code_of(error)
                status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
                if code not in TRANSIENT and status < 500:
                    raise
                failure = Throttled(code) if code in THROTTLED else Unavailable(code or str(status))
                failure.__cause__ = error
            except ParamValidationError:
                raise  # a bug of ours: no attempt was made
            except BotoCoreError as error:
                failure = Unavailable(type(error).__name__)
                failure.__cause__ = error
            if attempt == ATTEMPTS or self.clock.now() + pause > started + BUDGET:
                break
            self.clock.sleep(pause)
            pause *= 2
        raise failure
