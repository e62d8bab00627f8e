"""Whether a stack is fresh: what it is made of now, against what its newest update was made of.

A fingerprint has a part for each kind of cause, so that a stale stack can say why. It is kept as a stack tag that
names the update it describes. It is not an output: an output would be stored by a failed update too, and would make
every consumer's state differ.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.backend import is_held
from orchestration.baking import Baking
from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement
from shared.contracts import CONTRACT, layer_of, schema
from shared.errors import Problem
from shared.packaging import packages
from shared.packaging.imports import Source, Tree
from shared.stack import Stack

if TYPE_CHECKING:
    from engine.backend import Backend
    from shared.environment import Environment

TAG = "fingerprint"
WITHDRAWN = "withdrawn"
"""In the place of a fingerprint: the update is in the state, and its release was rolled back in the cloud.

A file backend cannot lose its last tag: the engine does not write an empty set (backend/diy/stack_tags.go).
"""
LOCK = Path("requirements.lock")
CONTRACTS = Path("shared/contracts.py")
POLICIES = Path("policies")
PACKAGES = Path("shared/packaging/packages.py")
PACKAGING = frozenset({"Code", "digest", "package", "release_of", "script"})
"""What takes a function's name for its package: of shared/components/function.py and shared/packaging/packages.py."""
DOCUMENTS = frozenset({".md", ".pyc"})

FUNCTIONS = "functions"
"""The part of the packages: of all parts the one that concerns functions and nothing else."""

CHANGED = {
    "code": "the program's code changed",
    "environment": "its part of the environment changed",
    "versions": "a locked version changed",
    FUNCTIONS: "a function's package changed",
    "contracts": "a contract changed",
    "policies": "a policy changed",
    "generation": "the cloud was replaced or restored since",
}


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

    def to_tag(self) -> str:
        told = {"update": self.update, "parts": dict(self.parts), **({"baked": self.baked} if self.baked else {})}
        return json.dumps(told, separators=(",", ":"), sort_keys=True)

    @staticmethod
    def from_tag(text: str) -> Fingerprint | None:
        """Read a tag; None for what we cannot have written."""
        try:
            content = json.loads(text)
            return Fingerprint(str(content["update"]), dict(content["parts"]), float(content.get("baked", 0)))
        except (ValueError, KeyError, TypeError):
            return None


class Fingerprints:
    """Computes and compares the fingerprints of one environment's stacks in one backend."""

    def __init__(
        self,
        root: Path,
        environment: Environment,
        graph: Graph,
        backend: Backend,
        *,
        generation: str,
    ) -> None:
        """Make the fingerprints of an environment; `generation` names the cloud that the stacks are in."""
        self._root = root
        self._environment = environment
        self._graph = graph
        self.backend = backend
        self._tree = Tree(root)
        self._generation = generation
        self._static = cache(self._static_parts)

    def parts(self, stack: Stack) -> dict[str, str]:
        """Return the digests of everything that the stack is made of at this moment."""
        return dict(self._static(stack.layer)) | {"generation": self._generation} | self._upstream(stack)

    def judge(self, stack: Stack) -> Judgement:
        """Say whether the stack's newest update still describes it, and if not, why."""
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
            "the bake of its release did not come to its end": Baking.from_tag(tag) is not None,
            "it was updated by hand since": update is None,
            "its last update was not recorded as complete": known is None or known.update != update,
        }
        for reason, applies in unsettled.items():
            if applies:
                return Judgement(Freshness.STALE, reason)
        return _compare(known.parts if known else {}, self.parts(stack))

    def differences(self, stack: Stack) -> frozenset[str] | None:
        """Return the parts that differ from the newest update's; None when what that was made of is not known."""
        known = self.known(stack)
        if known is None or not self.verified(stack):
            return None
        now = self.parts(stack)
        return frozenset(name for name in now | dict(known.parts) if known.parts.get(name) != now.get(name))

    def doubtful(self, stack: Stack) -> bool:
        """Whether cloud and state may differ: the last update has no fingerprint, or the cloud was restored."""
        checkpoint = self.backend.checkpoint(stack)
        if checkpoint is None or checkpoint.empty:
            return False
        known = self.known(stack)
        return known is None or known.parts.get("generation") != self._generation

    def verified(self, stack: Stack) -> bool:
        """Whether the stack's newest update is the one that its fingerprint describes."""
        newest, known = self.backend.newest_update(stack), self.known(stack)
        return newest is not None and known is not None and known.update == update_id(newest.message)

    def withdrawn(self, stack: Stack) -> bool:
        """Whether the cloud serves another release than the state says, as the last one was taken back."""
        return self._tag(stack) == WITHDRAWN

    def baking(self, stack: Stack) -> Baking | None:
        """Return the bake that has begun and has not come to its end."""
        return Baking.from_tag(self._tag(stack))

    def known(self, stack: Stack) -> Fingerprint | None:
        """Return what the stack's newest recorded update was made of."""
        return Fingerprint.from_tag(self._tag(stack))

    def _tag(self, stack: Stack) -> str:
        return self.backend.tags(stack).get(TAG, "")

    def _static_parts(self, layer: str) -> dict[str, str]:
        closure = program_sources(self._tree, layer)
        paths = [source.path for source in closure if source.path != CONTRACTS] + _data(self._root, layer, closure)
        contracts = [schema(contract) for contract in (layer_of(layer).outputs, *layer_of(layer).consumes)]
        contracts += [_machinery(source) for source in closure if source.path == CONTRACTS]
        settings = self._environment.layer_settings(layer)
        return {
            "code": digest(*(part for path in sorted(paths) for part in (str(path), (self._root / path).read_bytes()))),
            "contracts": digest(*contracts),
            "environment": digest(json.dumps(settings, sort_keys=True, default=str)),
            FUNCTIONS: digest(*(packages.digest(name) for name in _packaged(closure))),
            "versions": digest((self._root / LOCK).read_bytes()),
            "policies": self._policies(),
        }

    def _policies(self) -> str:
        """A digest of the rules by which the stack was judged: it is judged again when they have changed."""
        found = [path for path in (self._root / POLICIES).rglob("*") if path.is_file()]
        named = {str(path.relative_to(self._root)): path.read_bytes() for path in found if not _ignored(path)}
        return digest(*(part for name in sorted(named) for part in (name, named[name])))

    def _upstream(self, stack: Stack) -> dict[str, str]:
        parts = {}
        for producer in sorted(self._graph.reads[stack], key=str):
            checkpoint = self.backend.checkpoint(producer)
            read = (CONTRACT, *(field.name for field in fields(layer_of(producer.layer).outputs)))
            outputs = checkpoint.outputs if checkpoint else {}
            parts[f"outputs of {producer}"] = digest(
                json.dumps({name: outputs.get(name) for name in read}, sort_keys=True)
            )
        return parts


def update_id(message: str) -> str | None:
    """Return the id that one of our updates carries in its message; None for anybody else's."""
    try:
        content: Any = json.loads(message)
        return str(content["update"])
    except (ValueError, KeyError, TypeError):
        return None


def release_id(parts: Mapping[str, str]) -> str:
    """Return a name for a release, the same in both regions."""
    return digest(*(parts.get(name, "") for name in SOURCES))


def digest(*parts: str | bytes) -> str:
    """Return a short digest of some texts, each told apart from its neighbours."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        whole.update(len(raw).to_bytes(8, "big") + raw)
    return whole.hexdigest()[:12]


def _compare(known: Mapping[str, str], now: Mapping[str, str]) -> Judgement:
    for name in now:
        if known.get(name) != now[name]:
            return Judgement(Freshness.STALE, CHANGED.get(name, f"{name} changed"))
    return Judgement(Freshness.FRESH, "")


def program_sources(tree: Tree, layer: str) -> tuple[Source, ...]:
    """Return the files of ours that a layer's program may import, `__main__.py` included, sorted by path."""
    program = Path("projects", layer)
    return tree.closure(program / "__main__.py", program)


def _data(root: Path, layer: str, closure: tuple[Source, ...]) -> list[Path]:
    """Return the other files that the program may read: those beside its modules, and all below its project."""
    folders = {source.path.parent for source in closure}
    beside = {path for folder in folders for path in (root / folder).iterdir() if path.is_file()}
    below = {path for path in (root / "projects" / layer).rglob("*") if path.is_file()}
    relative = (path.relative_to(root) for path in beside | below if path.suffix != ".py")
    return [path for path in relative if not _ignored(path)]


def _ignored(path: Path) -> bool:
    configuration = path.name.startswith("Pulumi.") and path.name != "Pulumi.yaml"
    return configuration or path.suffix in DOCUMENTS or "__pycache__" in path.parts


def _machinery(contracts: Source) -> str:
    """What programs use of the contracts' module beside the types' fields: all but documentation and the graph."""
    return "\n".join(ast.dump(node) for node in _kept(contracts.tree.body))


def _kept(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        match node:
            case ast.Expr():
                continue  # what a docstring says changes nothing
            case ast.AnnAssign(target=ast.Name(id="LAYERS" | "ASIDE")):
                continue  # the graph: what a layer reads counts by the schemas of that
            case ast.ClassDef():
                yield from _beside_fields(node)
            case _:
                yield node


def _beside_fields(contract: ast.ClassDef) -> Iterator[ast.stmt]:
    """A class with its methods, constants and defaults; nothing for one of mere fields, which count by their schema."""
    kept = [node for node in contract.body if not isinstance(node, ast.Expr) and not _is_field(node)]
    if kept:
        yield ast.ClassDef(contract.name, contract.bases, contract.keywords, kept, contract.decorator_list)


def _is_field(node: ast.stmt) -> bool:
    match node:
        case ast.AnnAssign(value=None) | ast.AnnAssign(target=ast.Name(id="project" | "version")):
            return True
    return False


def _packaged(closure: tuple[Source, ...]) -> list[str]:
    """Return the functions whose packages the program may take: those that its own modules name.

    All of them count where one is packaged under a name that only running the program would tell, or none is named.
    """
    if all(source.path != PACKAGES for source in closure):
        return []
    own = [source for source in closure if source.path.parts[0] == "projects"]
    if any(_packages_by_computed_name(source) for source in own):
        return packages.functions()
    named = {text for source in own for text in source.texts}
    return [name for name in packages.functions() if name in named] or packages.functions()


def _packages_by_computed_name(source: Source) -> bool:
    """Whether a module asks for a function's package by anything but text that stands in it."""
    constants = {
        target.id
        for node in source.tree.body
        if isinstance(node, ast.Assign) and _is_literal(node.value, frozenset())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    called = {
        alias.asname or alias.name: alias.name
        for node in source.running
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return any(
        not all(_is_literal(argument, constants) for argument in _function_argument(node))
        for node in source.running
        if isinstance(node, ast.Call) and called.get(_called(node), _called(node)) in PACKAGING
    )


def _called(node: ast.Call) -> str:
    """The last name of what is called: `Code` of `function.Code(…)`."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _function_argument(node: ast.Call) -> list[ast.expr]:
    """The argument that names functions: the first one, or `function`. Unpacked ones may hold it."""
    unpacked = [keyword.value for keyword in node.keywords if keyword.arg is None]
    named = [keyword.value for keyword in node.keywords if keyword.arg in {"function", "functions"}]
    return [*node.args[:1], *named, *unpacked]


def _is_literal(node: ast.expr, constants: Collection[str]) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name in constants
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return all(_is_literal(element, constants) for element in elements)
    return False


def missing_upstream(graph: Graph, stack: Stack, backend: Backend) -> Problem | None:
    """Return the problem that a stack reads one that is not deployed, or None."""
    for producer in graph.reads[stack]:
        checkpoint = backend.checkpoint(producer)
        if checkpoint is None or not checkpoint.outputs:
            return Problem(
                f"{stack} reads {producer}, which is not deployed; run ./invoke deploy --layer {producer.layer}"
            )
    return None
