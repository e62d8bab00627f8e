"""The payment service, put together: `connect` for a running function, `compose` on given dependencies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.adapters.audits import BucketAudits
from lambdas.adapters.aws import client
from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.crew import threads
from lambdas.adapters.fence import FenceItem
from lambdas.adapters.https import Https
from lambdas.adapters.play_money import PlayMoney
from lambdas.adapters.processor import HttpsProcessor
from lambdas.adapters.retry import Retry
from lambdas.adapters.store import DynamoPayments
from lambdas.domain.deadline import Deadline
from lambdas.domain.fence import Fence
from lambdas.domain.service import Payments
from lambdas.domain.sweep import Sweep, alone
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from lambdas.web.view import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.adapters.audits import Objects
    from lambdas.adapters.store import TableClient
    from lambdas.domain.ports import Clock, Processor
    from lambdas.domain.sweep import Crew


@dataclass(frozen=True, slots=True)
class Service:
    """What the payment and the audit function share."""

    settings: Settings
    deadline: Deadline
    payments: Payments
    sweep: Sweep
    audits: BucketAudits
    retry: Retry
    journal: LogJournal
    fence: Fence


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a service stands on: SDK clients (or what behaves like them), the card processor, time, and the journal.

    `processor` gives the endpoint of a name; `endpoint` is the region's own.
    """

    table: TableClient
    table_name: str
    objects: Objects
    bucket: str
    processor: Callable[[str], Processor]
    endpoint: str
    clock: Clock
    token: Callable[[], str]
    journal: LogJournal
    crew: Crew = alone
    """Who works on a sweep."""


def compose(settings: Settings, parts: Dependencies) -> Service:
    """The service on these parts."""
    deadline = Deadline(parts.clock)
    retry = Retry(parts.clock, deadline)
    play_money = PlayMoney(parts.table, parts.table_name, retry)
    audits = BucketAudits(parts.objects, parts.bucket, retry)
    payments = Payments(
        store=DynamoPayments(parts.table, parts.table_name, retry),
        processor=parts.processor,
        endpoint=parts.endpoint,
        play_money=play_money,
        audits=audits,
        journal=parts.journal,
        clock=parts.clock,
        deadline=deadline,
        token=parts.token,
        render=render,
        region=settings.region,
        strong=settings.strong,
    )
    sweep = Sweep(payments, play_money.forget, parts.crew)
    # Two attempts, as the first call by a connection that died while frozen fails; the payment needs the time of more.
    twice = Retry(parts.clock, deadline, attempts=2)
    fence = Fence(FenceItem(parts.table, parts.table_name, settings.region, twice), parts.clock)
    return Service(settings, deadline, payments, sweep, audits, retry, parts.journal, fence)


def connect() -> Service:
    """The running function's service, on the region's table, bucket and card processor."""
    settings = Settings.read()
    clock = SystemClock()
    send = Https()
    parts = Dependencies(
        table=client("dynamodb"),
        table_name=os.environ["TABLE_NAME"],
        objects=client("s3"),
        bucket=os.environ["AUDIT_BUCKET"],
        processor=lambda endpoint: HttpsProcessor(endpoint, send),
        endpoint=os.environ["PROCESSOR"],
        clock=clock,
        token=token,
        journal=LogJournal.of(settings, clock),
        crew=threads,
    )
    return compose(settings, parts)
