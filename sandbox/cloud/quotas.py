"""API Gateway's quotas for making and changing APIs, as an option: AWS has them, and a deployment there waits for them.

`SANDBOX_QUOTAS=on` turns them on. The rates are those of
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html, counted for each region, as each has its own
API. What is refused is refused as AWS does: 429, TooManyRequestsException.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox import quotas

if TYPE_CHECKING:
    from collections.abc import Callable


class Quota(NamedTuple):
    """So many requests within so many seconds."""

    requests: float
    seconds: float


OPERATIONS: dict[str, tuple[str, str, Quota]] = {
    "CreateApiKey": ("POST", r"/apikeys", Quota(5, 1)),
    "CreateDeployment": ("POST", r"/restapis/[^/]+/deployments", Quota(1, 5)),
    "CreateDomainName": ("POST", r"/domainnames", Quota(1, 30)),
    "CreateResource": ("POST", r"/restapis/[^/]+/resources/[^/]+", Quota(5, 1)),
    "CreateRestApi": ("POST", r"/restapis", Quota(1, 3)),
    "DeleteApiKey": ("DELETE", r"/apikeys/[^/]+", Quota(5, 1)),
    "DeleteDomainName": ("DELETE", r"/domainnames/[^/]+", Quota(1, 30)),
    "DeleteResource": ("DELETE", r"/restapis/[^/]+/resources/[^/]+", Quota(5, 1)),
    "DeleteRestApi": ("DELETE", r"/restapis/[^/]+", Quota(1, 30)),
    "GetResources": ("GET", r"/restapis/[^/]+/resources", Quota(5, 2)),
    "PutRestApi": ("PUT", r"/restapis/[^/]+", Quota(1, 1)),
    "UpdateAccount": ("PATCH", r"/account", Quota(1, 20)),
    "UpdateDomainName": ("PATCH", r"/domainnames/[^/]+", Quota(1, 30)),
    "UpdateUsagePlan": ("PATCH", r"/usageplans/[^/]+", Quota(1, 20)),
}
"""By operation: method, path, and its own quota."""
ALL = Quota(10, 1)
BURST = 40
"""All operations together: so many at once, and as ALL says from then on."""


def operation(method: str, path: str) -> str | None:
    """Which of the operations with a quota of its own a request asks for."""
    return next((name for name, (verb, at, _) in OPERATIONS.items() if verb == method and re.fullmatch(at, path)), None)


@dataclass
class TokenBucket:
    """Tokens, of which each request takes one; they come back at the quota's rate."""

    quota: Quota
    most: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._at = self.most, self.clock()

    def wait(self) -> float:
        """Seconds until there is a token."""
        now, rate = self.clock(), self.quota.requests / self.quota.seconds
        self._tokens, self._at = min(self.most, self._tokens + (now - self._at) * rate), now
        return max(0.0, (1 - self._tokens) / rate)

    def take(self) -> None:
        self._tokens -= 1


class Quotas:
    """The token buckets of all regions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[Any, ...], TokenBucket] = {}

    def wait(self, scope: tuple[str, ...], method: str, path: str) -> float:
        """Seconds that a request comes too early; 0 when it may go on, and then it counts."""
        name = operation(method, path)
        wanted = [self._bucket((*scope, "all"), ALL, BURST)]
        if name is not None:
            quota = OPERATIONS[name][2]
            wanted.append(self._bucket((*scope, name), quota, quota.requests))
        wait = max(bucket.wait() for bucket in wanted)
        if not wait:
            for bucket in wanted:
                bucket.take()
        return wait

    def _bucket(self, key: tuple[Any, ...], quota: Quota, most: float) -> TokenBucket:
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(quota, most, self._clock)
        return self._buckets[key]


def apply() -> None:
    """Refuse what comes too early, where the option is on."""
    if not quotas.on():
        return
    from ministack.core.responses import get_account_id, get_region  # noqa: PLC0415 - only the cloud has the emulator
    from ministack.services import apigateway_v1  # noqa: PLC0415

    handle, kept = apigateway_v1.handle_request, Quotas()

    async def handled(method: str, path: str, *arguments: Any) -> Any:
        if kept.wait((get_account_id(), get_region()), method, path):
            return apigateway_v1._v1_error("TooManyRequestsException", "Too Many Requests", 429)
        return await handle(method, path, *arguments)

    apigateway_v1.handle_request = handled
