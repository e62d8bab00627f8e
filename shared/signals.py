"""Signals, handled for a while: what was there before is there again afterwards."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def handled(handle: Callable[[int, FrameType | None], object], *numbers: signal.Signals) -> Iterator[None]:
    """Have these signals call `handle`, with their number and frame, while inside. For the main thread alone."""
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Take what ends a process for Ctrl-C while inside: what was broken is mended then. For the main thread alone."""
    ignored = signal.SIG_IGN  # by nohup
    wanted = (each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not ignored)
    with handled(lambda *_: signal.raise_signal(signal.SIGINT), *wanted):
        yield
