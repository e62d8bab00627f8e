"""Clients against a server of their own: what they send again, where they go, and what they make of answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from drill.clients import TIMEOUT, TRYING, DrillClient, Merchandise, outcome_of
from drill.example import ExampleClient
from drill.http import HttpAnswer
from drill.names import DnsClient, NameCache, NotResolved, Resolved
from drill.schedule import Arrival

SPEED = 20.0
ARRIVAL = Arrival(7, 0.0, 0, "12.50", "drill-1")


class FastClock:
    """Real time, twenty times as fast."""

    speed = SPEED

    def __init__(self):
        self._begin = time.monotonic()

    def now(self):
        return 1_000_000.0 + self.monotonic()

    def monotonic(self):
        return (time.monotonic() - self._begin) * SPEED

    async def sleep(self, seconds):
        await asyncio.sleep(max(0.0, seconds) / SPEED)

    async def wait_for(self, awaitable, seconds):
        return await asyncio.wait_for(awaitable, seconds / SPEED)


@dataclass
class Api:
    """Answers what it was given, in order; the last one for ever. None: no answer, `cut`: the connection ends."""

    answers: list
    asked: list = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
                sent = await reader.readexactly(int(headers.get("content-length", "0")))
                body = json.loads(sent or b"null")
                self.asked.append((headers, body))
                answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
                if answer is None:
                    await asyncio.sleep(60)
                if answer == "cut":
                    break
                status, more = answer
                content = json.dumps({"paymentId": "pay_1", "status": "paid"}).encode()
                lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Served-By: us-east-1 (primary)"]
                writer.write("\r\n".join([*lines, *more, "", ""]).encode() + content)
                await writer.drain()
        writer.close()


def pays(answers, *, kind="fresh", times=1, patience=60.0, resolve=None, late=0.0, together=()):
    """Let one client pay; return the server and what the client tells."""
    api, told = Api(answers), []

    async def run():
        server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        clock = FastClock()

        async def found(_name):
            return Resolved("127.0.0.1", 30.0)

        goods = Merchandise("api.example.com", port, "secret", "drill", patience=patience)
        chance = random.Random(1)
        given = {"resolve": resolve or found, "clock": clock, "told": told.append, "chance": chance}
        client = ExampleClient(1, goods, **given) if kind == "example" else DrillClient(1, kind, goods, **given)
        for _ in range(0 if together else times):
            await client.pay(ARRIVAL, clock.now() - late)
        await asyncio.gather(*(client.pay(each, clock.now()) for each in together))
        client.close()
        server.close()

    asyncio.run(run())
    return api, told


PAID = (201, [])


def test_a_payment_is_posted_once_when_it_is_answered():
    api, (attempt,) = pays([PAID])
    ((headers, body),) = api.asked
    assert body == {"amount": 12.5, "currency": "USD", "customerId": "drill-1"}
    assert headers["host"] == "api.example.com"
    assert headers["idempotency-key"] == "drill-7"
    assert headers["x-api-key"] == "secret"
    assert (attempt.outcome, attempt.status, attempt.payment) == ("created", 201, "pay_1")
    assert attempt.region == "us-east-1 (primary)"
    assert attempt.ended >= attempt.sent >= attempt.due


@pytest.mark.parametrize("first", [(503, []), (500, []), (429, []), (202, []), (409, []), "cut", None])
def test_it_tries_again_under_the_same_key_until_it_knows(first):
    api, attempts = pays([first, PAID])
    assert [each.attempt for each in attempts] == [1, 2]
    assert len({headers["idempotency-key"] for headers, _ in api.asked}) == 1
    assert attempts[-1].outcome == "created"


@pytest.mark.parametrize("status", [402, 400, 401, 422])
def test_what_will_not_change_is_not_asked_again(status):
    api, (attempt,) = pays([(status, [])])
    assert len(api.asked) == 1
    assert attempt.outcome == ("declined" if status == 402 else "refused")


def test_silence_ends_with_the_time_out():
    _, attempts = pays([None, PAID])
    assert attempts[0].outcome == "failed"
    assert TIMEOUT <= attempts[0].ended - attempts[0].sent < TIMEOUT + 2


def test_retry_after_is_honoured():
    _, (one, other) = pays([(503, ["Retry-After: 6"]), PAID])
    assert other.sent - one.ended >= 5.9


def test_it_gives_up_in_the_end():
    _, attempts = pays([(503, [])], patience=5.0)
    assert 2 < len(attempts) < 30
    assert all(each.outcome == "failed" for each in attempts)


@pytest.mark.parametrize("after", [["Retry-After: 20"], []])
@pytest.mark.parametrize("kind", ["fresh", "example"])
def test_so_many_payments_are_tried_again_and_further_ones_once(kind, after):
    """What a client brings back to a region that has just taken over is bounded."""
    arrivals = [Arrival(number, 0.0, 0, "12.50", "drill-1") for number in range(TRYING + 5)]
    _, attempts = pays([(503, after)], kind=kind, patience=60.0, together=arrivals)
    tried = Counter(each.key for each in attempts)
    assert sum(count > 1 for count in tried.values()) == TRYING
    assert sum(count == 1 for count in tried.values()) == 5


def test_a_name_that_leads_nowhere_is_a_failure():
    async def nowhere(_name):
        raise NotResolved("api.example.com: SERVFAIL")

    api, attempts = pays([PAID], resolve=nowhere, patience=2.0)
    assert api.asked == []
    assert "SERVFAIL" in attempts[0].reason


@pytest.mark.parametrize(("kind", "connections"), [("keep-alive", 1), ("fresh", 3)])
def test_a_client_keeps_its_connection_or_makes_a_new_one(kind, connections):
    api, _ = pays([PAID], kind=kind, times=3)
    assert api.connections == connections


def test_an_answer_that_was_given_before_is_a_replay():
    assert outcome_of(HttpAnswer(201, {"idempotent-replayed": "true"})) == "replayed"
    assert outcome_of(HttpAnswer(201, {})) == "created"


@pytest.mark.parametrize(("floor", "after", "asked"), [(0.0, 29, 1), (0.0, 31, 2), (60.0, 59, 1), (60.0, 61, 2)])
def test_an_answer_of_dns_holds_for_its_ttl_or_the_resolvers_floor(floor, after, asked):
    times, now = [], [0.0]

    class HandClock(FastClock):
        def monotonic(self):
            return now[0]

    async def ask(_name):
        times.append(now[0])
        return Resolved("127.0.0.1", 30.0)

    async def run():
        cache = NameCache(ask, HandClock(), floor=floor)
        await cache("api.example.com")
        now[0] = after
        await cache("api.example.com")

    asyncio.run(run())
    assert len(times) == asked


class Dns(asyncio.DatagramProtocol):
    """A name server with one answer; it loses the first questions."""

    def __init__(self, loses=0, code=0):
        self.loses, self.code = loses, code

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.loses -= 1
        if self.loses >= 0:
            return
        question = DNSRecord.parse(data)
        answer = question.reply()
        answer.header.rcode = self.code
        if not self.code:
            answer.add_answer(RR("api.example.com", QTYPE.A, rdata=A("127.1.0.2"), ttl=30))
        self.transport.sendto(answer.pack(), addr)


@pytest.mark.parametrize(
    ("server", "found"),
    [(Dns(), "127.1.0.2"), (Dns(loses=1), "127.1.0.2"), (Dns(loses=9), None), (Dns(code=RCODE.SERVFAIL), None)],
)
def test_dns_is_asked_by_udp_and_a_lost_question_once_more(server, found):
    async def run():
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: server, local_addr=("127.0.0.1", 0)
        )
        client = DnsClient(transport.get_extra_info("sockname"), FastClock())
        await client.open()
        try:
            return await client("api.example.com")
        finally:
            client.close()
            transport.close()

    if found is None:
        with pytest.raises(NotResolved):
            asyncio.run(run())
    else:
        assert asyncio.run(run()) == Resolved(found, 30.0)
