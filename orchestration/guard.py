"""Nothing that holds data is replaced or deleted unless the user names it in that very command; and no rule is broken.

What would go is what the engine's own preview says, with the program, the options and the state of the update itself.
It is asked for before anything changes, of all stacks of the run that are there; the policies judge it as they judge an
update. A look holds for the sources, the state and the upstream outputs that it was made of. Where one of them differs
in a stack's turn, the stack is looked at anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from engine.events import RuleBroken
from orchestration.execute import STACKS_AT_ONCE
from orchestration.holdings import Holder, going, holders
from orchestration.made_of import FUNCTIONS
from orchestration.plan import Freshness, Plan, Step
from shared.contracts import CONTRACT
from shared.errors import Problem

if TYPE_CHECKING:
    from engine.backend import Backend, Checkpoint
    from engine.events import Events
    from shared.stack import Stack

LOOKS: Final = 4
"""How often a stack's state is read in its turn, before somebody else is said to change it all the time."""
LOOKED_AT = frozenset({Freshness.STALE, Freshness.FORCED})


class DataWouldGo(Problem):
    """A run that has changed nothing, because something that holds data would go and was not named."""

    def __init__(self, text: str, holders: Sequence[Holder]) -> None:
        super().__init__(text)
        self.holders = tuple(holders)


@dataclass(frozen=True)
class _Look:
    """What the newest preview of a stack said, and of what. Where there was none, nothing goes."""

    made_of: object
    state: Checkpoint | None
    going: tuple[Holder, ...] = ()
    problem: Problem | None = None
    nothing: bool = False
    """Whether the update would change nothing: no resource, and no output."""


class Guard:
    """Looks at one run's stacks before they are changed."""

    def __init__(
        self,
        preview: Callable[[Stack], Events],
        backend: Backend,
        *,
        made_of: Callable[[Stack], object],
        differences: Callable[[Stack], Collection[str] | None],
        discard: Collection[str],
        programs_may_end_early: bool,
        judged: bool,
    ) -> None:
        """Make one. `preview` asks the engine what an update of a stack would do; it raises Problem when that fails.

        made_of: what a preview is of beside the state: equal as long as nothing of it differs.
        differences: the parts of a stack's fingerprint that differ; None when they are not known.
        discard: names of what holds data and may go.
        programs_may_end_early: whether the language host takes a program that ended before its end for complete.
        judged: whether there are policies, which any stack could break.
        """
        self._preview = preview
        self._backend = backend
        self._made_of = made_of
        self._differences = differences
        self._discard = frozenset(discard)
        self._programs_may_end_early = programs_may_end_early
        self._judged = judged
        self._looks: dict[Stack, _Look] = {}

    def look(self, plan: Plan) -> None:
        """Raise DataWouldGo when something that holds data would go and is not named, or is named and would not go.

        Raise RuleBroken, for all that they break, when the policies refuse what stacks would become.
        """
        states = {step.stack: self._backend.checkpoint(step.stack) for step in plan.steps if not step.fresh}
        self._looks = {
            stack: _Look(self._made_of(stack), state) for stack, state in states.items() if self._concerns(stack, state)
        }
        looked_at = [step.stack for step in plan.steps if step.stack in self._looks and self._may_let_go(step)]
        with ThreadPoolExecutor(STACKS_AT_ONCE) as threads:
            unseen = [self._looks[stack] for stack in looked_at]
            self._looks |= dict(zip(looked_at, threads.map(self._look, looked_at, unseen), strict=True))
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
        """Raise Problem when the stack's update, of what there is now, would let something go that is not named.

        Return whether the update is known to change nothing: a preview of just that has said so.
        """
        look = self._current(stack)
        if look is None:
            return False
        if look.problem:
            raise look.problem
        if unnamed := [holder for holder in look.going if holder.name not in self._discard]:
            names = ",".join(holder.name for holder in unnamed)
            raise Problem(
                f"{_numbered(unnamed)} would be replaced or deleted, because of what has changed during the run; "
                f"nothing of it was changed: to let them go, add --discard-data {names}"
            )
        return look.nothing

    def _current(self, stack: Stack) -> _Look | None:
        """Look at a stack until what was looked at is what there is afterwards. None where it is of no concern."""
        for _ in range(LOOKS):
            state = self._backend.checkpoint(stack)
            if not self._concerns(stack, state):
                return None
            look, unseen = self._looks.get(stack), _Look(self._made_of(stack), state)
            if look and (look.made_of, look.state) == (unseen.made_of, unseen.state):
                return look
            self._looks[stack] = self._look(stack, unseen)
        raise Problem(
            f"{stack} was changed each time that it was looked at: somebody else works on it; nothing of it was changed"
        )

    def _may_let_go(self, step: Step) -> bool:
        """Whether a step's stack is looked at before the run: not where new function code is all that there is.

        Most releases are that, and nothing that holds data is made of code (a test says so).
        """
        if step.judgement.freshness not in LOOKED_AT:
            return False
        return self._programs_may_end_early or self._differences(step.stack) != {FUNCTIONS}

    def _concerns(self, stack: Stack, state: Checkpoint | None) -> bool:
        """Whether there is something to lose, or to be changed against a rule."""
        if state is None or state.empty:
            return False
        return self._judged or self._programs_may_end_early or bool(holders(stack, state))

    def _look(self, stack: Stack, unseen: _Look) -> _Look:
        try:
            events = self._preview(stack)
        except Problem as problem:  # the update would meet it too
            return replace(unseen, problem=problem)
        if self._programs_may_end_early and CONTRACT not in (events.outputs or {}):
            ended = f"projects/{stack.layer} ended before it published its outputs; nothing was changed"
            return replace(unseen, problem=Problem(ended))
        nothing = not events.changes and unseen.state is not None and events.outputs == dict(unseen.state.outputs)
        return replace(unseen, going=going(stack, events.resources), nothing=nothing)


def _violations(problem: Problem | None) -> Sequence[str]:
    return problem.violations if isinstance(problem, RuleBroken) else ()


def _numbered(found: Sequence[Holder]) -> str:
    return "1 resource that holds data" if len(found) == 1 else f"{len(found)} resources that hold data"
