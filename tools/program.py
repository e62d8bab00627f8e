"""The command line: the library `invoke` without its user's settings, and what is wrong with the words in one line."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path

from invoke import __version__
from invoke.config import Config
from invoke.exceptions import ParseError
from invoke.parser.argument import Argument
from invoke.program import Program

from shared.root import ROOT
from tools import terminal


class _Config(Config):
    """Without ~/.invoke.yaml and its like: they are made for somebody else's tasks."""

    prefix = "region-failover"


class _Program(Program):
    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except ValueError as error:
            raise ParseError(f"error: {_option(error)}: {error}: write a whole number") from error


def run(words: list[str]) -> int:
    """Run the task that the command line names; return the exit code."""
    code = 0
    try:
        _Program(name="Invoke", binary="invoke", version=__version__, config_class=_Config).run(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except SyntaxError as error:
        file = Path(error.filename or "")
        if not file.is_relative_to(ROOT):
            raise
        print(f"error: {file.relative_to(ROOT)}:{error.lineno}: {error.msg}", file=sys.stderr)
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: what is left is to say so
    if why := terminal.unwritten():
        print(f"error: the output could not be written to its end: {why}", file=sys.stderr)
        code = code or 1
    return code


def _option(error: ValueError) -> str:
    """The option whose value is none: invoke leaves it to Python to say what is wrong with it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        argument = frame.f_locals.get("self")
        if isinstance(argument, Argument):
            return f"--{argument.name}"
    return "an option"
