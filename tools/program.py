"""The command line: the library `invoke` without its user's settings, and what is wrong with the words in one line."""

from __future__ import annotations

import re
import signal
import sys
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from invoke import __version__
from invoke.config import Config
from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.parser.parser import ParseMachine
from invoke.program import Program

from shared.root import ROOT
from tools import terminal

STARTER = Path("tools/start.py")
"""Whose module runs as long as the task does."""


class _Config(Config):
    """Without ~/.invoke.yaml and its like: they are made for somebody else's tasks."""

    prefix = "region-failover"


_to_option = ParseMachine.switch_to_flag


def _to_option_once(machine: ParseMachine, flag: str, inverse: bool = False) -> None:
    """Refuse an option that is given twice: the library takes its second value for a task."""
    _to_option(machine, flag, inverse)
    option = machine.flag
    if option is not None and option.takes_value and option.raw_value is not None and option.kind is not list:
        task = (machine.context and machine.context.name) or "TASK"
        raise ParseError(f"--{option.name} is given twice: ./invoke --help {task} explains it", machine.context)


ParseMachine.switch_to_flag = _to_option_once  # type: ignore[assignment,method-assign]  # no subclass inherits its states


class _Program(Program):
    def no_tasks_given(self) -> None:
        """The tasks, not the options of the library."""
        self.list_tasks()
        raise Exit

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except ValueError as error:
            raise ParseError(f"error: {_option(error)}: {error}: write a whole number") from error
        except ParseError as error:
            raise ParseError(f"error: {_in_words(str(error), error.context, list(self.parser.contexts))}") from error


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
    except Exception as error:
        if (place := _import_that_failed(error)) is None:
            raise
        print(f"error: {place}: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: what is left is to say so
    if why := terminal.unwritten():
        print(f"error: the output could not be written to its end: {why}", file=sys.stderr)
        code = code or 1
    return code


def _in_words(said: str, context: ParserContext | None, tasks: list[str]) -> str:
    """What is wrong with a command line, and what to do; `said` by the library, `context` of the task before it."""
    if found := re.fullmatch(r"Flag <Argument: (\S+).*> needed value and was not given one!", said):
        return f"--{found[1]} needs a value: ./invoke --help {context.name if context else 'TASK'} explains it"
    if found := re.fullmatch(r"No idea what '(.*)' is!", said):
        word = found[1]
        if word.startswith("-") and context is not None and context.name:
            known = [name for name in context.flags if name.startswith("--")]
            return f"{context.name} has no option {word}{_near(word, known)}: ./invoke --help {context.name} lists them"
        return f"there is no task {word}{_near(word, tasks)}: ./invoke lists them"
    return said


def _near(word: str, known: Iterable[str]) -> str:
    found = get_close_matches(word, known, 1)
    return f", but {found[0]}" if found else ""


def _import_that_failed(error: Exception) -> str | None:
    """The line of the checkout at which a module of it cannot be imported; None for an error of anything that ran."""
    ours = [
        (frame.f_code.co_name, Path(frame.f_code.co_filename).relative_to(ROOT), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).is_relative_to(ROOT)
    ]
    ours = [each for each in ours if each[1].parts[0] != ".venv"]
    if not any(name == "<module>" and file != STARTER for name, file, _ in ours):
        return None
    _, file, line = ours[-1]
    return f"{file}:{line}"


def _option(error: ValueError) -> str:
    """The option whose value is none: invoke leaves it to Python to say what is wrong with it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        argument = frame.f_locals.get("self")
        if isinstance(argument, Argument):
            return f"--{argument.name}"
    return "an option"
