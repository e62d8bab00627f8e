"""Which of our own files a program is made of: its import closure, found without running it.

Imports are read from the syntax tree, at any depth of a function too. A module that imports by computed name makes
every module of ours count: a stack that runs once too often costs seconds, one that is skipped wrongly costs trust.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from shared import syntax

OWN_PACKAGES = ("shared", "projects", "lambdas")
CONTRACTS = Path("shared/contracts.py")
DYNAMIC = frozenset(
    {"import_module", "__import__", "run_path", "run_module", "exec", "eval", "spec_from_file_location"}
)
DOCUMENTS = frozenset({".md", ".pyc"})


@dataclass(frozen=True)
class Module:
    """One Python file of ours, relative to the root, with what its text says."""

    path: Path
    tree: ast.Module = field(repr=False, compare=False)

    @cached_property
    def imports(self) -> frozenset[str]:
        """The dotted names that it may import; `from a import b` means `a` and `a.b`, as b may be a module."""
        package = self.path.parent.parts
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else ()
                base = ".".join([*above, *([node.module] if node.module else [])])
                names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        return frozenset(names)

    @cached_property
    def dynamic(self) -> bool:
        """Whether it imports by a name that only running it would tell."""
        return any(isinstance(node, ast.Call) and _called(node) in DYNAMIC for node in ast.walk(self.tree))

    @cached_property
    def texts(self) -> frozenset[str]:
        """The strings in it."""
        constants = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return frozenset(value for value in constants if isinstance(value, str))


class Sources:
    """The checkout's own files; each is read and parsed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._modules: dict[Path, Module] = {}
        self._files = cache(self._find)

    def closure(self, layer: str) -> tuple[Module, ...]:
        """Return the modules that a layer's program may import, `__main__.py` included, sorted by path."""
        program = Path("projects", layer)
        found: dict[Path, Module] = {}
        waiting = [program / "__main__.py"]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            module = found[path] = self._module(path)
            if module.dynamic:
                waiting.extend(self._all())
            for name in module.imports:
                waiting.extend(self._resolve(name, program))
        return tuple(found[path] for path in sorted(found))

    def data(self, layer: str, closure: tuple[Module, ...]) -> tuple[Path, ...]:
        """Return the other files that the program may read: those beside its modules, and all below its project."""
        folders = {module.path.parent for module in closure}
        beside = {path for folder in folders for path in (self._root / folder).iterdir() if path.is_file()}
        below = {path for path in (self._root / "projects" / layer).rglob("*") if path.is_file()}
        relative = (path.relative_to(self._root) for path in beside | below if path.suffix != ".py")
        return tuple(sorted(path for path in relative if not _ignored(path)))

    def read(self, path: Path) -> bytes:
        return (self._root / path).read_bytes()

    def _module(self, path: Path) -> Module:
        if path not in self._modules:
            self._modules[path] = Module(path, syntax.tree(self._root / path))
        return self._modules[path]

    def _all(self) -> Iterator[Path]:
        for package in OWN_PACKAGES:
            yield from (path.relative_to(self._root) for path in (self._root / package).rglob("*.py"))

    def _resolve(self, name: str, program: Path) -> tuple[Path, ...]:
        """Return the files of an import: the module and the packages around it, from the root or beside the program."""
        from_root = self._files(Path(), name) if name.partition(".")[0] in OWN_PACKAGES else ()
        return from_root + self._files(program, name)

    def _find(self, base: Path, name: str) -> tuple[Path, ...]:
        stem, found = base, []
        for part in name.split("."):
            candidates = (stem / part / "__init__.py", stem / f"{part}.py")
            found += [path for path in candidates if (self._root / path).is_file()]
            stem /= part
            if not (self._root / stem).is_dir():
                break
        return tuple(found)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _ignored(path: Path) -> bool:
    configuration = path.name.startswith("Pulumi.") and path.name != "Pulumi.yaml"
    return configuration or path.suffix in DOCUMENTS or "__pycache__" in path.parts
