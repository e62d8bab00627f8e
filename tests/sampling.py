"""Bounded samples: a few of a test's cases at each run, and all of them in `prove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def sampled(cases: Iterable[object], first: int = 1) -> list[object]:
    """The cases as parameters; those after the first few are played in `prove` alone."""
    return [
        case if number < first else pytest.param(case, marks=pytest.mark.prove) for number, case in enumerate(cases)
    ]
