"""What a stack's update is made of, in pieces: each file, setting, locked version and upstream output with its digest.

The same on every machine for one commit: digests are of bytes that git checks out alike (.gitattributes), of syntax
trees without what one version of Python adds, and of what requirements.lock says, never of what is installed. What a
machine leaves in the folders, such as caches and hidden files, does not count.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import reads
from shared.contracts import layer_of, typed_fields
from shared.packaging import packages
from shared.packaging.imports import PROGRAMS, Source, Tree

if TYPE_CHECKING:
    from shared.environment import Environment

LOCK = Path("requirements.lock")
CONTRACTS = Path("shared/contracts.py")
POLICIES = Path("policies")
ENVIRONMENTS = Path("environments")
PACKAGES = Path("shared/packaging/packages.py")
PACKAGING = frozenset({"Code", "digest", "package", "release_of", "script"})
"""What takes a function's name for its package: of shared/components/function.py and shared/packaging/packages.py."""
IGNORED = frozenset({".md", ".pyc", ".orig", ".rej", ".swp", ".bak"})
"""Documents, and what Python, git and editors leave behind."""
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", re.MULTILINE)
FUNCTIONS = "functions"
"""The part of the packages: of all parts the one that concerns functions and nothing else."""

Pieces = Mapping[str, Mapping[str, str]]
"""By part (`code`, `environment`, …): the digest of each piece, by its name."""
Stamps = Mapping[str, tuple[int, ...]]
"""By path from the root, what tells a file from another one of its place, or of another time, without reading it."""


class Sources:
    """What a checkout and an environment file bring to each layer's stacks, the same in both regions."""

    def __init__(self, root: Path, environment: Environment) -> None:
        self._root = root
        self._environment = environment
        self._tree = Tree(root)

    def pieces(self, layer: str) -> dict[str, dict[str, str]]:
        """Return the pieces of all parts that are no other stack's."""
        closure = program_sources(self._tree, layer)
        code = [source.path for source in closure if source.path != CONTRACTS] + _data(self._root, layer, closure)
        return {
            "code": self._files(code),
            "contracts": _contracts(reads.of(self._root, layer), layer, closure),
            "environment": dict(_settings(self._environment.layer_settings(layer))),
            FUNCTIONS: self._functions(closure),
            "versions": _versions((self._root / LOCK).read_text(encoding="utf-8")),
            "policies": self._files(_below(self._root, POLICIES)),
        }

    def files(self, layer: str) -> tuple[Path, ...]:
        """Return the files, from the root and sorted, by whose content a layer's stacks can become stale.

        Without the environment's own file, of which a layer's part counts, and without what other stacks publish.
        """
        pieces = self.pieces(layer)
        named = {Path(name) for part in ("code", FUNCTIONS, "policies") for name in pieces[part]}
        return tuple(sorted(named | {LOCK, CONTRACTS}))

    def _files(self, paths: Iterable[Path]) -> dict[str, str]:
        return {path.as_posix(): digest((self._root / path).read_bytes()) for path in sorted(paths)}

    def _functions(self, closure: tuple[Source, ...]) -> dict[str, str]:
        """The files that the program's functions are packed from. What packs them is code, and its SDK a version."""
        files = {path for name in _packaged(closure) for path in packages.sources(name)}
        return {path.relative_to(packages.ROOT).as_posix(): digest(path.read_bytes()) for path in sorted(files)}


def stamps(root: Path) -> Stamps:
    """Return the stamps of all that a stack can be made of: of 200 files in a millisecond."""
    found: dict[str, tuple[int, ...]] = {}
    for folder in (*PROGRAMS, POLICIES.name, ENVIRONMENTS.name):
        for place, folders, names in os.walk(root / folder):
            folders[:] = [name for name in folders if not _ignored(Path(name))]
            for name in names:
                _stamp(found, root, os.path.relpath(f"{place}/{name}", root))
    _stamp(found, root, LOCK.as_posix())
    return found


def _stamp(found: dict[str, tuple[int, ...]], root: Path, path: str) -> None:
    if not _ignored(Path(path)):
        with suppress(FileNotFoundError):  # it goes at this very moment
            status = (root / path).stat()
            found[path] = status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def outputs_read(of_producer: Mapping[str, str], outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of what a reader takes from a stack's outputs, by the fields' paths."""
    found = reads.values(of_producer, outputs)
    return {path: digest(json.dumps(value, sort_keys=True)) for path, value in found.items()}


def whole(pieces: Mapping[str, str]) -> str:
    """Return the digest of a part: of all its pieces and their names."""
    return digest(*(text for name in sorted(pieces) for text in (name, pieces[name])))


def digest(*parts: str | bytes) -> str:
    """Return a short digest of some texts, each told apart from its neighbours."""
    whole_text = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        whole_text.update(len(raw).to_bytes(8, "big") + raw)
    return whole_text.hexdigest()[:12]


def _contracts(read: reads.Reads, layer: str, closure: tuple[Source, ...]) -> dict[str, str]:
    """The fields that a layer publishes and those that it reads, each with its type; and what else programs use."""
    own = layer_of(layer).outputs
    versions = {each.project: each.version for each in (own, *layer_of(layer).consumes)}
    fields = {own.project: typed_fields(own), **read}
    found = {f"{name} version": digest(str(version)) for name, version in versions.items()}
    for producer, of_producer in fields.items():
        found |= {f"{producer}.{path}": digest(kind) for path, kind in of_producer.items()}
    machinery = [_machinery(source) for source in closure if source.path == CONTRACTS]
    return found | {CONTRACTS.as_posix(): digest(*machinery)}


def _settings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The digest of each value, by where it stands in the environment file."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            inside = "" if not path and name == "foundation" else f"{path}.{name}".lstrip(".")
            yield from _settings(inner, inside)
    else:
        yield path, digest(json.dumps(value, sort_keys=True, default=str))


def _versions(lock: str) -> dict[str, str]:
    """The digest of each entry of the lock, by the package; what stands before the first one is a comment."""
    starts = [(found[1], found.start()) for found in PIN.finditer(lock)]
    ends = [start for _, start in starts[1:]] + [len(lock)]
    return {name: digest(lock[start:end]) for (name, start), end in zip(starts, ends, strict=True)}


def program_sources(tree: Tree, layer: str) -> tuple[Source, ...]:
    """Return the files of ours that a layer's program may import, `__main__.py` included, sorted by path."""
    program = Path("projects", layer)
    return tree.closure(program / "__main__.py", program)


def _data(root: Path, layer: str, closure: tuple[Source, ...]) -> list[Path]:
    """Return the other files that the program may read: those beside its modules, and all below its project."""
    folders = {source.path.parent for source in closure}
    beside = {path for folder in folders for path in (root / folder).iterdir() if path.is_file()}
    relative = {path.relative_to(root) for path in beside if not _ignored(path.relative_to(root))}
    return [path for path in relative | set(_below(root, Path("projects", layer))) if path.suffix != ".py"]


def _below(root: Path, folder: Path) -> list[Path]:
    found = (path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file())
    return [path for path in found if not _ignored(path)]


def _ignored(path: Path) -> bool:
    """Whether a file is none of the sources: a document, a stack's configuration, or what a machine has left there."""
    configuration = path.name.startswith("Pulumi.") and path.name != "Pulumi.yaml"
    left = path.name.endswith("~") or any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return configuration or left or path.suffix in IGNORED


def _machinery(contracts: Source) -> str:
    """What programs use of the contracts' module beside the types' fields: all but documentation and the graph."""
    return "\n".join(_text(node) for node in _kept(contracts.tree.body))


def _text(node: Any) -> str:
    """A syntax tree as text, without empty fields: each version of Python adds some, which ast.dump shows or not."""
    match node:
        case ast.AST():
            fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
            return f"{type(node).__name__}({', '.join(f'{name}={_text(value)}' for name, value in fields)})"
        case list():
            return f"[{', '.join(map(_text, node))}]"
    return repr(node)


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
