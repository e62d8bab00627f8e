from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import pytest

from shared.packaging import imports

HERE = Path(__file__)
THREADS, EACH = 4, 60


@pytest.fixture
def busy_collector():
    """The collector runs Python code often, as a finalizer may, and threads take turns then."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()

    def work(_phase, _info):
        sum(range(100))

    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(work)
    yield
    gc.callbacks.remove(work)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("busy_collector")
def test_threads_parse_at_once():
    failures = []

    def parse():
        try:
            for _ in range(EACH):
                imports.parse(HERE)
        except SystemError as error:
            failures.append(error)

    threads = [threading.Thread(target=parse) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
