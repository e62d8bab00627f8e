"""Clients of the bundled SDK: the bare library, without its own retries, and with an end to each call.

Retries are ours (`retry.py`): they know the clock, and a conditional write repeated after a lost answer needs care that
the SDK cannot take.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import botocore.session
from botocore.config import Config

from lambdas.adapters.crew import AT_ONCE
from lambdas.adapters.retry import ATTEMPT

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session

CONNECTIONS: Final = AT_ONCE + 4
"""Calls of a client at once: those of a sweep's workers, and some that hang and must not hold up the next."""


@dataclass(frozen=True, slots=True)
class EndingClient:
    """An SDK client whose every operation ends after `limit` seconds, with TimeoutError if need be.

    The SDK's time-outs are no end: urllib3 waits for `connect_timeout` at *each* address of a name (S3 has eight) and
    again for TLS, for `read_timeout` at each piece of an answer, and for the name's resolution without any.
    """

    client: Any
    limit: float
    threads: ThreadPoolExecutor

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.client, name)
        return partial(self._call, found) if callable(found) else found

    def _call(self, operation: Callable[..., Any], **arguments: Any) -> Any:
        call = self.threads.submit(operation, **arguments)
        try:
            return call.result(self.limit)
        finally:
            # One that still waits for a thread must not be made after its caller has given it up.
            call.cancel()


@cache
def _session() -> Session:
    return botocore.session.get_session()


@cache
def client(service: str, *, connect_timeout: float = 1.0, read_timeout: float = 1.0) -> Any:
    """The region's client of a service (region, credentials and endpoint come from Lambda's environment).

    Time-outs in seconds, of a socket; a call as a whole ends after `ATTEMPT`.
    """
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
        max_pool_connections=CONNECTIONS,
        # By default the SDK takes S3's global name for us-east-1: another way, and another fate in an outage.
        s3={"us_east_1_regional_endpoint": "regional"},
        user_agent_extra="region-failover",
    )
    return EndingClient(
        _session().create_client(service, config=config), ATTEMPT / 1000, ThreadPoolExecutor(CONNECTIONS)
    )
