"""What each operation does with one stack. The executor decides which stacks, and when."""

from __future__ import annotations

import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.backend import FileBackend
from engine.cli import ANOTHER_RUN, Cli
from engine.events import ResourceChange
from engine.operations import Interrupted, Operations
from engine.workspace import Workspace
from orchestration import pending, recovery, releases, report
from orchestration.baking import Baking
from orchestration.door import kept_by_copies
from orchestration.execute import Driver, NotCompared, Work
from orchestration.fingerprint import (
    MADE_OF,
    TAG,
    WITHDRAWN,
    Fingerprint,
    Fingerprints,
    causes,
    missing_upstream,
    parts_of,
    release_id,
)
from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, Step
from orchestration.runs import Run
from orchestration.target import Target
from shared import files
from shared.contracts import MAY_MOVE, PREVIEWED_OUTPUTS
from shared.errors import Problem
from shared.stack import Stack

if TYPE_CHECKING:
    from engine.events import Events
    from shared.environment import Environment


class ReleaseCheck(Protocol):
    """Sees to it that a release serves before the next region gets it."""

    def covers(self, stack: Stack) -> bool:
        """Whether the stack's updates are checked."""

    def before(self, stack: Stack, *, verified: bool) -> Any:
        """Return what serves now, for a way back. `verified`: the state's last release passed its check."""

    def after(self, stack: Stack, before: Any) -> str:
        """Check the release: a remark when it serves; when not, put back what served and raise Problem."""

    def bake(self, stack: Stack, baking: Baking, stop: threading.Event) -> str:
        """Watch the release for a while: a remark when it stands that; else as `after`, or Interrupted on `stop`."""


@dataclass(frozen=True)
class RunContext:
    """What a driver works with in one run."""

    target: Target
    graph: Graph
    run: Run
    operations: Operations
    workspace: Workspace
    fingerprints: Fingerprints
    check: ReleaseCheck
    guard: Callable[[Stack], bool] = lambda _: False
    """Raises Problem when a stack's update would let something go that holds data and was not named; says whether it
    is known to change nothing."""
    refresh: bool = False
    """Compare every stack with the cloud before it is brought up to date."""
    bake: float | None = None
    """Minutes for which a release that passed its check is watched; None: as long as an unfinished one was to be."""
    promised: Callable[[Stack], Sequence[str]] | None = None
    """Raises Problem when a stack's update would do more than a plan says; returns options that keep it to that."""


class _Driver:
    """What operations have in common."""

    def __init__(self, context: RunContext) -> None:
        self._c = context

    def judge(self, stack: Stack) -> Judgement:  # noqa: ARG002  most operations keep nothing because it is fresh
        return Judgement(Freshness.STALE, "")

    def _refresh(self, stack: Stack, recovered: str) -> Sequence[str]:
        """Return the option that compares the state with the cloud first, where nothing has and they may differ."""
        return () if recovered else comparison(self._c.fingerprints, stack, always=self._c.refresh)

    def interrupt(self) -> None:
        self._c.operations.interrupt()


class Deploy(_Driver):
    """Brings stacks up to date."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        self._stop = threading.Event()

    def judge(self, stack: Stack) -> Judgement:
        return self._c.fingerprints.judge(stack)

    def run(self, step: Step) -> Work:
        c, stack = self._c, step.stack
        if problem := missing_upstream(c.graph, stack, c.target.backend):
            raise problem
        if step.judgement.freshness is Freshness.UNBAKED:
            return self._bake_late(stack)
        c.fingerprints.require_as_begun(stack)
        c.workspace.ensure(stack)
        recovered = pending.recover(c.target, c.operations, stack, recovering(c.run, stack))
        made_of = c.fingerprints.made_of(stack, c.run.update(stack))
        parts = parts_of(made_of.pieces)
        verified = c.fingerprints.verified(stack) and not releases.begun(c.target.backend, stack)
        nothing = c.guard(stack)
        if nothing and verified and step.judgement.freshness is Freshness.FORCED:
            return Work({}, recovered)  # its newest update is of just this, and the guard's preview found no difference
        baking = self._baking(stack, verified=verified) if c.check.covers(stack) else None
        watched = self._watched(stack) if verified else 0
        kept = c.promised(stack) if c.promised else ()
        began, files = c.target.now(), c.fingerprints.require_as_begun(stack)
        events = c.operations.run(stack, *deployment(c.run, step), *kept, *self._refresh(stack, recovered))
        touched, left, remark = c.fingerprints.touched(stack, files), c.target.backend.checkpoint(stack), ""
        if touched:
            baking = baking and replace(baking, minutes=0)  # it must serve; what is watched is its next update
        if baking and (events.changes or not verified):
            # What was raised under an earlier release is not the fault of another one.
            since = began if events.changes else baking.since
            remark = self._check(stack, replace(baking, since=since, release=release_id(parts)))
            watched = baking.minutes
        elif baking and baking.minutes > watched:
            remark, watched = self._check(stack, self._late(stack)), baking.minutes
        if touched:
            raise Problem(
                f"{touched[0]} was written while {stack} was updated: nobody can say of what that update was; "
                "run the same command again"
            )
        c.target.backend.tag(stack, MADE_OF, made_of.to_tag())
        self._complete(stack, Fingerprint(made_of.update, parts, watched, left.digest if left else ""))
        return Work(events.changes, "; ".join(filter(None, (recovered, remark))), events.resources)

    def interrupt(self) -> None:
        super().interrupt()
        self._stop.set()

    def _baking(self, stack: Stack, *, verified: bool) -> Baking:
        """How the next release is watched: as asked for, else as the one was to be that did not come to its end."""
        c = self._c
        unfinished = c.fingerprints.baking(stack)
        if unfinished:
            return unfinished if c.bake is None else replace(unfinished, minutes=c.bake)
        return Baking(c.bake or 0, c.target.now(), c.check.before(stack, verified=verified))

    def _bake_late(self, stack: Stack) -> Work:
        """Watch a release that the stack has had for a while."""
        newest, baking = self._c.fingerprints.known(stack), self._late(stack)
        remark = self._check(stack, baking)
        if newest:
            self._complete(stack, replace(newest, baked=baking.minutes))
        return Work({}, remark)

    def _late(self, stack: Stack) -> Baking:
        c = self._c
        known = releases.Releases.read(c.target.backend, stack)
        before = known.before.serving if known.before else c.check.before(stack, verified=True)
        since, release = (known.serving.since, known.serving.id) if known.serving else (c.target.now(), "")
        return Baking(c.bake or 0, since, before, release)

    def _watched(self, stack: Stack) -> float:
        known = self._c.fingerprints.known(stack)
        return known.baked if known else 0

    def _check(self, stack: Stack, baking: Baking) -> str:
        """Check the release that the stack has got; return the remark. Raises Problem when it was rolled back."""
        c = self._c
        if baking.minutes:  # whatever ends this run, the next one knows
            c.target.backend.tag(stack, TAG, baking.to_tag())
        try:
            passed = c.check.after(stack, baking.before)
            return "; ".join((passed, c.check.bake(stack, baking, self._stop))) if baking.minutes else passed
        except Interrupted:
            raise
        except Exception:
            # What serves is not what the state says: the next update refreshes first.
            c.target.backend.tag(stack, TAG, WITHDRAWN)
            raise

    def _complete(self, stack: Stack, fingerprint: Fingerprint) -> None:
        """Record the release, and then that the stack is fresh: a run that is cut off in between is gone on with."""
        backend = self._c.target.backend
        releases.record(backend, stack, release_id(fingerprint.parts), self._c.target.now())
        backend.tag(stack, TAG, fingerprint.to_tag())


def deployment(run: Run, step: Step) -> Sequence[str]:
    """Return the CLI's arguments for a step of a deployment."""
    message = run.message(run.update(step.stack), step.judgement.reason)
    return "up", "--yes", "--skip-preview", "--message", message


def recovering(run: Run, stack: Stack) -> str:
    """Return what the history says of settling what was cut off: ours, and no update by hand."""
    return run.message(run.update(stack), "an update of it was cut off")


def comparison(fingerprints: Fingerprints, stack: Stack, *, always: bool = False) -> Sequence[str]:
    """Return the option by which an update first compares the state with the cloud, where they may differ."""
    checkpoint = fingerprints.backend.checkpoint(stack)
    known = checkpoint is not None and not checkpoint.empty
    return ("--refresh",) if (always and known) or fingerprints.doubtful(stack) else ()


class Preview(_Driver):
    """Shows what a deployment would change, across layers, also where nothing is deployed yet."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        context.run.previewed.mkdir(exist_ok=True)
        # The engine previews only stacks that exist: others are made in a backend that is thrown away.
        self._scratch = tempfile.TemporaryDirectory(prefix="preview-")
        folder = Path(self._scratch.name)
        self._elsewhere = {
            "PULUMI_BACKEND_URL": folder.as_uri(),
            "PULUMI_OPTION_CONFIG_FILE": str(folder / "stack.yaml"),
        }
        cli = Cli(context.target.cli.executable, {**context.target.cli.variables, **self._elsewhere})
        self._workspace = Workspace(cli, FileBackend(folder), folder / "stack.yaml", context.graph.stacks)

    def judge(self, stack: Stack) -> Judgement:
        """Whether anything that the stack reads would change, by the previews of those that publish it."""
        before = self._c.fingerprints.pieces(stack)
        after = self._c.fingerprints.pieces(stack, self._previewed)
        found = causes(parts_of(before), after, before)
        return Judgement(Freshness.STALE, found[0]) if found else Judgement(Freshness.FRESH, "")

    def run(self, step: Step) -> Work:
        c, stack = self._c, step.stack
        for producer in c.graph.reads[stack]:
            if not self._path(producer).exists():
                self._carry_deployed(producer, stack)
        variables = {PREVIEWED_OUTPUTS: str(c.run.previewed), MAY_MOVE: "a preview"}
        if c.target.backend.checkpoint(stack) is None:
            self._workspace.ensure(stack)
            variables |= self._elsewhere
        compared = comparison(c.fingerprints, stack)
        events = c.operations.run(stack, "preview", *compared, variables=variables)
        self._write(stack, events.outputs or {})
        return Work(events.changes, resources=events.resources)

    def _carry_deployed(self, producer: Stack, consumer: Stack) -> None:
        """Give the preview what a stack that is not previewed has deployed: it may be in another backend."""
        if problem := missing_upstream(self._c.graph, consumer, self._c.target.backend):
            raise problem
        checkpoint = self._c.target.backend.checkpoint(producer)
        self._write(producer, checkpoint.outputs if checkpoint else {})

    def _previewed(self, stack: Stack) -> Mapping[str, Any] | None:
        path = self._path(stack)
        return dict(json.loads(path.read_text())) if path.exists() else None

    def _path(self, stack: Stack) -> Path:
        return self._c.run.previewed / f"{stack.label}.json"

    def _write(self, stack: Stack, outputs: Mapping[str, Any]) -> None:
        files.replace(self._path(stack), json.dumps(dict(outputs)))


class Drift(_Driver):
    """Compares stacks with the cloud, and changes neither."""

    def run(self, step: Step) -> Work:
        if self._c.target.backend.checkpoint(step.stack) is None:
            return Work({}, "is not deployed")
        events = self._compared(step.stack)
        differs = tuple(kept for each in events.refreshed if (kept := self._beside_ignored(step.stack, each)))
        put_back = [each for each in differs if releases.only_pointers(each.type, each.properties)]
        if not put_back or not self._c.fingerprints.withdrawn(step.stack):
            return Work(Counter(change.operation for change in differs), resources=differs)
        left = tuple(each for each in differs if each not in put_back)
        remark = "its last release was rolled back: what serves differs from the state on purpose"
        return Work(Counter(change.operation for change in left), remark, left)

    def _compared(self, stack: Stack) -> Events:
        """Compare, once more where a lock was in the way that nobody holds. Raises NotCompared while somebody does."""
        try:
            return self._compare(stack)
        except NotCompared:
            held = recovery.release(self._c.target, stack, report.tell)
            if not held:
                return self._compare(stack)
            if stale := recovery.left_behind(stack, held[0]):
                raise Problem(stale) from None
            raise

    def _compare(self, stack: Stack) -> Events:
        try:  # the engine takes the stack's lock for it, up to 3.228
            return self._c.operations.run(stack, "refresh", "--preview-only")
        except Problem as problem:
            if str(problem).startswith(ANOTHER_RUN):
                raise NotCompared(str(problem)) from problem
            raise

    def _beside_ignored(self, stack: Stack, change: ResourceChange) -> ResourceChange | None:
        """Return a difference without what the program leaves to others on purpose; None when that is all of it."""
        checkpoint = self._c.target.backend.checkpoint(stack)
        resources = checkpoint.resources if checkpoint else ()
        ignored = [path for each in resources if each["urn"] == change.urn for path in each.get("ignoreChanges") or ()]
        if change.operation != "update" or not ignored:
            return change
        left = tuple(path for path in change.properties if not any(_within(path, each) for each in ignored))
        return replace(change, properties=left) if left else None


def _within(path: str, other: str) -> bool:
    """Whether a property's path is another one, or inside it: `tags.Owner` is inside `tags`."""
    return path == other or path.startswith((f"{other}.", f"{other}["))


class Destroy(_Driver):
    """Removes all resources of stacks, and then the stacks."""

    def run(self, step: Step) -> Work:
        c, stack = self._c, step.stack
        if c.target.backend.checkpoint(stack) is None:
            return Work({}, "was not deployed")
        recovered = pending.recover(c.target, c.operations, stack, recovering(c.run, stack))
        arguments = ("destroy", "--yes", "--skip-preview", "--remove", *self._refresh(stack, recovered))
        try:
            events = c.operations.run(stack, *arguments)
        except Problem as problem:
            if advice := kept_by_copies(str(problem)):
                raise Problem(f"{problem}; {advice}") from problem
            raise
        return Work(events.changes, recovered, events.resources)


class Blaming:
    """Runs steps with another driver; when the cloud itself is the trouble, that is what a failed step says."""

    def __init__(self, driver: Driver, target: Target, environment: Environment) -> None:
        self._driver = driver
        self._target = target
        self._environment = environment

    def judge(self, stack: Stack) -> Judgement:
        return self._driver.judge(stack)

    def run(self, step: Step) -> Work:
        try:
            return self._driver.run(step)
        except NotCompared:
            raise
        except Problem as problem:
            if trouble := self._target.trouble(self._environment.regions_of(step.stack), str(problem)):
                raise Problem(trouble) from problem
            raise

    def interrupt(self) -> None:
        self._driver.interrupt()


DRIVERS: Mapping[Operation, Callable[[RunContext], Driver]] = {
    Operation.DEPLOY: Deploy,
    Operation.PREVIEW: Preview,
    Operation.DRIFT: Drift,
    Operation.DESTROY: Destroy,
}
