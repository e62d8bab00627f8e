"""One queue of events, one clock, one source of chance.

Processes are greenlets: ordinary synchronous code, which gives up control only where it waits. Between two waits
nothing else runs, so the order of everything is the order of the queue, and that is a function of the seed.
"""

from __future__ import annotations

import heapq
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH: Final = 1_790_000_000_000
"""When simulated time begins, in milliseconds since 1970."""


class Killed(BaseException):
    """Ends the code of a process that was killed. Whatever it still tries to do ends at once in the same way.

    Not an `Exception`: the process is gone, so no handler of errors may see this.
    """


class SimulatedProcess:
    """Code that runs in simulated time. `name` is for people; `place` says where, so that a place can be lost."""

    __slots__ = ("alive", "greenlet", "killed", "name", "place", "ticket")

    def __init__(self, name: str, place: str) -> None:
        self.name = name
        self.place = place
        self.alive = True
        self.killed = False
        """It did not come to its end."""
        self.ticket = 0
        self.greenlet: greenlet | None = None


class Scheduler:
    """Runs events in order of time; events of the same millisecond in an order drawn by chance."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - reproducible on purpose
        self.now = EPOCH
        self._until = EPOCH
        self._queue: list[tuple[int, float, int, Callable[[], object]]] = []
        self._processes: dict[SimulatedProcess, None] = {}  # a dict keeps the order, which a set does not
        self._order = count()
        self._tickets = count(1)
        self._hub = getcurrent()
        self._current: SimulatedProcess | None = None
        self._failure: BaseException | None = None
        self.on_death: Callable[[SimulatedProcess], None] | None = None
        """Is told of each process that is killed, before it ends."""

    def at(self, when: int, action: Callable[[], object]) -> None:
        """Do this at that time (ms); the past means now."""
        heapq.heappush(self._queue, (max(self.now, when), self.random.random(), next(self._order), action))

    def after(self, delay: int, action: Callable[[], object]) -> None:
        """Do this in so many milliseconds."""
        self.at(self.now + delay, action)

    def spawn(self, name: str, body: Callable[[], Any], *, place: str = "", delay: int = 0) -> SimulatedProcess:
        """Start a process."""
        process = SimulatedProcess(name, place)

        def main(_: object) -> None:
            try:
                body()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - carried to whoever runs the simulation
                self._failure = error
            process.alive = False
            self._processes.pop(process, None)

        process.greenlet = greenlet(main, self._hub)
        self._processes[process] = None
        self.after(delay, partial(self._resume, process, 0, None))
        return process

    def sleep(self, milliseconds: int) -> None:
        """Wait; only within a process."""
        process = self.current
        when, queue = self.now + milliseconds, self._queue
        if when <= self._until and (not queue or queue[0][0] > when):
            self.now = when  # nothing happens until then: no need to leave
            return
        ticket = process.ticket = next(self._tickets)
        self.at(when, partial(self._resume, process, ticket, None))
        self._hub.switch()

    def wait(self, start: Callable[[Callable[[Any], None]], None]) -> Any:
        """Wait for a result: `start` gets the function that delivers it. Only its first call counts."""
        process = self.current
        ticket = process.ticket = next(self._tickets)
        start(partial(self._resume, process, ticket))
        return self._hub.switch()

    def kill(self, process: SimulatedProcess) -> None:
        """End the process, in whatever it is doing."""
        if not process.alive:
            return
        if self.on_death is not None:
            self.on_death(process)
        process.alive, process.killed = False, True
        self._processes.pop(process, None)
        if process is self._current:
            raise Killed
        body = process.greenlet
        if body:  # false before the first switch and after the end
            before, self._current = self._current, process
            body.parent = getcurrent()
            body.throw(Killed)
            self._current = before

    def kill_all(self, place: str | None = None) -> None:
        """End all processes of a place (None: everywhere)."""
        for process in list(self._processes):
            if place is None or process.place == place:
                self.kill(process)

    def run(self, until: int) -> None:
        """Run events up to this time (ms). Raises what a process has raised."""
        queue = self._queue
        self._until = until
        while queue and queue[0][0] <= until:
            self.now, _, _, action = heapq.heappop(queue)
            action()
            if self._failure is not None:
                raise self._failure
        self.now = max(self.now, until)

    @property
    def current(self) -> SimulatedProcess:
        """The running process. Raises Killed in one that was killed: it can no longer do anything."""
        process = self._current
        if process is None:
            raise RuntimeError("only a process can wait")
        if not process.alive:
            raise Killed
        return process

    @property
    def running(self) -> SimulatedProcess | None:
        """The running process, or None between them."""
        return self._current

    def is_busy(self, place: str) -> bool:
        """Some process there has not ended."""
        return any(process.place == place for process in self._processes)

    @property
    def actor(self) -> str:
        """Who is running, for people."""
        return self._current.name if self._current is not None else "world"

    def _resume(self, process: SimulatedProcess, ticket: int, result: Any) -> None:
        if process.alive and process.ticket == ticket and process.greenlet is not None:
            process.ticket = -1
            before, self._current = self._current, process
            process.greenlet.switch(result)
            self._current = before
