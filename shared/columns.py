"""Rows of text as columns, for people: each as wide as its widest cell, two blanks apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence


def columns(rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """A line for each row, without blanks at its end. right: the columns, from 0, that are set to the right."""
    cells = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        set_out = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(set_out).rstrip()
