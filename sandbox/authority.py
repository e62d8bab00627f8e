"""The sandbox's certificate authority: what signs for every https name in it, and what its functions trust alone."""

from __future__ import annotations

import fcntl
import ssl
from typing import TYPE_CHECKING

import trustme

from shared import files

if TYPE_CHECKING:
    from sandbox.layout import Layout


class Authority:
    """Gives each name a certificate when somebody first asks for it."""

    def __init__(self, layout: Layout) -> None:
        self._authority = _kept(layout)
        self._contexts: dict[str, ssl.SSLContext] = {}

    def context(self) -> ssl.SSLContext:
        """For a server that answers to every name: the client's first message says which (SNI)."""
        context = self._of("localhost")
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = self._of(name)

    def _of(self, name: str) -> ssl.SSLContext:
        if name not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(name).configure_cert(context)
            self._contexts[name] = context
        return self._contexts[name]


def _kept(layout: Layout) -> trustme.CA:
    """The authority of this checkout, the same over restarts: a function may have read its certificate before.

    And one for all daemons, which start at the same time: the first makes it.
    """
    certificate, key = layout.authority, layout.authority_key
    certificate.parent.mkdir(parents=True, exist_ok=True)
    with (certificate.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
        except (FileNotFoundError, ValueError, TypeError):  # a key with a passphrase is a TypeError
            made = trustme.CA()
            files.replace(key, made.private_key_pem.bytes(), mode=0o600)
            files.replace(certificate, made.cert_pem.bytes())
            return made
