"""What a Python file imports: the one answer, whoever asks.

A stack's fingerprint asks which files its program is made of, a function's package which files go into it, and the
plugin host which libraries a program is going to need. All follow the same rules:

- Imports are read from the syntax tree, at any depth of a function too. `from a import b` means `a` and `a.b`.
- Relative imports are followed, from the folder that the file is in.
- What only type checkers see (`if TYPE_CHECKING:`) is left out.
- A module that imports by a name which only running it would tell makes every module of ours count: a stack that runs
  once too often costs seconds, one that is skipped wrongly costs trust.

What a file says is kept in `.build/sources` of the checkout, with a digest of the file and of these rules: reading a
syntax tree takes ten times as long, and every program of a deployment asks about the same files.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from shared import files
from shared.errors import Problem

PROGRAMS: Final = ("lambdas", "projects", "shared")
"""Where programs and functions may import from at a checkout's root."""

_BY_NAME: Final = frozenset({"import_module", "__import__"})
_DYNAMIC: Final = frozenset(
    {"run_path", "run_module", "exec", "eval", "spec_from_file_location", "resolve_name", "load_module", "exec_module"}
)
_EMPTY: Final = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Source:
    """One Python file, and what its text says."""

    path: Path
    """From the checkout's root."""
    stamp: tuple[int, int]
    """When it was last changed, and its size."""
    text: bytes = field(repr=False, compare=False)
    names: frozenset[str] = field(repr=False, compare=False)
    """The dotted names that it imports when it runs, and what it uses of them, as in `pulumi_aws.ec2.Vpc`."""
    dynamic: bool = field(repr=False, compare=False)
    """Whether it imports by a name that only running it would tell."""
    clients: frozenset[str] = field(repr=False, compare=False)
    """The services of AWS that it makes clients of, by its calls of `client("<service>")`."""

    @cached_property
    def tree(self) -> ast.Module:
        return _parsed(self.text, str(self.path))

    @cached_property
    def running(self) -> tuple[ast.AST, ...]:
        """The nodes of the tree, without those that only type checkers see."""
        return tuple(_running(self.tree))

    @cached_property
    def texts(self) -> frozenset[str]:
        """The strings in it."""
        constants = (node.value for node in self.running if isinstance(node, ast.Constant))
        return frozenset(value for value in constants if isinstance(value, str))


class Tree:
    """The Python files of a checkout; each is parsed again when it has changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = str(root)

    def source(self, path: Path) -> Source:
        """The file at a path from the root. Raises OSError, or Problem with file and line where it is no Python."""
        stat = (self.root / path).stat()
        return _source(self.root, path, (stat.st_mtime_ns, stat.st_size))

    def closure(self, entry: Path, program: Path | None = None) -> tuple[Source, ...]:
        """The files that running `entry` may import, itself included, sorted by path.

        Names are looked for at the root and, if it is given, in a program's own folder.
        """
        places = [Path(), *([program] if program else [])]
        found: dict[Path, Source] = {}
        names: set[str] = set()
        waiting = [entry, *self._packages_around(entry)]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            source = found[path] = self.source(path)
            if source.dynamic:
                waiting.extend(self._all())
            for name in source.names - names:
                waiting.extend(file for place in places for file in self._files(place, name))
            names |= source.names
        return tuple(found[path] for path in sorted(found))

    def has(self, name: str, program: Path) -> bool:
        """Whether a dotted name begins with something of the checkout's own."""
        first = name.partition(".")[0]
        places = (folder / each for folder in (self.root, self.root / program) for each in (first, f"{first}.py"))
        return any(place.is_dir() if place.suffix != ".py" else place.is_file() for place in places)

    def libraries(self, program: Path) -> tuple[str, ...]:
        """What the program in a folder names of installed libraries; () where a source cannot be read.

        The program itself will say better what is wrong with its source.
        """
        try:
            closure = self.closure(program / "__main__.py", program)
        except (OSError, Problem):
            return ()
        names = {name for source in closure for name in source.names}
        return tuple(sorted(name for name in names if not self.has(name, program)))

    def _packages_around(self, path: Path) -> Iterator[Path]:
        """A package's __init__ runs before its modules."""
        for folder in path.parents:
            if folder.parts and (self.root / folder / "__init__.py").is_file():
                yield folder / "__init__.py"

    def _files(self, place: Path, name: str) -> list[Path]:
        """The files that an import of `name` runs, looked for in a folder: the module, and the packages around it."""
        found: list[Path] = []
        stem = place.as_posix()
        for part in name.split("."):
            stem = f"{stem}/{part}"
            candidates = (f"{stem}/__init__.py", f"{stem}.py")
            found += [Path(file) for file in candidates if os.path.isfile(f"{self._folder}/{file}")]  # noqa: PTH113
            if not os.path.isdir(f"{self._folder}/{stem}"):  # noqa: PTH112 - pathlib takes five times as long
                break
        return found

    def _all(self) -> Iterator[Path]:
        for package in PROGRAMS:
            yield from (path.relative_to(self.root) for path in (self.root / package).rglob("*.py"))


def first_imports(script: Path) -> tuple[str, ...]:
    """The modules from which a script imports before it does anything else; () when it cannot be read."""
    try:
        body = parse(script).body
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(node.module for node in body if isinstance(node, ast.ImportFrom) and node.module and not node.level)


def names_in(tree: ast.Module, package: tuple[str, ...] = ()) -> Iterator[str]:
    """The names that a source imports when it runs, and `module.attribute` for what it uses of a module.

    `import pulumi_aws as aws` and `aws.ec2.Vpc(...)` name `pulumi_aws`, `pulumi_aws.ec2` and `pulumi_aws.ec2.Vpc`.

    package: the source's own, from which relative imports start; without it they name nothing.
    """
    return _names(list(_running(tree)), package)


def _names(nodes: Sequence[ast.AST], package: tuple[str, ...]) -> Iterator[str]:
    aliases: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                aliases[name.asname or name.name.partition(".")[0]] = name.name
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            if base := _base(node, package):
                yield base
                yield from (f"{base}.{name.name}" for name in node.names if name.name != "*")
        elif isinstance(node, ast.Call) and _called(node) in _BY_NAME and (literal := _literal(node)):
            yield literal
    for node in nodes:
        if isinstance(node, ast.Attribute):
            first, _, attributes = _dotted(node).partition(".")
            if first in aliases:
                yield f"{aliases[first]}.{attributes}"


def _base(node: ast.ImportFrom, package: tuple[str, ...]) -> str:
    """The module from which `node` imports, by its full name; empty when it is relative to no package."""
    if node.level and len(package) < node.level:
        return ""
    above = package[: len(package) - node.level + 1] if node.level else ()
    return ".".join((*above, *filter(None, [node.module])))


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, without those that only type checkers see."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and (seen := _for_type_checkers(node.test)) is not None:
            waiting += node.orelse if seen else node.body
        else:
            waiting += _children(node)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes directly below one, but for those that neither import, use nor say anything: operators and contexts."""
    for value in vars(node).values():
        if isinstance(value, list):
            yield from (each for each in value if isinstance(each, ast.AST))
        elif isinstance(value, ast.AST) and not isinstance(value, _EMPTY):
            yield value


def _for_type_checkers(test: ast.expr) -> bool | None:
    """Whether the body of an `if` is for type checkers only (True) or for all others (False); else None."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _for_type_checkers(test.operand)
        return None if inner is None else not inner
    name = _dotted(test)
    return True if name.rpartition(".")[2] == "TYPE_CHECKING" else None


@functools.lru_cache(maxsize=4096)
def _source(root: Path, path: Path, stamp: tuple[int, int]) -> Source:
    text = (root / path).read_bytes()
    kept = root / ".build" / "sources" / f"{path.as_posix().replace('/', '.')}.json"
    digest = hashlib.sha256(b"\0".join((_rules(), path.as_posix().encode(), text))).hexdigest()
    said = _kept(kept, digest)
    if said is None:
        said = _said(path, text)
        with suppress(OSError):  # then the next process reads the tree too
            files.replace(kept, json.dumps({"digest": digest, **said}))
    return Source(path, stamp, text, frozenset(said["names"]), bool(said["dynamic"]), frozenset(said["clients"]))


@functools.cache
def _rules() -> bytes:
    """What decides what a text says: this module, and the interpreter that reads it."""
    return sys.version.encode() + Path(__file__).read_bytes()


def _kept(file: Path, digest: str) -> dict[str, Any] | None:
    """What is kept of a source; None when it is another one's, or damaged."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("digest") == digest else None


def _said(path: Path, text: bytes) -> dict[str, Any]:
    """What a source says. Raises Problem with file and line where it is no Python."""
    try:
        running = tuple(_running(_parsed(text, str(path))))
    except SyntaxError as error:
        raise Problem(f"{path}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Problem(f"{path}: is no Python: {error}") from None
    calls = [node for node in running if isinstance(node, ast.Call)]
    literal = {id(call.func) for call in calls if _literal(call)}
    return {
        "names": sorted(set(_names(running, path.parent.parts))),
        "dynamic": any(_is_dynamic(node) and id(node) not in literal for node in running),
        "clients": sorted({service for call in calls if (service := _client_of(call))}),
    }


def _client_of(call: ast.Call) -> str:
    """The service of a call of `client("<service>")`; empty for any other call."""
    match call:
        case ast.Call(func=ast.Name(id="client"), args=[ast.Constant(value=str(service)), *_]):
            return service
    return ""


def parse(path: Path) -> ast.Module:
    """Parse a file. Raises OSError, SyntaxError, or ValueError where it holds a null byte."""
    return _parsed(path.read_bytes(), str(path))


def _parsed(text: bytes, filename: str) -> ast.Module:
    """Parse one text at a time.

    CPython (3.11, for one) counts how deep it is in a tree in one place for all threads: when the collector runs Python
    code while one is made, another thread may begin one too, and both fail with a SystemError (gh-106905).
    """
    with _ONE_AT_A_TIME:
        return ast.parse(text, filename=filename)


def _is_dynamic(node: ast.AST) -> bool:
    """Whether a node may import by a computed name: it calls what does, mentions an importer, or renames one."""
    match node:
        case ast.Call():
            return _called(node) in _DYNAMIC
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _BY_NAME
        case ast.ImportFrom(names=names):
            return any(each.asname and each.name in _BY_NAME | _DYNAMIC for each in names)
    return False


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _literal(call: ast.Call) -> str:
    """The absolute module name that a call is given in so many words, and nothing else; empty otherwise."""
    match call:
        case ast.Call(args=[ast.Constant(value=str(name))], keywords=[]) if not name.startswith("."):
            return name
    return ""


def _dotted(node: ast.expr) -> str:
    """`aws.ec2.Vpc`, written as that; empty for any other expression."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            above = _dotted(value)
            return above and f"{above}.{attribute}"
    return ""
