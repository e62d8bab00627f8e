"""Workers of a sweep, as threads: what a payment takes is waiting, for table, processor and bucket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

AT_ONCE: Final = 8
"""Payments that a run of the sweep works on at once."""


def threads(work: Callable[[], T]) -> list[T]:
    """Let so many do the work at once, and return what each has come to. Raises what one of them does, after all."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = [pool.submit(work) for _ in range(AT_ONCE)]
    return [each.result() for each in begun]
