"""Faults, done to the requests of the cloud: those that come, and those that are under way when a fault begins."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.cloud.answers import Failure, fail
from sandbox.cloud.watch.here import Here
from sandbox.faults import rules
from sandbox.faults.book import Book
from sandbox.faults.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.faults.fault import InjectedFault
    from sandbox.faults.rules import Asked, Consequence
    from sandbox.server import Receive, Scope, Send, Server

LONGEST_HANG = 900.0
"""Seconds that a hanging region keeps a connection: far more than any client waits, and an end all the same."""


@dataclass(eq=False)
class UnderWay:
    """A request that is being answered."""

    asked: Asked
    scope: Scope
    receive: Receive
    loses_answer: bool = False
    cut: bool = field(default=False)
    """Its connection has ended: what is still sent reaches nobody."""


class Injection:
    """The faults in force and the requests that they may hit."""

    def __init__(self, path: Path, server: Server) -> None:
        self._book = Book(path)
        self._book.refresh()
        self._server = server
        self._under_way: set[UnderWay] = set()
        self._changed = asyncio.Event()
        self._chance = random.SystemRandom().random

    @property
    def in_force(self) -> tuple[InjectedFault, ...]:
        return self._book.faults

    def network(self) -> Network:
        return Network(self.in_force)

    def begin(self, fault: InjectedFault) -> InjectedFault:
        """Let a fault begin, for requests under way too."""
        begun = self._book.begin(fault)
        self._change()
        return begun

    def end(self, number: int | None, region: str) -> tuple[InjectedFault, ...]:
        ended = self._book.end(number, region)
        self._change()
        return ended

    @contextlib.contextmanager
    def under_way(self, asked: Asked, scope: Scope, receive: Receive) -> Iterator[UnderWay]:
        request = UnderWay(asked, scope, receive)
        self._under_way.add(request)
        try:
            yield request
        finally:
            self._under_way.discard(request)

    async def hold(self, request: UnderWay, send: Send) -> bool:
        """Do to a new request what the faults do; whether that was all: it is over without the emulator."""
        if not self.in_force:
            return False
        consequence = rules.consequence(self.in_force, request.asked, self._chance)
        if consequence.act == "fail":
            await self._fail(request, consequence, send)
            return True
        if consequence.act != "answer":
            await self._keep_waiting(request, consequence)
            return True
        request.loses_answer = consequence.loses_answer
        if consequence.seconds:
            # What a function waits for is measured by its own time-outs, which no speed changes.
            await (asyncio.sleep if request.asked.origin else Here.clock.sleep)(consequence.seconds)
        return request.cut

    def sender(self, request: UnderWay, send: Send) -> Send:
        """Send answers for a request, unless a fault that has begun meanwhile keeps them back."""

        async def sent(message: dict[str, Any]) -> None:
            if request.cut:
                return
            if message["type"] == "http.response.start" and self.in_force:
                consequence = rules.lasting(self.in_force, request.asked)
                if request.loses_answer:
                    consequence = rules.HANGS
                if consequence.act != "answer":
                    await self._keep_waiting(request, consequence)
                    return
            await send(message)

        return sent

    async def _keep_waiting(self, request: UnderWay, consequence: Consequence) -> None:
        """Cut a request off: at once when it is refused, else when no fault keeps it waiting any more, or very late."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LONGEST_HANG
        lost = consequence.act == "hang" and rules.lasting(self.in_force, request.asked).act == "answer"
        while consequence.act == "hang" and not request.cut:
            changed = self._changed
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                break
            if lost:
                break
            consequence = rules.lasting(self.in_force, request.asked)
        request.cut = True
        await self._server.cut(request.scope, request.receive)

    async def _fail(self, request: UnderWay, consequence: Consequence, send: Send) -> None:
        asked = request.asked
        if asked.service == rules.GATEWAY:
            message = f"{asked.region} is unavailable"
        else:
            message = f"a fault in {asked.region}: {asked.service} {asked.operation or 'requests'} fail"
        await fail(request.scope, send, asked.service, Failure(consequence.status, consequence.code, message))

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        for request in tuple(self._under_way):
            if not request.cut and rules.lasting(self.in_force, request.asked).act == "refuse":
                request.cut = True
                self._server.abort(request.scope)
