"""What happens in the cloud by the clock: alarms are evaluated, queues measured, schedules and canaries run."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sandbox.clock import SharedClock
from sandbox.cloud.answers import header
from sandbox.cloud.posts import Outside
from sandbox.cloud.requests import signed
from sandbox.cloud.watch.here import Here
from sandbox.mail import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sandbox.cloud.synthetics.http import SyntheticsEndpoint
    from sandbox.layout import Layout
    from sandbox.server import Receive, Scope, Send

log = logging.getLogger(__name__)


class Clockwork:
    """The cloud's tasks.

    `out` says whether a service of a region is out; `changed` hears when something has to be saved.
    """

    def __init__(self, layout: Layout, out: Callable[[str, str], bool], changed: Callable[[], None]) -> None:
        self._layout = layout
        self._clock = Here.clock = SharedClock(layout.clock)
        Here.mailbox = Mailbox(layout.mail)
        Here.outside = Outside(layout)
        self._out = Here.out = out
        self._changed = changed
        self._synthetics: SyntheticsEndpoint
        self._tasks: list[asyncio.Task[None]] = []

    def prepare(self) -> None:
        """Take up the metrics that were kept. It imports services: not in the event loop."""
        from ministack.services import cloudwatch  # noqa: PLC0415 - importing it takes a while

        from sandbox.cloud.synthetics.http import SyntheticsEndpoint  # noqa: PLC0415
        from sandbox.cloud.synthetics.service import Canaries  # noqa: PLC0415
        from sandbox.cloud.watch.metrics import Metrics  # noqa: PLC0415

        Here.metrics = Metrics(cloudwatch._metrics._data, self._clock.now)
        canaries = Canaries(self._clock, self._layout.root / ".build" / "packages")
        self._synthetics = SyntheticsEndpoint(canaries, self._changed)

    def start(self) -> None:
        """Begin, in the event loop."""
        from sandbox.cloud.backups.plans import PlanRunner  # noqa: PLC0415
        from sandbox.cloud.synthetics.runner import CanaryRunner  # noqa: PLC0415
        from sandbox.cloud.watch import health_checks, queues, replication  # noqa: PLC0415 - see prepare
        from sandbox.cloud.watch.alarms import AlarmEvaluator  # noqa: PLC0415
        from sandbox.cloud.watch.schedules import ScheduleRunner  # noqa: PLC0415

        evaluator = AlarmEvaluator(self._clock, Here.metrics, self._out_of("monitoring"), self._changed)
        scheduler = ScheduleRunner(self._clock, self._out_of("events"))
        for work in (
            evaluator.run(),
            scheduler.run(),
            CanaryRunner(self._clock, Here.metrics, self._out_of("synthetics"), self._changed).run(),
            PlanRunner(self._clock, self._out_of("backup"), self._changed).run(),
            queues.watch(self._clock, Here.metrics, self._out_of("sqs")),
            replication.watch(self._clock, Here.metrics, self._out_of("s3")),
            health_checks.watch(self._clock, Here.metrics, self._layout.traffic_socket, self._out_of("monitoring")),
        ):
            self._tasks.append(asyncio.create_task(_told(work)))

    def _out_of(self, service: str) -> Callable[[str], bool]:
        return lambda region: self._out(region, service)

    async def synthetics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to CloudWatch Synthetics."""
        signature = signed(header(scope, b"authorization"), scope["query_string"].decode("latin-1"))
        await self._synthetics(signature, scope, receive, send)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


async def _told(work: Coroutine[None, None, None]) -> None:
    """Do it, and say in the log when it ends by a mistake: nobody waits for it."""
    try:
        await work
    except Exception:
        log.exception("the cloud's clockwork has stopped")
        raise
