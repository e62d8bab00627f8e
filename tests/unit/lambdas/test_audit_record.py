from __future__ import annotations

import time
from dataclasses import replace

import pytest

from lambdas.domain import audit
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.outcome import Declined
from lambdas.domain.payment import opened

MIDNIGHT = 1_794_960_000_000
"""2026-11-18T00:00:00Z."""


def declined(client="storefront", now=MIDNIGHT):
    instruction = Instruction(client, "k", Money(500, "JPY"), "test-1")
    return opened(instruction, region="us-east-1", endpoint="p.example", holder="a", now=now).settled(
        Declined("no"), now + 1
    )


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_day_is_utc_s(monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert audit.key(declined()) == f"payments/2026/11/18/{declined().id}.json"
        assert audit.key(declined(now=MIDNIGHT - 1)).startswith("payments/2026/11/17/")
        assert audit.key(declined("canary")).startswith("canary/2026/11/18/")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_record_is_these_bytes():
    """Two regions' code, and two versions of it, must write the same: a change here is a change of format."""
    payment = declined()
    assert (
        audit.record(payment)
        == (
            f'{{"amount":"500","client":"storefront","currency":"JPY","customerId":"test-1","endpoint":"p.example",'
            f'"fingerprint":"{payment.fingerprint}","paymentId":"{payment.id}","reason":"no","reference":null,'
            f'"region":"us-east-1","status":"DECLINED",'
            f'"steps":[["AUTHORIZING",{MIDNIGHT}],["DECLINED",{MIDNIGHT + 1}]]}}'
        ).encode()
    )
    of_an_earlier_release = replace(payment, endpoint=None)
    assert audit.record(of_an_earlier_release) == audit.record(payment).replace(b'"endpoint":"p.example",', b"")
    assert audit.record(payment.leased("s", MIDNIGHT).audited(MIDNIGHT + 9)) == audit.record(payment)
