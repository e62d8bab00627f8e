"""Work on sockets that is over in time, whatever happens to it."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def in_time(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns or raises; TimeoutError when it is not over in time, and then nobody hears of it any more.

    A socket's time-out is no end: it holds for each address of a name, for TLS and for each piece of an answer anew,
    and looking the name up has none. So a thread works, and its caller waits as long as it said.
    """
    over: Future[T] = Future()
    threading.Thread(target=_work, args=(work, over), daemon=True).start()
    if not wait([over], seconds).done:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return over.result()


def _work(work: Callable[[], T], over: Future[T]) -> None:
    try:
        over.set_result(work())
    except BaseException as error:  # noqa: BLE001 - the caller gets it
        over.set_exception(error)
