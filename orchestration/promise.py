"""A saved plan that a deployment keeps to: what has moved since is refused, and so is what the plan does not say.

Before anything changes, all stacks are compared with what they were when the plan was made. In its turn each one is
looked at again, with what its upstream stacks really publish by then; Pulumi's own update plan keeps the update to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.driver import comparison
from orchestration.fingerprint import Fingerprints, MadeOf, causes, parts_of
from orchestration.foreseen import Forecast, ForeseenResource, resources
from orchestration.made_of import digest
from shared.errors import MALFORMED, Problem

if TYPE_CHECKING:
    from engine.backend import Backend
    from orchestration.choice import Choice
    from orchestration.driver import RunContext
    from orchestration.graph import Graph
    from shared.stack import Stack


def newest(backend: Backend, stack: Stack) -> str:
    """Return what tells a stack's newest update from any other; empty for a stack that has none."""
    update = backend.newest_update(stack)
    return digest(update.kind, update.message, str(update.began)) if update else ""


@dataclass(frozen=True)
class Promise:
    """A saved plan that a deployment keeps to."""

    forecast: Forecast
    file: str

    @staticmethod
    def load(file: str) -> Promise:
        """Read a saved plan. Raises Problem for what is none."""
        try:
            return Promise(Forecast.from_json(json.loads(Path(file).read_text(encoding="utf-8"))), file)
        except OSError as error:
            raise Problem(f"--plan {file}: {error.strerror}: ./invoke plan --out {file} makes one") from None
        except MALFORMED as error:
            raise Problem(f"--plan {file} is no plan ({error}): ./invoke plan --out {file} makes one") from None

    def chosen(self, choice: Choice, graph: Graph) -> tuple[Stack, ...]:
        """Return the stacks that it deploys. Raises Problem where the command says something else than the plan."""
        made = self.forecast
        for name, asked, planned in (
            ("environment", choice.environment, made.environment),
            ("target", choice.target, made.target),
            ("layer", choice.layer or made.layer, made.layer),
            ("region", choice.region or made.region, made.region),
        ):
            if asked != planned:
                of = f"{name} {planned}" if planned else f"every {name}"
                raise Problem(f"--plan {self.file} is of {of}, not {asked}: say the same, or plan anew")
        names = {each.stack for each in made.planned}
        if unknown := sorted(names - {str(stack) for stack in graph.stacks}):
            raise Problem(f"--plan {self.file} has {unknown[0]}, which {choice.environment} has not; {self._anew()}")
        return tuple(stack for stack in graph.stacks if str(stack) in names)

    def require_unmoved(self, fingerprints: Fingerprints) -> None:
        """Raise Problem when a source, a setting or an upstream of a stack has changed since, or the stack itself."""
        known = {str(stack): stack for stack in fingerprints.graph.stacks}
        for each in self.forecast.planned:
            stack = known[each.stack]
            before, now = MadeOf.from_tag(each.made_of), MadeOf.from_tag(fingerprints.made_of(stack, "").to_tag())
            if found := causes(parts_of(before.pieces), now.pieces, before.pieces):
                raise Problem(f"{stack} is no longer what was planned ({found[0]}); {self._anew()}")
            if newest(fingerprints.backend, stack) != each.update:
                raise Problem(f"{stack} was updated after the plan was made; {self._anew()}")

    def kept_by(self, context: RunContext) -> Callable[[Stack], Sequence[str]]:
        """Return what looks at a stack in its turn: it raises Problem where its update would do more than was planned.

        context: whose operations look. Returns the options that keep the engine to what that look has shown.
        """
        c, planned = context, {each.stack: each for each in self.forecast.planned}

        def look(stack: Stack) -> Sequence[str]:
            file = c.run.folder / f"{stack.label}.plan.json"
            compared = comparison(c.fingerprints, stack, always=c.refresh)
            saving = () if compared else ("--save-plan", str(file))
            events = c.operations.run(stack, "preview", *saving, *compared)
            expected = {of.key: of for of in planned[str(stack)].resources}
            for change in resources(events):
                now = ForeseenResource.of(change)
                known = expected.get(now.key)
                beyond = "" if known is None else known.excess(now)
                if known is None or beyond:
                    what = f"{now.operation} {now.type} {now.name}" + (f" with another {beyond}" if beyond else "")
                    raise Problem(f"{stack} would {what}, which the plan does not say; {self._anew(of_it=True)}")
            return ("--plan", str(file)) if saving else ()

        return look

    def _anew(self, *, of_it: bool = False) -> str:
        nothing = "nothing of it was changed" if of_it else "nothing was changed"
        return f"{nothing}: make the plan anew (./invoke plan --out {self.file})"
