"""The payment service of the running function, put together from Lambda's environment."""

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
from lambdas.payment.view import render
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal

if TYPE_CHECKING:
    from lambdas.domain.ports import Processor


@dataclass(frozen=True, slots=True)
class Service:
    """What the payment and the audit function share."""

    settings: Settings
    payments: Payments
    audits: BucketAudits
    retry: Retry
    journal: LogJournal


def connect() -> Service:
    """Connect the domain with the region's table and bucket."""
    settings = Settings.read()
    clock = SystemClock()
    retry = Retry(clock)
    journal = LogJournal.of(settings, clock)
    table, name = client("dynamodb"), os.environ["TABLE_NAME"]
    business = SimulatedProcessor(table, name, retry)
    canaries = SimulatedProcessor(table, name, retry, prefix="canary-charge#")

    def processor(client_id: str) -> Processor:
        return canaries if client_id == CANARY_CLIENT else business

    audits = BucketAudits(client("s3", read_timeout=1.0), os.environ["AUDIT_BUCKET"], retry)
    payments = Payments(
        store=DynamoPayments(table, name, retry),
        processor=processor,
        audits=audits,
        journal=journal,
        clock=clock,
        token=token,
        render=render,
        region=settings.region,
        strong=settings.strong,
    )
    return Service(settings, payments, audits, retry, journal)
