"""What a user can do something about."""

from __future__ import annotations

from typing import Final

MALFORMED: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What is raised by reading a document that is no JSON, or of another shape than what reads it expects."""


class Problem(Exception):
    """A failure that the user can mend.

    Its text is one line: what is wrong, where, and what to do. Tasks print it to standard error and end with exit
    code 1. Anything that is not a `Problem` is a bug of ours and keeps its traceback.
    """
