"""The published client in a drill: its own rules, the drill's clock and resolver, written down as the others are."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from clients.payments import Limits
from drill.clients import Merchandise
from drill.example import ExampleClient
from drill.names import NotResolved, Resolved
from tests.unit.drill.test_clients import ARRIVAL, PAID, SPEED, FastClock, pays


def test_its_payment_is_written_down_as_the_others_are():
    api, (attempt,) = pays([PAID], kind="example")
    ((headers, body),) = api.asked
    assert body == {"amount": 12.5, "currency": "USD", "customerId": "drill-1"}
    assert (headers["idempotency-key"], headers["x-api-key"]) == ("drill-7", "secret")
    assert headers["host"].partition(":")[0] == "api.example.com"
    assert (attempt.client, attempt.kind, attempt.key) == ("example-1", "example", "drill-7")
    assert (attempt.outcome, attempt.status, attempt.payment) == ("created", 201, "pay_1")
    assert (attempt.region, attempt.address, attempt.amount) == ("us-east-1 (primary)", "127.0.0.1", "12.50")
    assert attempt.ended >= attempt.sent >= attempt.due


@pytest.mark.parametrize("first", [(503, []), (500, []), (429, []), (409, []), "cut"])
def test_each_attempt_is_told_and_has_the_same_key(first):
    api, attempts = pays([first, PAID], kind="example")
    assert [each.attempt for each in attempts] == [1, 2]
    assert {headers["idempotency-key"] for headers, _ in api.asked} == {"drill-7"}
    assert attempts[0].outcome == ("pending" if first == (409, []) else "failed")
    assert attempts[1].outcome == "created"


def test_its_time_out_is_its_own_and_virtual():
    begun = time.monotonic()
    _, (hung, paid) = pays([None, PAID], kind="example")
    assert hung.outcome == "failed"
    assert hung.ended - hung.sent == pytest.approx(Limits().attempt, abs=0.2 * SPEED)
    assert paid.outcome == "created"
    assert time.monotonic() - begun < Limits().attempt / 2


def test_a_payment_that_it_reads_is_no_new_one():
    api, attempts = pays([(202, ["Location: /payment/pay_1"]), (200, [])], kind="example")
    assert [each.outcome for each in attempts] == ["pending", "replayed"]
    assert [body is None for _, body in api.asked] == [False, True]


def test_a_young_connection_is_used_again_and_a_failed_one_is_not():
    assert pays([PAID], kind="example", times=3)[0].connections == 1
    assert pays([PAID, (503, []), PAID], kind="example", times=2)[0].connections == 2


def test_a_name_that_leads_nowhere_is_asked_again():
    answers = [NotResolved("api.example.com: no address"), Resolved("127.0.0.1", 30.0)]

    async def resolve(_name):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    _, (nowhere, paid) = pays([PAID], kind="example", resolve=resolve)
    assert (nowhere.outcome, nowhere.address, nowhere.status) == ("failed", "", 0)
    assert (paid.outcome, paid.address) == ("created", "127.0.0.1")


def test_what_could_not_be_sent_in_time_is_late_and_not_sent():
    api, (attempt,) = pays([PAID], kind="example", late=5.0)
    assert attempt.outcome == "late"
    assert api.asked == []


def test_it_gives_up_when_the_drill_has_no_more_patience():
    _, attempts = pays([(503, [])], kind="example", patience=20.0)
    assert len(attempts) > 2
    assert attempts[-1].ended - attempts[0].sent <= 20.0 + SPEED * 0.2


def test_one_that_is_broken_off_tells_nothing_more():
    told = []

    async def run():
        heard = asyncio.Event()

        def hear(attempt):
            told.append(attempt)
            heard.set()

        async def nowhere(_name):
            raise NotResolved("no address")

        clock = FastClock()
        goods = Merchandise("api.example.com", 9, "secret", "drill")
        client = ExampleClient(1, goods, resolve=nowhere, clock=clock, told=hear, chance=random.Random(1))
        paying = asyncio.create_task(client.pay(ARRIVAL, clock.now()))
        await heard.wait()
        paying.cancel()
        client.close()
        before = len(told)
        client._note(told[0])  # on its way to the loop when the client was closed
        await asyncio.sleep(1.0)
        return before

    assert asyncio.run(run()) == len(told)
