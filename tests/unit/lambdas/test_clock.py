"""Units: the machine's are nanoseconds and seconds, all of ours are milliseconds."""

from __future__ import annotations

import time

from lambdas.adapters.clock import SystemClock, token


def test_the_clock_tells_milliseconds_since_1970():
    before, told, after = time.time(), SystemClock().now(), time.time()
    assert before * 1_000 - 1 <= told <= after * 1_000
    assert SystemClock(time_ns=lambda: 1_795_000_000_123_999_999).now() == 1_795_000_000_123


def test_a_pause_is_in_milliseconds_too():
    waited: list[float] = []
    SystemClock(wait=waited.append).sleep(25)
    assert waited == [0.025]
    began = time.monotonic()
    SystemClock().sleep(20)
    assert 0.015 < time.monotonic() - began < 2


def test_names_are_each_other_s_never():
    assert len({token() for _ in range(100)}) == 100
    assert all(len(name) == 32 for name in (token(), token()))
