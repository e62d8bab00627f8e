"""The card processor outside the cloud: https for every name, and a ledger that outlives its process."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from drill import asking
from drill.sandbox_stage import charged
from lambdas.adapters.https import Https
from lambdas.adapters.processor import HttpsProcessor
from lambdas.domain.errors import NoAnswer
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved
from sandbox import addresses, ports
from sandbox.processor.ledger import read

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.sandbox.conftest import RunningCloud

USD = Money(100, "USD")
NAMES = ("east.processor.example", "west.processor.example")


@pytest.fixture
def names(monkeypatch):
    """Let every name lead where it leads the sandbox's functions."""
    ask = socket.getaddrinfo

    def of(sandbox: Sandbox) -> None:
        there = addresses.outside(ports.remembered(sandbox.layout) or 0)
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, __, *rest: ask(*there, *rest))

    return of


def processor(sandbox: Sandbox, name: str) -> HttpsProcessor:
    return HttpsProcessor(name, Https(ssl.create_default_context(cafile=str(sandbox.layout.authority))))


def test_each_name_is_an_endpoint_of_its_own(cloud: RunningCloud, names) -> None:
    names(cloud.sandbox)
    east, west = (processor(cloud.sandbox, name) for name in NAMES)
    first = east.charge("pay_each", USD, "test-1")
    assert east.find("pay_each") == first
    assert west.find("pay_each") is None
    second = west.charge("pay_each", USD, "test-1")
    assert isinstance(second, Approved)
    assert second != first


def test_a_drill_believes_it(cloud: RunningCloud) -> None:
    """Its endpoints decide a key each by itself, and once; and no money moves."""
    layout = cloud.sandbox.layout
    address = addresses.outside(ports.remembered(layout) or 0)
    charge = partial(charged, address, ssl.create_default_context(cafile=str(layout.authority)))
    assert asking.processor(NAMES, charge, lambda: read(layout.processor_ledger)) == ""
    last = list(read(layout.processor_ledger))[-6:]
    assert {(line["endpoint"], line["what"]) for line in last} == {
        (name, what) for name in NAMES for what in ("charge", "declined")
    }
    assert charge("east.processor.example", "", "decline-self-test") == "nothing"


def test_many_at_once_with_one_key_are_one_charge(cloud: RunningCloud, names) -> None:
    names(cloud.sandbox)
    east = processor(cloud.sandbox, NAMES[0])
    with ThreadPoolExecutor(16) as pool:
        outcomes = set(pool.map(lambda _: east.charge("pay_many", USD, "test-1"), range(64)))
    lines = [line["what"] for line in read(cloud.sandbox.layout.processor_ledger) if line["key"] == "pay_many"]
    assert len(outcomes) == 1
    assert (lines.count("charge"), lines.count("approved")) == (64, 1)


def test_its_certificates_are_believed_in_the_sandbox_only(cloud: RunningCloud, names) -> None:
    names(cloud.sandbox)
    with pytest.raises(NoAnswer, match="SSLCertVerificationError"):
        HttpsProcessor(NAMES[0], Https()).find("pay_1")


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_what_it_has_answered_it_knows_when_it_is_back(own_cloud: RunningCloud, names, end: str) -> None:
    sandbox = own_cloud.sandbox
    names(sandbox)
    east = processor(sandbox, NAMES[0])
    first = east.charge("pay_1", USD, "test-1")
    with pytest.raises(NoAnswer):
        east.charge("pay_2", USD, "timeout-1")
    if end == "stopped":
        sandbox.down()
    else:
        os.kill(sandbox.status().pids["processor"], signal.SIGKILL)
    with pytest.raises(NoAnswer):
        east.find("pay_1")
    sandbox.up(progress=lambda _: None)
    names(sandbox)
    assert (east.find("pay_1"), east.charge("pay_1", USD, "test-1")) == (first, first)
    assert east.find("pay_2") is None
    assert isinstance(east.charge("pay_2", USD, "timeout-1"), Approved)


def test_a_wipe_forgets_what_was_charged_with_the_payments(own_cloud: RunningCloud, names) -> None:
    sandbox = own_cloud.sandbox
    names(sandbox)
    processor(sandbox, NAMES[0]).charge("pay_1", USD, "test-1")
    sandbox.wipe()
    sandbox.up(progress=lambda _: None)
    names(sandbox)
    assert processor(sandbox, NAMES[0]).find("pay_1") is None
