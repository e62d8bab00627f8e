"""Whether a zone is found is asked of resolvers, and where it is not, a person is told what to set."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

import pulumi
import pytest
from dnslib import QTYPE, RCODE, RR, DNSRecord

from projects.edge import delegation

ZONE, SERVERS = "x7k2.pay.example.com", ["ns-1.awsdns.com", "ns-2.awsdns.net"]
OURS = ("NOERROR", ["NS-2.awsdns.net."])
OTHERS = ("NOERROR", ["ns.parking.example."])
NOTHING = ("NXDOMAIN", [])
EMPTY = ("NOERROR", [])
REFUSED = ("REFUSED", [])


@contextmanager
def resolver(*answers):
    """Answers with one after another, and with the last for good: an outcome, and its NS records."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        asked = []

        def serve():
            while True:
                try:
                    data, client = server.recvfrom(512)
                except OSError:
                    return
                question = DNSRecord.parse(data)
                asked.append((str(question.q.qname), QTYPE[question.q.qtype]))
                outcome, records = answers[min(len(asked), len(answers)) - 1]
                reply = question.reply()
                reply.header.rcode = getattr(RCODE, outcome)
                for each in records:
                    reply.add_answer(*RR.fromZone(f"{ZONE}. 300 IN NS {each}"))
                server.sendto(reply.pack(), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", asked


@pytest.fixture
def ask(monkeypatch):
    def asking(*resolvers):
        monkeypatch.setenv(delegation.RESOLVERS, ",".join(resolvers))
        return asyncio.run(delegation.require(ZONE, SERVERS))

    return asking


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    return said


def test_a_zone_that_is_found_by_its_name_servers_is_delegated(ask, warnings):
    with resolver(OURS) as (address, asked):
        assert ask(address) == ZONE
    assert asked == [(f"{ZONE}.", "NS")]
    assert warnings == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NOTHING, "its parent has no NS records of it"),
        (EMPTY, "its parent has no NS records of it"),
        (OTHERS, "its NS records say ns.parking.example"),
    ],
)
def test_one_that_is_not_stops_at_once_and_says_what_to_set(ask, answer, said):
    began = time.monotonic()
    with resolver(answer) as (address, _), pytest.raises(delegation.NotDelegatedError) as caught:
        ask(address)
    assert time.monotonic() - began < 1
    assert said in str(caught.value)
    assert f"set NS records of {ZONE} to ns-1.awsdns.com, ns-2.awsdns.net where pay.example.com is served" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, pulumi.RunError), "a traceback is nobody's answer"


def test_one_resolver_that_finds_it_is_enough(ask):
    """The others may remember for a while that there was none."""
    with resolver(NOTHING) as (late, _), resolver(OURS) as (fresh, _):
        assert ask(late, fresh) == ZONE


def test_a_resolver_that_does_not_know_yet_is_asked_again(ask, warnings, monkeypatch):
    monkeypatch.setattr(delegation, "PAUSE", 0.01)
    with resolver(REFUSED, REFUSED, OURS) as (address, asked):
        assert ask(address) == ZONE
    assert len(asked) == 3
    assert warnings == []


def test_where_nobody_answers_it_goes_on_and_says_what_is_needed(ask, warnings, monkeypatch):
    for name, seconds in (("PATIENCE", 0.1), ("PAUSE", 0.01), ("WITHIN", 0.05)):
        monkeypatch.setattr(delegation, name, seconds)
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert ask(f"127.0.0.1:{silent.getsockname()[1]}") == ZONE
    (warning,) = warnings
    assert "ns-1.awsdns.com, ns-2.awsdns.net" in warning


@pytest.mark.parametrize(("dry", "resolvers"), [(True, "127.0.0.1:9"), (False, "")])
def test_a_preview_asks_nobody_and_neither_does_who_wants_none(ask, monkeypatch, dry, resolvers):
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: dry)
    monkeypatch.setattr(delegation, "_ask", lambda *_: pytest.fail("somebody was asked"))
    assert ask(resolvers) == ZONE
