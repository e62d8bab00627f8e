"""The emulator: ministack, set up by its environment variables, started with the repairs it needs."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from sandbox import addresses
from sandbox.tricks import Trick, on

if TYPE_CHECKING:
    from sandbox.layout import Layout
    from sandbox.server import Application

SERVICES = (
    "sts",
    "iam",
    "kms",
    "ec2",
    "dynamodb",
    "s3",
    "secretsmanager",
    "ssm",
    "logs",
    "lambda",
    "events",
    "sqs",
    "apigateway",
    "route53",
    "acm",
    "sns",
    "monitoring",
)
"""The services that the stacks use, as requests name them, in the order in which a deployment comes to them."""

UNRECORDED = "cloudtrail"
"""A service whose answers would be wrong: no calls are recorded here, so "none was made" is not what it may say."""


def configure(layout: Layout, port: int) -> None:
    """Decide how the emulator behaves. It reads its environment when it is imported: call this before."""
    os.environ.update(
        GATEWAY_PORT=str(port),
        BIND_HOST=addresses.AWS,
        AUTH="true",
        PERSIST_STATE="0",  # our own snapshots are complete and do not wait for a clean end
        STATE_DIR=str(layout.cloud),  # where the functions' code is kept
        S3_PERSIST="1",
        S3_DATA_DIR=str(layout.cloud / "s3"),
        LAMBDA_EXECUTOR="local",
        DOCKER_HOST="unix:///nonexistent",  # a Docker of the user's is none of the sandbox's business
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        LOG_LEVEL=os.environ.get("SANDBOX_LOG_LEVEL", "WARNING"),
    )
    logging.getLogger("kms").addFilter(_is_news)
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        os.environ.pop(name, None)  # functions inherit the environment, and each gets its own


class Emulator:
    """The running emulator. Its ASGI application answers AWS's API and the data planes."""

    def __init__(self) -> None:
        from ministack import app  # noqa: PLC0415 - the emulator reads its environment when it is imported

        self.application: Application = app.app
        self.version = str(app._version())
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self._life = asyncio.create_task(self.application(scope, self._messages.get, self._answers.put))  # type: ignore[arg-type]
        await self._messages.put({"type": "lifespan.startup"})
        answer = await self._answers.get()
        if answer["type"] != "lifespan.startup.complete":
            raise RuntimeError(f"the emulator answered its start with {answer}")

    def prepare(self) -> None:
        """Repair the emulator. It takes a while: not in the event loop."""
        from sandbox.cloud import repairs  # noqa: PLC0415 - importing them imports what they repair

        repairs.apply()

    def get_ahead(self) -> None:
        """Read what the emulator reads at a service's first request, on its only thread: the model of the service."""
        from ministack.core import iam_actions  # noqa: PLC0415

        if not on(Trick.READ_AHEAD):
            return
        for service in SERVICES:
            iam_actions._tag_operations(service)
            iam_actions._get_routes_for_service(service)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what the emulator says at each start: that it could do more with a library that nothing here needs."""
    return "cryptography package not installed" not in record.getMessage()
