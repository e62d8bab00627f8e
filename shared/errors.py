"""What a user can do something about."""

from __future__ import annotations


class Problem(Exception):
    """A failure that the user can mend.

    Its text is one line: what is wrong, where, and what to do. Tasks print it to standard error and end with exit
    code 1. Anything that is not a `Problem` is a bug of ours and keeps its traceback.
    """
