"""Nothing that holds data is replaced or deleted unless the user names it in that very command; and no rule is broken.

What would go is what the engine's own preview says, with the program, the options and the state of the update itself.
It is asked for before anything changes, of all stacks of the run that are there; the policies judge it as they judge an
update. A stack that reads what changes meanwhile is looked at again in its turn, if what changed can concern the data
that it holds (holdings.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.events import RuleBroken
from orchestration.execute import STACKS_AT_ONCE
from orchestration.holdings import Holder, going, holders
from orchestration.made_of import FUNCTIONS
from orchestration.plan import Freshness, Plan, Step
from orchestration.values import texts
from shared.contracts import CONTRACT
from shared.errors import Problem

if TYPE_CHECKING:
    from engine.backend import Backend
    from engine.events import Events
    from orchestration.graph import Graph
    from shared.stack import Stack

LOOKED_AT = frozenset({Freshness.STALE, Freshness.FORCED})
SHORTEST_TELLING = 4
"""Characters: a shorter value may be anywhere by chance."""

Upstream = Mapping["Stack", Mapping[str, Any]]
"""What the stacks that a stack reads publish."""


class DataWouldGo(Problem):
    """A run that has changed nothing, because something that holds data would go and was not named."""

    def __init__(self, text: str, holders: Sequence[Holder]) -> None:
        super().__init__(text)
        self.holders = tuple(holders)


@dataclass(frozen=True)
class _Look:
    """What the newest preview of a stack said, and of what."""

    upstream: Upstream
    going: tuple[Holder, ...] = ()
    problem: Problem | None = None
    nothing: bool = False
    """Whether the update would change nothing: no resource, and no output."""


class Guard:
    """Looks at one run's stacks before they are changed."""

    def __init__(
        self,
        preview: Callable[[Stack], Events],
        graph: Graph,
        backend: Backend,
        *,
        differences: Callable[[Stack], Collection[str] | None],
        discard: Collection[str],
        programs_may_end_early: bool,
        judged: bool,
    ) -> None:
        """Make one. `preview` asks the engine what an update of a stack would do; it raises Problem when that fails.

        differences: the parts of a stack's fingerprint that differ; None when they are not known.
        discard: names of what holds data and may go.
        programs_may_end_early: whether the language host takes a program that ended before its end for complete.
        judged: whether there are policies, which any stack could break.
        """
        self._preview = preview
        self._graph = graph
        self._backend = backend
        self._differences = differences
        self._discard = frozenset(discard)
        self._programs_may_end_early = programs_may_end_early
        self._judged = judged
        self._looks: dict[Stack, _Look] = {}

    def look(self, plan: Plan) -> None:
        """Raise DataWouldGo when something that holds data would go and is not named, or is named and would not go.

        Raise RuleBroken, for all that they break, when the policies refuse what stacks would become.
        """
        concerned = [step for step in plan.steps if not step.fresh and self._concerns(step.stack)]
        self._looks = {step.stack: _Look(self._upstream(step.stack)) for step in concerned}
        looked_at = [step.stack for step in concerned if self._may_let_go(step)]
        with ThreadPoolExecutor(STACKS_AT_ONCE) as threads:
            self._looks |= dict(zip(looked_at, threads.map(self._look, looked_at), strict=True))
        broken = [f"{stack}: {each}" for stack, look in self._looks.items() for each in _violations(look.problem)]
        if broken:
            raise RuleBroken([f"{broken[0]}; nothing was changed", *broken[1:]])
        found = [holder for look in self._looks.values() for holder in look.going]
        if unnamed := [holder for holder in found if holder.name not in self._discard]:
            raise DataWouldGo(f"{_numbered(found)} would be replaced or deleted; nothing was changed", found or unnamed)
        if surplus := sorted(self._discard - {holder.name for holder in found}):
            names = ", ".join(sorted(holder.name for holder in found)) or "nothing that holds data"
            raise DataWouldGo(f"--discard-data names {', '.join(surplus)}, and what would go is {names}", found)

    def require(self, stack: Stack) -> bool:
        """Raise Problem when the stack's update, with what it reads now, would let something go that is not named.

        Return whether the update is known to change nothing: a preview of just what it reads now has said so.
        """
        if not self._concerns(stack):
            return False
        look = self._looks.get(stack)
        if look is None or self._matters(stack, look.upstream):
            look = self._looks[stack] = self._look(stack)
        if look.problem:
            raise look.problem
        if unnamed := [holder for holder in look.going if holder.name not in self._discard]:
            names = ",".join(holder.name for holder in unnamed)
            raise Problem(
                f"{_numbered(unnamed)} would be replaced or deleted, because of what {stack} reads; nothing of it was "
                f"changed: to let them go, add --discard-data {names}"
            )
        return look.nothing and look.upstream == self._upstream(stack)

    def _may_let_go(self, step: Step) -> bool:
        """Whether a step's stack is looked at before the run: not where new function code is all that there is.

        Most releases are that, and nothing that holds data is made of code (a test says so).
        """
        if step.judgement.freshness not in LOOKED_AT:
            return False
        return self._programs_may_end_early or self._differences(step.stack) != {FUNCTIONS}

    def _concerns(self, stack: Stack) -> bool:
        """Whether there is something to lose, or to be changed against a rule."""
        checkpoint = self._backend.checkpoint(stack)
        if checkpoint is None or checkpoint.empty:
            return False
        return self._judged or self._programs_may_end_early or bool(holders(stack, checkpoint))

    def _look(self, stack: Stack) -> _Look:
        upstream = self._upstream(stack)
        try:
            events = self._preview(stack)
        except Problem as problem:  # the update would meet it too
            return _Look(upstream, problem=problem)
        if self._programs_may_end_early and CONTRACT not in (events.outputs or {}):
            ended = f"projects/{stack.layer} ended before it published its outputs; nothing was changed"
            return _Look(upstream, problem=Problem(ended))
        checkpoint = self._backend.checkpoint(stack)
        nothing = not events.changes and checkpoint is not None and events.outputs == dict(checkpoint.outputs)
        return _Look(upstream, going(stack, events.resources), nothing=nothing)

    def _upstream(self, stack: Stack) -> Upstream:
        return {
            producer: checkpoint.outputs
            for producer in self._graph.reads[stack]
            if (checkpoint := self._backend.checkpoint(producer))
        }

    def _matters(self, stack: Stack, before: Upstream) -> bool:
        """Whether a value that has changed since can be one that the stack's holders of data are made of."""
        now = self._upstream(stack)
        kept = json.dumps([holder.state.get("inputs") for holder in holders(stack, self._backend.checkpoint(stack))])
        return any(
            len(value) < SHORTEST_TELLING or json.dumps(value)[1:-1] in kept
            for producer, outputs in before.items()
            for value in set(texts(outputs)) - set(texts(now.get(producer, {})))
        )


def _violations(problem: Problem | None) -> Sequence[str]:
    return problem.violations if isinstance(problem, RuleBroken) else ()


def _numbered(found: Sequence[Holder]) -> str:
    return "1 resource that holds data" if len(found) == 1 else f"{len(found)} resources that hold data"
