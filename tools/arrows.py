"""The arrows between the rooms of this house: who may import whom, and which libraries. pyproject.toml draws them.

import-linter reads every import, inside functions and for type checkers too, and compares it with the contracts.
`Arrows` is a kind of contract beside its own: theirs list what a room may not import, this one lists what it may, so a
new room or library is refused until somebody has decided.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from importlinter import Contract, ContractCheck, cli, fields, output
from importlinter.application.contract_utils import AlertLevel, remove_ignored_imports
from importlinter.domain.helpers import module_expressions_to_modules

if TYPE_CHECKING:
    from grimp import ImportGraph
    from importlinter.domain.imports import ImportExpression, ModuleExpression


class Arrows(Contract):
    """What some modules may import: each other, the standard library, and what is listed.

    A name stands for a package with all that is in it; one with a wildcard only for the modules that it matches.
    """

    source_modules = fields.SetField(subfield=fields.ModuleExpressionField())
    may_import = fields.SetField(subfield=fields.ModuleExpressionField(), required=False, default=frozenset())
    libraries = fields.SetField(subfield=fields.StringField(), required=False, default=frozenset())
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False, default=frozenset())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the interface of a contract
        """Find the imports that are not allowed, and the libraries that nothing imports any more."""
        said: dict[str, Any] = vars(self)
        ignored: set[ImportExpression] = said["ignore_imports"]
        remove_ignored_imports(graph, sorted(ignored, key=str), AlertLevel.ERROR)
        sources = _modules(graph, said["source_modules"])
        allowed = sources | _modules(graph, said["may_import"])
        libraries: set[str] = said["libraries"]
        imports = {(source, each) for source in sources for each in graph.find_modules_directly_imported_by(source)}
        refused = [
            (importer, imported, tuple(graph.get_import_details(importer=importer, imported=imported)))
            for importer, imported in sorted(imports)
            if imported not in allowed and imported not in libraries and imported not in sys.stdlib_module_names
        ]
        unused = sorted(libraries - {imported for _, imported in imports})
        return ContractCheck(kept=not refused and not unused, metadata={"refused": refused, "unused": unused})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import, and where it is."""
        for importer, imported, places in check.metadata["refused"]:
            for place in places:
                line = f"- {importer} -> {imported} (l.{place['line_number']}): {place['line_contents']}"
                output.print_error(line, bold=False)
        for library in check.metadata["unused"]:
            output.print_error(f"- nothing imports {library} any more: take it off the list", bold=False)
        output.new_line()


def _modules(graph: ImportGraph, expressions: set[ModuleExpression]) -> set[str]:
    """The modules that the expressions stand for. Raises ValueError for one that stands for none."""
    whole = {each for each in expressions if not each.has_wildcard_expression()}
    found = module_expressions_to_modules(graph, whole, as_packages=True, raise_if_unmatched=True)
    found |= module_expressions_to_modules(graph, expressions - whole, raise_if_unmatched=True)
    return {module.name for module in found}


if __name__ == "__main__":
    sys.exit(cli.lint_imports(no_cache=True, no_logo=True))
