"""How requests come in."""

from __future__ import annotations

from ministack import app


def loopback_is_private() -> None:
    """Conditions on aws:SecureTransport see plain HTTP: here loopback stands in for TLS, which policies ask for."""
    pin = app.pin_request_origin

    def pinned(source_ip: str, _secure: object) -> None:
        pin(source_ip, secure_transport=True)

    app.pin_request_origin = pinned
