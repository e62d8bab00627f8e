"""Lambda's functions."""

from __future__ import annotations

from ministack.services import lambda_svc


def ready_at_once() -> None:
    """A function is Pending for half a second after each change, though nothing is being prepared."""
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0
