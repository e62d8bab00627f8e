"""A region's own configuration, from Systems Manager: where things are there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from lambdas.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.adapters.retry import Retry

ENDPOINT: Final = "endpoint"
PEER_ENDPOINT: Final = "peer-endpoint"
API_KEYS_SECRET: Final = "api-keys-secret"  # noqa: S105 - its parameter's name
"""Parameters: the URL of this region and of the other one, and the ARN of the secret with the clients' keys."""

FRESH: Final = 300_000
"""How long what was read is used without asking (ms)."""


class ParametersClient(Protocol):
    """What is used of Systems Manager: an operation of the SDK's client."""

    def get_parameter(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(slots=True)
class ParameterFolder:
    """The parameters `names` of a folder, read at the first use. A copy outlives an outage of the service."""

    client: ParametersClient
    folder: str
    names: tuple[str, ...]
    retry: Retry
    _values: Mapping[str, str] = field(default_factory=dict)
    _asked_at: int | None = None

    def values(self) -> Mapping[str, str]:
        """Value by name. Raises Unavailable when they were never read, or when one is not there."""
        now = self.retry.clock.now()
        if not self._values or self._asked_at is None or not 0 <= now - self._asked_at < FRESH:
            self._asked_at = now
            try:
                self._values = self._read()
            except Unavailable as error:
                if not self._values:
                    raise Unavailable(f"{self.folder} cannot be read: {error}") from error
        return self._values

    def _read(self) -> Mapping[str, str]:
        return {name: self._one(f"{self.folder}/{name}") for name in self.names}

    def _one(self, name: str) -> str:
        answer = self.retry(self.client.get_parameter, Name=name, WithDecryption=True)
        return str(answer["Parameter"]["Value"])
