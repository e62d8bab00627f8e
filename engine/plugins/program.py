"""Runs one Pulumi program: the far end of a language host's Run.

A script for whatever interpreter the project names, so it imports the SDK and nothing of ours. Standard input is a
socket: one line of JSON comes in (`LanguageHost._program_request`), and one line goes out,
`{"error": str, "bail": bool}` as in the plugin protocol's RunResponse. When the other end of that socket is gone, so is
the program.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import fcntl
import importlib
import json
import logging
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pulumi.runtime

_ENGINE_HAS_GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def main() -> None:
    peer = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    lines = peer.makefile("rb")
    request = json.loads(lines.readline())
    threading.Thread(target=_end_with, args=(lines,), daemon=True).start()

    error = _run(request)
    atexit._run_exitfuncs()  # noqa: SLF001 - os._exit below skips them, and the interpreter's slow dismantling
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        # An error has been reported to the engine where it happened: `bail` keeps it from being reported twice.
        peer.sendall(json.dumps({"error": "", "bail": error}).encode() + b"\n")
    os._exit(1 if error else 0)


def _end_with(peer: Any) -> None:
    """Wait for the language host's end, and take whatever the program has started along."""
    peer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _run(request: dict[str, Any]) -> bool:
    """Whether the program failed; its error has then been shown."""
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["pwd"])
    entry = Path(request["program"])
    directory = entry if entry.is_dir() else entry.parent
    script = entry / "__main__.py" if entry.is_dir() else entry
    sys.path.insert(0, str(directory))
    sys.argv = [str(script), *request["args"]]
    # Rejected outputs of a failed program are nobody's to observe; asyncio would list each of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    if not request["debug"]:  # the engine shows none, and the SDK sends it four a resource, a call each
        pulumi.log.debug = _say_nothing
    pulumi.runtime.set_all_config(request["config"], request["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=request["project"],
            stack=request["stack"],
            organization=request["organization"],
            monitor=request["monitor"],
            engine=request["engine"],
            parallel=request["parallel"],
            dry_run=request["dry_run"],
            root_directory=request["root"],
        ),
    )
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(request["parallel"], 1) * 4)
    loop.set_default_executor(executor)
    try:
        if not script.is_file():
            raise pulumi.RunError(f"there is no Python program at {script}")  # noqa: TRY301 - reported like any other
        if request["hold"]:
            _wait_while_held(**request["hold"])
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _execute(script, request["exports"])))
    except BaseException as error:  # noqa: BLE001 - a program may raise anything, SystemExit included
        return _report(error, directory)
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return False


def _wait_while_held(file: str, word: str, imports: list[str]) -> None:
    """Wait for who started the engine (hold.py), with everything imported that the program begins by importing."""
    for module in imports:
        with contextlib.suppress(Exception):  # the program will meet it too
            importlib.import_module(module)
    with Path(file).open() as held_by:
        fcntl.flock(held_by, fcntl.LOCK_SH)
        if held_by.read() != word:
            raise pulumi.RunError("the update was cancelled before it began")


def _say_nothing(*_: object, **__: object) -> None:
    pass


def _execute(script: Path, required: str) -> None:
    """Run the program. One that must export something, and ends without it, fails.

    To the engine a program that ends without an error is complete, and what it has not named is deleted.
    """
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code or not required:
            raise
    root: Any = pulumi.runtime.settings.get_root_resource()
    if required and required not in root.outputs:
        raise pulumi.RunError(
            f"{script.parent.name}/{script.name} ended before it exported {required!r}: the update fails, and "
            "nothing is deleted"
        )


def _report(error: BaseException, directory: Path) -> bool:
    """Show a program's error; whether it was one."""
    if isinstance(error, SystemExit) and not error.code:
        return False
    if isinstance(error, grpc.RpcError) and error.code() in _ENGINE_HAS_GONE:
        return True  # the engine cancelled the run, and has said so
    with contextlib.suppress(grpc.RpcError):
        pulumi.log.error(str(error) if isinstance(error, pulumi.RunError) else _describe(error, directory))
    return True


def _describe(error: BaseException, directory: Path) -> str:
    """A traceback that starts where the program does, not in what runs it."""
    frames = error.__traceback__
    while frames and not Path(frames.tb_frame.f_code.co_filename).is_relative_to(directory):
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames or error.__traceback__)
    return "the program failed with an unhandled exception:\n" + "".join(lines)


if __name__ == "__main__":
    main()
