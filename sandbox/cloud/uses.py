"""Where the cloud's sources use a name of the emulator, as their syntax shows it.

A name is seen where it is written as `module.name`, is imported, or is a text with its whole path.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOUD = Path(__file__).parent

_ASIDE = frozenset({"names.py", "uses.py"})
"""What lists the names, and what looks for them: neither uses one."""
_PACKAGES = frozenset({"ministack", "ministack.core", "ministack.services"})
_TEXT = re.compile(r"(ministack\.(?:(?:core|services)\.)?(?!core\b|services\b)\w+)(?:\.([\w.]+))?")


class Use(NamedTuple):
    """One name of the emulator in one place of ours."""

    module: str
    name: str
    """As in `names.NAMES`, without parentheses; empty where the module itself is handed on, so that none is seen."""
    place: str
    """The file, and its function or class."""


def uses() -> Iterator[Use]:
    for path in sorted(CLOUD.rglob("*.py")):
        if path.name not in _ASIDE:
            yield from uses_in(path.read_text(), str(path.relative_to(CLOUD.parent.parent)))


def uses_in(source: str, file: str) -> Iterator[Use]:
    """The uses in one file."""
    tree = ast.parse(source)
    reader = _Reader(dict(_imported(tree)))
    for statement in tree.body:
        reader.visit(statement)
        within = getattr(statement, "name", "")
        place = f"{file}: {within}" if within else file
        yield from (Use(module, name, place) for module, name in reader.found)
        reader.found = []


def _imported(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    """What the file's own names stand for: a module, or a name in one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ministack":
            for each in node.names:
                is_module = node.module in _PACKAGES
                found = (f"{node.module}.{each.name}", "") if is_module else (str(node.module), each.name)
                yield each.asname or each.name, found


class _Reader(ast.NodeVisitor):
    def __init__(self, imported: dict[str, tuple[str, str]]) -> None:
        self._imported = imported
        self.found: list[tuple[str, str]] = []

    def generic_visit(self, node: ast.AST) -> None:
        if (name := self._name(node)) is not None:
            self.found.append(name)
        else:
            super().generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Hand on the whole module: `from ministack import app` shows what is used of it."""
        self.found += [(each.name, "") for each in node.names if each.name.partition(".")[0] == "ministack"]

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and (text := _TEXT.fullmatch(node.value)):
            self.found.append((text[1], text[2] or ""))

    def _name(self, node: ast.AST) -> tuple[str, str] | None:
        """The longest path that begins with an imported name: `module.table["key"].method`."""
        match node:
            case ast.Name(id=name):
                return self._imported.get(name)
            case ast.Attribute(value=value, attr=attribute) if found := self._name(value):
                return found[0], f"{found[1]}.{attribute}".lstrip(".")
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if found := self._name(value):
                return found[0], f"{found[1]}[{key}]"
        return None
