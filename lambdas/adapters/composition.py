"""The payment service, put together: `connect` for a running function, `compose` for whoever brings the world along."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.adapters.audits import BucketAudits
from lambdas.adapters.aws import client
from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.processor import SimulatedProcessor
from lambdas.adapters.retry import Retry
from lambdas.adapters.store import DynamoPayments
from lambdas.domain.payment import CANARY_CLIENT
from lambdas.domain.service import Payments
from lambdas.domain.sweep import Sweep
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from lambdas.web.view import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.adapters.audits import Objects
    from lambdas.adapters.store import Table
    from lambdas.domain.ports import Clock, Processor


@dataclass(frozen=True, slots=True)
class Service:
    """What the payment and the audit function share."""

    settings: Settings
    payments: Payments
    sweep: Sweep
    audits: BucketAudits
    retry: Retry
    journal: LogJournal


@dataclass(frozen=True, slots=True)
class World:
    """What a service stands on: SDK clients (or what behaves like them), time, names, and the journal."""

    table: Table
    table_name: str
    objects: Objects
    bucket: str
    clock: Clock
    token: Callable[[], str]
    journal: LogJournal


def compose(settings: Settings, world: World, processor: Processor | None = None) -> Service:
    """The service in this world. Without a card processor all clients get the simulated one; canaries always do."""
    retry = Retry(world.clock)
    business = processor or SimulatedProcessor(world.table, world.table_name, retry)
    canaries = SimulatedProcessor(world.table, world.table_name, retry, prefix="canary-charge#")
    audits = BucketAudits(world.objects, world.bucket, retry)
    payments = Payments(
        store=DynamoPayments(world.table, world.table_name, retry),
        processor=lambda client_id: canaries if client_id == CANARY_CLIENT else business,
        audits=audits,
        journal=world.journal,
        clock=world.clock,
        token=world.token,
        render=render,
        region=settings.region,
        strong=settings.strong,
    )
    return Service(settings, payments, Sweep(payments, canaries.forget), audits, retry, world.journal)


def connect() -> Service:
    """The running function's service, on the region's table and bucket."""
    settings = Settings.read()
    clock = SystemClock()
    world = World(
        table=client("dynamodb"),
        table_name=os.environ["TABLE_NAME"],
        objects=client("s3", read_timeout=1.0),
        bucket=os.environ["AUDIT_BUCKET"],
        clock=clock,
        token=token,
        journal=LogJournal.of(settings, clock),
    )
    return compose(settings, world)
