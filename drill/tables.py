"""Tables for people: nothing is folded off a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 160
"""Columns of a table off a terminal."""


def table_of(*columns: str) -> Table:
    from rich.table import Table  # noqa: PLC0415 - the quick path does without

    return Table(*columns, box=None, pad_edge=False)


def show_table(table: Table) -> None:
    from rich.console import Console  # noqa: PLC0415

    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
