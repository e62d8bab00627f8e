"""What each operation does with one stack. The executor decides which stacks, and when."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestration import pending
from orchestration.backend import FileBackend
from orchestration.cli import Cli
from orchestration.engines import Engines, Held
from orchestration.execute import Driver, Work
from orchestration.fingerprint import TAG, WITHDRAWN, Fingerprint, Fingerprints, missing_upstream
from orchestration.graph import Graph, Stack
from orchestration.plan import Judgement, Operation, Step, Verdict
from orchestration.runs import Run
from orchestration.target import Target
from orchestration.workspace import Workspace

PREVIEWED_OUTPUTS = "PREVIEWED_OUTPUTS"
"""Names the folder in which `shared.stacks.consume` finds what previews expect. An update has it not."""


class ReleaseCheck(Protocol):
    """Sees to it that a release serves before the next region gets it."""

    def covers(self, stack: Stack) -> bool:
        """Whether the stack's updates are checked."""

    def prepare(self, stack: Stack) -> None:
        """Get ready while the update is under way."""

    def before(self, stack: Stack, *, verified: bool) -> Any:
        """Return what serves now, for a way back. `verified`: the state's last release passed its check."""

    def after(self, stack: Stack, before: Any) -> str:
        """Check the release: a remark when it serves; when not, put back what served and raise Problem."""


@dataclass(frozen=True)
class Context:
    """What a driver works with in one run."""

    target: Target
    graph: Graph
    run: Run
    engines: Engines
    workspace: Workspace
    fingerprints: Fingerprints
    check: ReleaseCheck


class _Driver:
    """What operations have in common."""

    def __init__(self, context: Context) -> None:
        self._c = context

    def judge(self, stack: Stack) -> Judgement:  # noqa: ARG002  most operations keep nothing because it is fresh
        return Judgement(Verdict.STALE, "")

    def get_ready(self, step: Step) -> None:
        pass

    def call_off(self, step: Step) -> None:
        pass

    def interrupt(self) -> None:
        self._c.engines.interrupt()


class Deploy(_Driver):
    """Brings stacks up to date."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._held: dict[Stack, tuple[str, Held]] = {}
        """Updates that are ready, with their ids."""

    def judge(self, stack: Stack) -> Judgement:
        return self._c.fingerprints.judge(stack)

    def get_ready(self, step: Step) -> None:
        c, stack = self._c, step.stack
        checkpoint = c.target.backend.checkpoint(stack)
        if not c.target.holds or c.fingerprints.doubtful(stack) or (checkpoint and checkpoint.pending):
            return  # where there is something to settle first, the engine would begin before the program
        c.workspace.ensure(stack)
        c.fingerprints.parts(stack)  # of what is there now, and no later: the program reads its sources ahead too
        update = secrets.token_hex(6)
        self._held[stack] = update, c.engines.get_ready(stack, *self._arguments(step, update))

    def run(self, step: Step) -> Work:
        c, stack = self._c, step.stack
        if problem := missing_upstream(c.graph, stack, c.target.backend):
            raise problem
        c.workspace.ensure(stack)
        recovered = pending.recover(c.target, c.engines, stack)
        parts = c.fingerprints.parts(stack)
        verified = c.fingerprints.verified(stack)
        before = c.check.before(stack, verified=verified) if c.check.covers(stack) else None
        if before is not None and step.judgement.verdict is not Verdict.FORCED:
            c.check.prepare(stack)
        if stack in self._held:
            update, held = self._held[stack]
            events = c.engines.release(held)
            del self._held[stack]
        else:
            update = secrets.token_hex(6)
            refresh = ["--refresh"] if not recovered and c.fingerprints.doubtful(stack) else []
            events = c.engines.operate(stack, *self._arguments(step, update), *refresh)
        remark = ""
        if before is not None and (events.changes or not verified):
            try:
                remark = c.check.after(stack, before)
            except Exception:
                # What serves is not what the state says: the next update refreshes first.
                c.target.backend.tag(stack, TAG, WITHDRAWN)
                raise
        c.target.backend.tag(stack, TAG, Fingerprint(update, parts).to_tag())
        return Work(events.changes, "; ".join(filter(None, (recovered, remark))))

    def call_off(self, step: Step) -> None:
        c, stack = self._c, step.stack
        if stack in self._held:
            c.engines.call_off(self._held.pop(stack)[1])
            c.target.backend.unlock(stack)

    def _arguments(self, step: Step, update: str) -> Sequence[str]:
        return "up", "--yes", "--skip-preview", "--message", self._c.run.message(update, step.judgement.reason)


class Preview(_Driver):
    """Shows what a deployment would change, across layers, also where nothing is deployed yet."""

    def __init__(self, context: Context) -> None:
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
        layers = ", ".join(sorted({producer.layer for producer in self._c.graph.reads[stack]}))
        return Judgement(Verdict.STALE, f"follows {layers}")

    def run(self, step: Step) -> Work:
        c, stack = self._c, step.stack
        for producer in c.graph.reads[stack]:
            if not self._path(producer).exists():
                self._carry_deployed(producer, stack)
        variables = {PREVIEWED_OUTPUTS: str(c.run.previewed)}
        if c.target.backend.checkpoint(stack) is None:
            self._workspace.ensure(stack)
            variables |= self._elsewhere
        events = c.engines.operate(stack, "preview", variables=variables)
        self._write(stack, events.outputs or {})
        return Work(events.changes)

    def _carry_deployed(self, producer: Stack, consumer: Stack) -> None:
        """Give the preview what a stack that is not previewed has deployed: it may be in another backend."""
        if problem := missing_upstream(self._c.graph, consumer, self._c.target.backend):
            raise problem
        checkpoint = self._c.target.backend.checkpoint(producer)
        self._write(producer, checkpoint.outputs if checkpoint else {})

    def _path(self, stack: Stack) -> Path:
        return self._c.run.previewed / f"{stack.layer}.{stack.name}.json"

    def _write(self, stack: Stack, outputs: Mapping[str, Any]) -> None:
        path = self._path(stack)
        unfinished = path.with_suffix(f".{secrets.token_hex(4)}")
        unfinished.write_text(json.dumps(dict(outputs)))
        unfinished.replace(path)


class Drift(_Driver):
    """Compares stacks with the cloud, and changes neither."""

    def run(self, step: Step) -> Work:
        if self._c.target.backend.checkpoint(step.stack) is None:
            return Work({}, "is not deployed")
        return Work(self._c.engines.operate(step.stack, "refresh", "--preview-only").changes)


class Destroy(_Driver):
    """Removes all resources of stacks, and then the stacks."""

    def run(self, step: Step) -> Work:
        c, stack = self._c, step.stack
        if c.target.backend.checkpoint(stack) is None:
            return Work({}, "was not deployed")
        recovered = pending.recover(c.target, c.engines, stack)
        arguments = ["destroy", "--yes", "--skip-preview", "--remove"]
        if not recovered and c.fingerprints.doubtful(stack):
            arguments.append("--refresh")
        return Work(c.engines.operate(stack, *arguments).changes, recovered)


DRIVERS: Mapping[Operation, Callable[[Context], Driver]] = {
    Operation.DEPLOY: Deploy,
    Operation.PREVIEW: Preview,
    Operation.DRIFT: Drift,
    Operation.DESTROY: Destroy,
}
