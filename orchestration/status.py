"""What is deployed and whether it still is what the checkout says, stack by stack: from backend and checkout alone.

No cloud is asked and nothing is started, so anybody who can read the backend gets the answer, and for one commit the
same one everywhere. Who and when is what the engine kept of the newest update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration import report
from orchestration.fingerprint import Fingerprints, told_by
from orchestration.graph import Graph
from orchestration.target import StackBooks, books
from shared.contracts import CONTRACT
from shared.environment import Environment
from shared.root import ROOT

if TYPE_CHECKING:
    from engine.backend import Update
    from orchestration.choice import Choice
    from shared.stack import Stack

HEADINGS = ("stack", "state", "commit", "by", "at", "contract", "why")
SHORT = 10
"""Characters of a commit that a table shows."""
COLOURS = {"fresh": "green", "stale": "yellow", "not deployed": "dim"}


@dataclass(frozen=True)
class StackStanding:
    """How one stack stands."""

    stack: Stack
    newest: Update | None
    """The newest update in its history; None where it is not deployed."""
    contract: tuple[str, int] | None
    """What it publishes: the contract's name and version; None before its first update has come to its end."""
    why: Sequence[str]
    """Everything for which it is stale; nothing for a fresh one."""
    follows: Sequence[str]
    """Stale stacks that it reads: their next update may make it stale."""

    @property
    def state(self) -> str:
        """`fresh`, `stale` or `not deployed`."""
        return "not deployed" if self.newest is None else "stale" if self.why else "fresh"

    def told(self, name: str) -> str:
        """What the engine kept of the newest update, such as `git.head`; empty where it kept nothing."""
        return self.newest.metadata.get(name, "") if self.newest else ""

    @property
    def commit(self) -> str:
        return self.told("git.head")

    @property
    def dirty(self) -> bool:
        """Whether the checkout held more than its commit."""
        return self.told("git.dirty") == "true"

    @property
    def by(self) -> str:
        """Who ran the update, as our own message says; the committer where it is not one of ours."""
        return (told_by(self.newest.message) if self.newest else "") or self.told("git.committer")

    @property
    def at(self) -> str:
        began = self.newest.began if self.newest else None
        return f"{began:%Y-%m-%dT%H:%M:%SZ}" if began else ""

    def row(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "stack": str(self.stack),
            "layer": self.stack.layer,
            "role": self.stack.role,
            "state": self.state,
            "why": list(self.why),
            "follows": list(self.follows),
            "commit": self.commit,
            "dirty": self.dirty,
            "author": self.told("git.author"),
            "committer": self.told("git.committer"),
            "by": self.by,
            "at": self.at,
            "contract": {"name": self.contract[0], "version": self.contract[1]} if self.contract else None,
        }

    def cells(self) -> tuple[str, ...]:
        """The same as a row of a table."""
        commit = self.commit[:SHORT] + "+" * self.dirty
        contract = f"v{self.contract[1]}" if self.contract else ""
        follows = [f"follows {', '.join(self.follows)}"] if self.follows else []
        return str(self.stack), self.state, commit, self.by, self.at, contract, "; ".join([*self.why, *follows])


def status(choice: Choice) -> int:
    """Print how the stacks stand. Returns 1 unless all of them are deployed and fresh."""
    settings = Environment.load(choice.environment, ROOT)
    graph = Graph.of(settings.name, aside=settings.aside)
    chosen = graph.select(choice.layer or None, choice.region or None)
    opened = books(choice.target)
    found = standings(opened, settings, graph, chosen)
    if choice.json:
        report.print_json({"where": opened.where, "stacks": [each.row() for each in found]})
    else:
        report.show_rows(HEADINGS, [(each.cells(), COLOURS[each.state]) for each in found])
        if any(each.dirty for each in found):
            print("\n+ the checkout held changes beside its commit")
    return int(any(each.state != "fresh" for each in found))


def standings(opened: StackBooks, settings: Environment, graph: Graph, chosen: Sequence[Stack]) -> list[StackStanding]:
    """Return how each stack stands, in the graph's order."""
    fingerprints = Fingerprints(ROOT, settings, graph, opened.backend, generation=opened.generation)
    found: list[StackStanding] = []
    changing: set[Stack] = set()
    for stack in graph.stacks:
        newest, checkpoint = opened.backend.newest_update(stack), opened.backend.checkpoint(stack)
        deployed = newest is not None and checkpoint is not None
        outputs = checkpoint.outputs if checkpoint else {}
        kept = outputs.get(CONTRACT) or {}
        each = StackStanding(
            stack,
            newest if deployed else None,
            (str(kept["name"]), int(kept["version"])) if "version" in kept else None,
            tuple(fingerprints.causes(stack)) if deployed else (),
            tuple(str(producer) for producer in graph.stacks if producer in graph.reads[stack] & changing),
        )
        if each.state != "fresh" or each.follows:
            changing.add(stack)
        if stack in chosen:
            found.append(each)
    return found
