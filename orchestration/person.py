"""The person at this machine: what they are called, and whether they say yes."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from typing import TYPE_CHECKING, Protocol

from orchestration import report
from shared.errors import Problem

if TYPE_CHECKING:
    from orchestration.choice import Choice


class AskingPlace(Protocol):
    """A target, or the way to one's cloud."""

    @property
    def asks_first(self) -> bool:
        """Whether a person confirms what is about to be changed."""


def user() -> str:
    """The user's name; the number, where neither a variable nor the system's list of users has a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def user_and_machine() -> str:
    """`user@machine`, for records."""
    return f"{user()}@{socket.gethostname()}"


def go_ahead(place: AskingPlace, choice: Choice, what: str = "") -> None:
    """Where a person is asked first, and has not said --yes: tell what is about to be done, and ask.

    Raises Problem when the answer is not yes, and when nobody is there to give one.
    """
    if place.asks_first and not choice.yes:
        if what:
            report.tell(what)
        confirm()


def require_somebody() -> None:
    """Raise Problem when nobody is there to be asked."""
    if not sys.stdin.isatty():
        raise Problem("this is no terminal, so nobody can confirm it: add --yes to go ahead")


def confirm() -> None:
    """Ask. Raises Problem when the answer is not yes, and when nobody is there to give one."""
    require_somebody()
    try:
        answer = input("Go ahead? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise Problem("not confirmed; nothing was changed")
