"""Whether a stack is fresh: what it is made of now (made_of.py), against what its newest update was made of.

A fingerprint has a part for each kind of cause. Beside it stand the digests of all pieces, so that a stale stack can
name the file, setting or upstream output that has changed, and what the stack reads of others. Both are stack tags that
name the update they describe, not outputs: an output would be stored by a failed update too, and would make every
consumer's state differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.backend import is_held
from orchestration.baking import Baking
from orchestration.graph import Graph
from orchestration.made_of import ENVIRONMENTS, FUNCTIONS, Pieces, Sources, Stamps, digest, outputs_read, stamps, whole
from orchestration.plan import Freshness, Judgement
from shared import reads
from shared.contracts import CONTRACT
from shared.errors import MALFORMED, Problem
from shared.stack import Stack

if TYPE_CHECKING:
    from engine.backend import Backend, Checkpoint
    from shared.environment import Environment

TAG = "fingerprint"
WITHDRAWN = "withdrawn"
"""In the place of a fingerprint: the update is in the state, and its release was rolled back in the cloud.

A file backend cannot lose its last tag: the engine does not write an empty set (backend/diy/stack_tags.go).
"""
CUT = "cut"
"""In the same place: what was in a region that is gone for good was taken out of the state (forgetting.py)."""
MADE_OF = "made-of"
"""The tag of the pieces, and of what the stack reads."""
TOLD = 6
"""Hexadecimal digits of a piece's digest in the tag: it says what has changed, never whether something has."""
NAMED = 3
"""Names in a reason."""

CHANGED = {
    "code": "the program's code changed",
    "environment": "its part of the environment changed",
    "versions": "a locked version changed",
    FUNCTIONS: "a function's package changed",
    "contracts": "a contract changed",
    "policies": "a policy changed",
    "generation": "the cloud was replaced or restored since",
}
GENERATION = "generation"

SOURCES = ("code", "contracts", "environment", FUNCTIONS, "versions")
"""The parts that are the same for a layer in both regions: what a release is made of."""


@dataclass(frozen=True)
class Fingerprint:
    """What one update of a stack was made of: a digest for each part."""

    update: str
    """The id in the update's message."""
    parts: Mapping[str, str]
    baked: float = 0
    """Minutes for which the release was watched before the next region could get it."""
    state: str = ""
    """The digest of the state that the update has left; empty where nobody wrote it."""

    def to_tag(self) -> str:
        more = {name: each for name, each in (("baked", self.baked), ("state", self.state)) if each}
        told = {"update": self.update, "parts": dict(self.parts), **more}
        return json.dumps(told, separators=(",", ":"), sort_keys=True)

    @staticmethod
    def from_tag(text: str) -> Fingerprint | None:
        """Read a tag; None for what we cannot have written."""
        try:
            content = json.loads(text)
            baked, state = float(content.get("baked", 0)), str(content.get("state", ""))
            return Fingerprint(str(content["update"]), dict(content["parts"]), baked, state)
        except MALFORMED:
            return None


@dataclass(frozen=True)
class MadeOf:
    """The pieces of one update of a stack, and what its program reads of others."""

    update: str = ""
    pieces: Pieces = field(default_factory=dict)
    reads: reads.Reads = field(default_factory=dict)

    def to_tag(self) -> str:
        short = {part: {name: each[:TOLD] for name, each in named.items()} for part, named in self.pieces.items()}
        told = {"update": self.update, "pieces": short, "reads": {name: dict(of) for name, of in self.reads.items()}}
        return json.dumps(told, separators=(",", ":"), sort_keys=True)

    @staticmethod
    def from_tag(text: str) -> MadeOf:
        """Read a tag; nothing at all for what we cannot have written."""
        try:
            content = json.loads(text)
            return MadeOf(str(content["update"]), dict(content["pieces"]), dict(content["reads"]))
        except MALFORMED:
            return MadeOf()


Ahead = Callable[[Stack], Mapping[str, Any] | None]
"""What a stack is expected to publish; None where that is what it has deployed."""


class Fingerprints:
    """Computes and compares the fingerprints of one environment's stacks in one backend."""

    def __init__(
        self,
        root: Path,
        environment: Environment,
        graph: Graph,
        backend: Backend,
        *,
        generation: str | None,
    ) -> None:
        """Make the fingerprints of an environment, as its files are at this moment.

        generation: names the cloud that the stacks are in; None where that is not known, and does not count.
        """
        self._root = root
        self.graph = graph
        self.backend = backend
        self._generation = generation
        self._environment = environment
        self._sources = Sources(root, environment)
        self._layers: dict[str, dict[str, dict[str, str]]] = {}
        self._began = stamps(root)

    def pieces(self, stack: Stack, ahead: Ahead = lambda _: None) -> dict[str, dict[str, str]]:
        """Return the digests of all pieces that the stack is made of at this moment.

        ahead: what another stack is expected to publish; None where that is what it has deployed.
        """
        known = {} if self._generation is None else {GENERATION: {GENERATION: self._generation}}
        return self._static(stack.layer) | known | self._upstream(stack, ahead)

    def require_as_begun(self, stack: Stack) -> Stamps:
        """Raise Problem where the stack's files are others than when these fingerprints were made.

        Return the stamps by which that is known.
        """
        now = stamps(self._root)
        if touched := self._touched(stack, self._began, now):
            known = self._layers.get(stack.layer)
            found = self._others(stack, known) if known else touched
            if found:
                raise Problem(
                    f"the checkout was changed during the run ({found[0]}): nothing of {stack} was changed; "
                    "run the same command again"
                )
        return now

    def touched(self, stack: Stack, since: Stamps) -> Sequence[str]:
        """Return the files by which the stack can become stale that were written, made or taken away since."""
        return self._touched(stack, since, stamps(self._root))

    def moment(self, stack: Stack) -> object:
        """Return what a preview of the stack is of, beside its state: equal as long as nothing of it differs."""
        return stamps(self._root), self.pieces(stack)

    def parts(self, stack: Stack) -> dict[str, str]:
        """Return the digests of everything that the stack is made of at this moment, part by part."""
        return parts_of(self.pieces(stack))

    def made_of(self, stack: Stack, update: str) -> MadeOf:
        """Return what an update of the stack would be made of at this moment."""
        return MadeOf(update, self.pieces(stack), self.reads(stack))

    def reads(self, stack: Stack) -> reads.Reads:
        """Return what the stack's program reads of others, as its sources are now."""
        return reads.of(self._root, stack.layer)

    def judge(self, stack: Stack, *, sources: bool = True) -> Judgement:
        """Say whether the stack's newest update still describes it, and if not, why.

        Without `sources` only whether that came to its end, whatever the stack would be made of now.
        """
        checkpoint = self.backend.checkpoint(stack)
        newest = self.backend.newest_update(stack)
        if checkpoint is None or newest is None:
            return Judgement(Freshness.STALE, "new")
        tag, update = self._tag(stack), update_id(newest.message)
        known = Fingerprint.from_tag(tag)
        locks = self.backend.locks(stack)
        unsettled = {
            "an update of it is running": any(map(is_held, locks)),
            "its last update was interrupted": checkpoint.pending or locks,
            "its last update failed": not newest.succeeded,
            "its last release was rolled back": tag == WITHDRAWN,
            "a region was cut out of its state": tag == CUT,
            "the bake of its release did not come to its end": Baking.from_tag(tag) is not None,
            "it was updated by hand since": update is None,
            "its last update was not recorded as complete": known is None or known.update != update,
            "its state was changed since, by no update on record": known and _left_another(known, checkpoint),
        }
        for reason, applies in unsettled.items():
            if applies:
                return Judgement(Freshness.STALE, reason)
        found = self._causes(stack, known.parts if known else {}) if sources else []
        return Judgement(Freshness.STALE, found[0]) if found else Judgement(Freshness.FRESH, "")

    def causes(self, stack: Stack) -> Sequence[str]:
        """Return everything for which the stack is stale, each in a few words; nothing for a fresh one."""
        judgement = self.judge(stack)
        known = self.known(stack)
        if judgement.freshness is Freshness.FRESH:
            return ()
        if known is None or not self.verified(stack):
            return (judgement.reason,)
        return self._causes(stack, known.parts) or (judgement.reason,)

    def last(self, stack: Stack) -> MadeOf:
        """Return what the stack's newest recorded update was made of, piece by piece; nothing where nobody wrote it."""
        return MadeOf.from_tag(self.backend.tags(stack).get(MADE_OF, ""))

    def _causes(self, stack: Stack, known: Mapping[str, str]) -> list[str]:
        fingerprint, last = self.known(stack), self.last(stack)
        told = last.pieces if fingerprint and last.update == fingerprint.update else {}
        return causes(known, self.pieces(stack), told)

    def differences(self, stack: Stack) -> frozenset[str] | None:
        """Return the parts that differ from the newest update's; None when what that was made of is not known."""
        known = self.known(stack)
        if known is None or not self.verified(stack):
            return None
        now = self.parts(stack)
        return frozenset(name for name in now | dict(known.parts) if known.parts.get(name) != now.get(name))

    def doubtful(self, stack: Stack) -> bool:
        """Whether cloud and state may differ otherwise than on purpose.

        That is when the last update has no fingerprint, the state is none that an update has left, or the cloud was
        restored.
        """
        checkpoint = self.backend.checkpoint(stack)
        if checkpoint is None or checkpoint.empty or self._tag(stack) == CUT:
            return False
        known = self.known(stack)
        if known is None or (_left_another(known, checkpoint) and self._is_newest(stack, known)):
            return True
        return self._generation is not None and known.parts.get(GENERATION) != self._generation

    def verified(self, stack: Stack) -> bool:
        """Whether the stack's newest update is the one that its fingerprint describes, and the state what it left."""
        known, checkpoint = self.known(stack), self.backend.checkpoint(stack)
        if known is None or checkpoint is None:
            return False
        return self._is_newest(stack, known) and not _left_another(known, checkpoint)

    def _is_newest(self, stack: Stack, known: Fingerprint) -> bool:
        newest = self.backend.newest_update(stack)
        return newest is not None and known.update == update_id(newest.message)

    def withdrawn(self, stack: Stack) -> bool:
        """Whether the cloud serves another release than the state says, as the last one was taken back."""
        return self._tag(stack) == WITHDRAWN

    def baking(self, stack: Stack) -> Baking | None:
        """Return the bake that has begun and has not come to its end."""
        return Baking.from_tag(self._tag(stack))

    def known(self, stack: Stack) -> Fingerprint | None:
        """Return what the stack's newest recorded update was made of."""
        return Fingerprint.from_tag(self._tag(stack))

    def _static(self, layer: str) -> dict[str, dict[str, str]]:
        """Return the pieces that are no other stack's, as they were when they were first asked for."""
        if layer not in self._layers:
            self._layers.setdefault(layer, self._sources.pieces(layer))
        return self._layers[layer]

    def _touched(self, stack: Stack, since: Stamps, now: Stamps) -> list[str]:
        if now == since:
            return []
        differ = {path for path in {*since, *now} if since.get(path) != now.get(path)}
        known = self._layers.get(stack.layer, {})
        before = {name for part in ("code", FUNCTIONS, "policies") for name in known.get(part, ())}
        try:
            files = {path.as_posix() for path in self._sources.files(stack.layer)}
        except (OSError, Problem):
            return sorted(differ)
        return sorted(differ & {*before, *files, (ENVIRONMENTS / f"{self._environment.name}.yaml").as_posix()})

    def _others(self, stack: Stack, known: Pieces) -> Sequence[str]:
        """Return why the stack's files, read anew, are others than those that are known."""
        try:
            environment = type(self._environment).load(self._environment.name, self._root)
            now = Sources(self._root, environment).pieces(stack.layer)
        except (OSError, Problem) as error:
            return [str(error)]
        return causes(parts_of(known), now, known)

    def _tag(self, stack: Stack) -> str:
        return self.backend.tags(stack).get(TAG, "")

    def _upstream(self, stack: Stack, ahead: Ahead) -> dict[str, dict[str, str]]:
        read, parts = self.reads(stack), {}
        for producer in sorted(self.graph.reads[stack], key=str):
            outputs, checkpoint = ahead(producer), self.backend.checkpoint(producer)
            if outputs is None:
                outputs = checkpoint.outputs if checkpoint else {}
            contract = {CONTRACT: digest(json.dumps(outputs.get(CONTRACT), sort_keys=True))}
            parts[f"outputs of {producer}"] = contract | outputs_read(read.get(producer.layer, {}), outputs)
        return parts


def _left_another(known: Fingerprint, checkpoint: Checkpoint) -> bool:
    """Whether a state is another one than a fingerprint's update has left: nothing tells where nobody wrote that."""
    return bool(known.state) and known.state != checkpoint.digest


def update_id(message: str) -> str | None:
    """Return the id that one of our updates carries in its message; None for anybody else's."""
    return _said(message, "update")


def told_by(message: str) -> str:
    """Return who ran one of our updates, as `user@host`; empty for anybody else's."""
    return _said(message, "by") or ""


def _said(message: str, name: str) -> str | None:
    try:
        content: Any = json.loads(message)
        return str(content[name])
    except MALFORMED:
        return None


def release_id(parts: Mapping[str, str]) -> str:
    """Return a name for a release, the same in both regions."""
    return digest(*(parts.get(name, "") for name in SOURCES))


def parts_of(pieces: Pieces) -> dict[str, str]:
    """Return the digest of each part of some pieces; the cloud's generation stands for itself."""
    return {part: named[GENERATION] if part == GENERATION else whole(named) for part, named in pieces.items()}


def causes(known: Mapping[str, str], now: Pieces, before: Pieces) -> list[str]:
    """Return why an update is not of what is there now, a cause for each part that differs.

    known: the digests of the update's parts. before: its pieces, as far as they are known.
    """
    parts = parts_of(now)
    return [_cause(part, before.get(part), now[part]) for part in parts if known.get(part) != parts[part]]


def _cause(part: str, before: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    """Return why a part makes a stack stale: `the program's code changed: projects/network/vpc.py`."""
    told = CHANGED.get(part, f"{part} changed")
    if part == GENERATION or before is None:
        return told
    names = [name for name in sorted({*before, *now}) if before.get(name, "")[:TOLD] != now.get(name, "")[:TOLD]]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{told}: {', '.join(names[:NAMED])}{more}" if names else told


def missing_upstream(graph: Graph, stack: Stack, backend: Backend) -> Problem | None:
    """Return the problem that a stack reads one that is not deployed, or None."""
    for producer in graph.reads[stack]:
        checkpoint = backend.checkpoint(producer)
        if checkpoint is None or not checkpoint.outputs:
            return Problem(
                f"{stack} reads {producer}, which is not deployed; run ./invoke deploy --layer {producer.layer}"
            )
    return None
