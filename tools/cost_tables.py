"""Writes the tables of `./invoke cost` into docs/cost.md: `python -m tools.cost_tables`."""

from __future__ import annotations

import re

from orchestration.cost import shown
from orchestration.cost.commands import month_of
from orchestration.cost.load import Load
from shared.environment import Environment
from shared.root import ROOT

DOCUMENT = ROOT / "docs" / "cost.md"
TABLES = re.compile(r"(<!-- \./invoke cost --environment (\w+) -->\n```\n)(.*?)(```\n)", re.DOTALL)


def tables(document: str) -> dict[str, str]:
    """What a document shows as the command's output, by environment."""
    return {environment: shown_there for _, environment, shown_there, _ in TABLES.findall(document)}


def told(environment: str) -> str:
    """The command's output for an environment."""
    found = shown.values(month_of(Environment.load(environment), Load()))
    return "".join(f"{line}\n" for line in shown.lines(found))


if __name__ == "__main__":
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(TABLES.sub(lambda found: f"{found[1]}{told(found[2])}{found[4]}", text), encoding="utf-8")
