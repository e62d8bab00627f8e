"""Starts a task in the checkout's own interpreter: `python -I -S -X utf8 tools/start.py TASK`, as `./invoke` does.

What the user's machine may hold against us is settled here, before anything else is imported: a virtualenv that is not
whole, variables that put other modules in the place of ours, closed outputs, a terminal without our characters, and
Ctrl-C at any moment. `-S` leaves a few milliseconds before that: `site` comes afterwards.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib takes long, before Ctrl-C counts
OBJECTS_UNTIL_COLLECTION = 50_000
"""Python looks for garbage after 700: a fifth of a short task's time, as imports and syntax trees make none."""


def main() -> None:
    gc.set_threshold(OBJECTS_UNTIL_COLLECTION)
    signal.signal(signal.SIGINT, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # `invoke` holds it back until here
    _open_descriptors()
    sys.path.insert(0, ROOT)  # the checkout's own modules come before all others
    from tools import foreign, virtualenv  # noqa: PLC0415 - see above

    if not virtualenv.current():
        if virtualenv.MADE in os.environ:
            sys.exit(
                f"invoke: {virtualenv.VENV} is not whole although it has just been made; remove it, run this again"
            )
        bootstrap = f"{ROOT}/tools/bootstrap.py"
        command = [sys.executable, "-I", "-X", "utf8", bootstrap, *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
    wished = dict(os.environ)
    for name in wished:
        if foreign.of_tasks(name):
            del os.environ[name]
    os.environ["PYTHONUTF8"] = "1"  # for the processes that we start; our own got -X utf8
    import site  # noqa: PLC0415 - see above

    site.main()
    from tools import terminal  # noqa: PLC0415 - see above

    terminal.set_up(wished)
    os.chdir(ROOT)
    from tools import program  # noqa: PLC0415 - see above

    sys.exit(program.run(["invoke", *sys.argv[1:]]))


def _end(*_: object) -> None:
    """End at once, as nothing has begun: a task that is about to begin something takes Ctrl-C over (tasks.command)."""
    os.write(2, b"interrupted\n")
    os._exit(128 + signal.SIGINT)


def _open_descriptors() -> None:
    """Open standard input, output and error where they are closed: a file would get their number, and our prints."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
