"""Whose API key is this? Checked in constant time against the replicated secret."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

from lambdas.domain.errors import MALFORMED, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.adapters.retry import Retry

FRESH: Final = 60_000
"""How long a copy of the secret is used without asking (ms)."""
RECHECK: Final = 5_000
"""An unknown key may be one that was just rotated in: ask again, but not more often than this (ms)."""


class SecretsClient(Protocol):
    """What is used of Secrets Manager: an operation of the SDK's client."""

    def get_secret_value(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(slots=True)
class ApiKeys:
    """The clients' keys, cached. A copy outlives an outage of Secrets Manager: old keys are better than none.

    A copy that could not be renewed lets in whom it has, and calls nobody else's key wrong: it may be newer.
    """

    secrets: SecretsClient
    arn: str
    retry: Retry
    on_previous: Callable[[str], None] | None = None
    """Told a client that has come with the key before its current one: it has not changed over yet."""
    _keys: tuple[tuple[str, str, bytes, bool], ...] = ()
    _read_at: int | None = None
    _asked_at: int | None = None
    _failure: str = ""
    """Why the last attempt to read the secret failed; "" when it did not."""

    def client_of(self, api_key: str) -> str | None:
        """The client's id, or None for a key that is nobody's. Raises Unavailable when nobody can say."""
        self._refresh(FRESH)
        client = self._match(api_key)
        if client is None and self._refresh(RECHECK):
            client = self._match(api_key)
        if client is None:
            self._require_newest()
        return client

    def key_of(self, client: str) -> str:
        """A client's current key, for probes that act as that client. Raises Unavailable, KeyError."""
        self._refresh(FRESH)
        keys = [key for name, key, _, _ in self._keys if name == client]
        if not keys:
            self._require_newest()
            raise KeyError(client)
        return keys[0]

    def _require_newest(self) -> None:
        """Raises Unavailable when the copy could not be renewed."""
        if self._failure:
            raise Unavailable(self._failure)

    def _match(self, api_key: str) -> str | None:
        given = sha256(api_key.encode("utf-8", "surrogatepass")).digest()
        found, previous = None, False
        # Every key is compared, whatever matched before, and by its hash: the time tells neither content nor length.
        for client, _, digest, outdated in self._keys:
            if hmac.compare_digest(digest, given):
                found, previous = client, outdated
        if found and previous and self.on_previous:
            self.on_previous(found)
        return found

    def _refresh(self, age: int) -> bool:
        """Read the secret if the last attempt is older than `age`; says whether it was read."""
        now = self.retry.clock.now()
        if self._asked_at is not None and self._read_at is not None and 0 <= now - self._asked_at < age:
            return False
        self._asked_at = now
        try:
            answer = self.retry(self.secrets.get_secret_value, SecretId=self.arn)
            self._keys = _parse(answer["SecretString"])
        except (Unavailable, *MALFORMED) as error:  # the secret's text itself must not get into a log
            reason = str(error) if isinstance(error, Unavailable) else "not the clients' keys"
            self._failure = f"the API keys cannot be read: {reason}"
            if self._read_at is not None:
                return False
            raise Unavailable(self._failure) from error
        self._read_at, self._failure = now, ""
        return True


def _parse(secret: str) -> tuple[tuple[str, str, bytes, bool], ...]:
    """The clients' keys, the current ones first, each with its hash, and whether it is a previous one.

    The secret is `{"clients": {"<id>": {"current": "<key>", "previous": "<key>" or null}}}`.
    """
    clients = json.loads(secret)["clients"]
    return tuple(
        (client, keys[generation], sha256(keys[generation].encode()).digest(), generation == "previous")
        for generation in ("current", "previous")
        for client, keys in clients.items()
        if keys.get(generation)
    )
