"""What a machine serves is the highest rate before the first that it does not; a drill takes half."""

from __future__ import annotations

import asyncio
import time

import pytest

from drill import calibrate
from drill.calibrate import AT_ONCE, CapacityStep, allowed, capacity_of, rates, step_of
from drill.clients import Merchandise
from drill.records import Attempt

GOOD = Attempt("fresh-1", "fresh", "k", 1, 0.0, 0.0, 0.2, "created")


def step(rate, *, failed=0, p99=0.3):
    return CapacityStep(rate, 20, failed, 0.1, p99)


def test_the_highest_rate_before_the_first_that_is_not_served_counts():
    found = capacity_of([step(2), step(3), step(4.5, failed=1), step(6)], 1.0, "abc")
    assert (found.rate, found.why, found.commit) == (3, "at 4.5 a second 1 of 20 failed", "abc")
    assert capacity_of([step(2), step(3, p99=1.2)], 1.0, "").why == "at 3 a second p99 is 1.20 s"
    assert capacity_of([step(2, failed=3)], 1.0, "").rate == 0
    assert capacity_of([], 1.0, "").rate == 0


def test_late_and_unfinished_payments_have_failed():
    late = Attempt("fresh-1", "fresh", "l", 1, 0.0, 2.0, 2.0, "late")
    found = step_of(2, [GOOD, late], 3)
    assert (found.payments, found.failed, found.served) == (5, 4, False)
    assert step_of(2, [GOOD], 0).served
    assert not step_of(2, [], 0).served


def test_rates_grow_and_fit_into_a_minute():
    found = list(rates())
    assert found == sorted(found)
    assert found[0] == 2
    assert len(found) * calibrate.STEP + calibrate.WARM <= calibrate.MINUTE


@pytest.mark.parametrize(
    ("rate", "speed", "told", "wanted", "says"),
    [
        (20.0, 1.0, None, 20.0, "no calibration"),
        (20.0, 1.0, {"rate": 12.0}, 6.0, "not 20"),
        (20.0, 3.0, {"rate": 12.0}, 2.0, "speed 3"),
        (1.0, 3.0, {"rate": 12.0}, 1.0, "half of this machine's 12"),
        (1.0, 1.0, {"rate": 0.0}, 1.0, "served none"),
    ],
)
def test_a_drill_takes_the_lower_of_what_is_asked_for_and_half(rate, speed, told, wanted, says):
    found, why = allowed(rate, speed, told)
    assert found == wanted
    assert says in why


class RealClock:
    speed = 1.0
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds):
        await asyncio.sleep(max(seconds, 0))

    async def wait_for(self, awaitable, seconds):
        return await asyncio.wait_for(awaitable, seconds)


def served(monkeypatch, *, answers, rate):
    """Calibrate against a server that answers, or never does; what was tried, and most connections at once."""
    monkeypatch.setattr(calibrate, "STEP", 0.3)
    monkeypatch.setattr(calibrate, "WARM", 0.05)
    monkeypatch.setattr(calibrate, "SLOW", 0.2)
    monkeypatch.setattr(calibrate, "rates", lambda: iter((rate, rate * 2)))
    keys, open_now, most = [], set(), [0]

    async def answer(reader, writer):
        open_now.add(writer)
        most[0] = max(most[0], len(open_now))
        head = await reader.readuntil(b"\r\n\r\n")
        keys.append(next(line for line in head.split(b"\r\n") if line.lower().startswith(b"idempotency-key")))
        if answers:
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
        else:
            await reader.read(65536)
            await reader.read(65536)
        open_now.discard(writer)
        writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        goods = Merchandise("api", port, "secret", "c", patience=0.0)
        found = await calibrate.calibrate(RealClock(), ["127.0.0.1", "127.0.0.1"], goods, lambda _: None)
        server.close()
        return found

    return asyncio.run(run()), keys, most[0]


def test_a_server_that_answers_is_tried_at_each_rate_with_new_keys(monkeypatch):
    found, keys, _ = served(monkeypatch, answers=True, rate=40.0)
    assert [each.served for each in found] == [True, True]
    assert len(set(keys)) == len(keys)


def test_a_server_that_never_answers_ends_it_and_is_not_flooded(monkeypatch):
    found, _, most = served(monkeypatch, answers=False, rate=1000.0)
    assert [each.served for each in found] == [False]
    assert 50 < most <= AT_ONCE
