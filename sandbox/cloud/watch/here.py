"""What the repaired services share of the cloud that they run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.clock import SharedClock
    from sandbox.cloud.posts import Outside
    from sandbox.cloud.watch.metrics import Metrics
    from sandbox.mail import Mailbox


class Here:
    """Set when the cloud starts, before the services are repaired."""

    clock: SharedClock
    metrics: Metrics
    mailbox: Mailbox
    outside: Outside
    out: Callable[[str, str], bool]
    """Whether a service of a region is out."""
