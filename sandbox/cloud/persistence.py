"""The cloud over restarts: when its state is saved, and what is known about it when it starts again.

```
.sandbox/cloud/generation.json   which cloud this is; absent while the state on disk is not the cloud's
               state             everything but what the next two hold, less than a second old
               saved             there while `state` holds everything of it that was acknowledged
               items.N           DynamoDB's items since `state`
               s3/               S3's objects, written by the emulator as they come
               code/             the functions' code
```

What is acknowledged survives a `kill -9`, except for the last second of what only `state` holds: `saved` tells whether
there was any. When that cannot be promised (a full disk) `generation.json` goes, and the next start is an empty one
that says so.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import shutil
import signal
import time
import uuid
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sandbox.cloud import state
from sandbox.cloud.write_ahead_log import WriteAheadLog
from shared import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.faults.replicas import Told

log = logging.getLogger(__name__)

PAUSE = 0.4
"""Seconds between a change and saving it, and between two savings: the changes of a deployment come in hundreds.

A saving takes up to 0.2 s while both cores are busy, so that what a kill takes is less than a second old.
"""
RETRY = 1.0
"""Seconds between a failure to save and the next attempt."""
SAVED_WITHIN = 20
"""Seconds after which a process that saves the state is given up."""


@dataclass
class Generation:
    """What `generation.json` says."""

    id: str
    """Another one whenever the cloud starts empty."""
    recoveries: int = 0
    """How often it came back from a state that may lack something that was acknowledged."""
    clean: bool = False
    """Whether the state is the one that the cloud ended with."""


class Persistence:
    """Keeps a cloud's state on disk."""

    def __init__(self, directory: Path, ministack: str) -> None:
        self._directory = directory
        self._ministack = ministack
        self._generation_file = directory / "generation.json"
        self._state_file = directory / "state"
        self._saved_file = directory / "saved"
        self._blobs = state.Blobs(directory / "code")
        self._log = WriteAheadLog(directory, self._log_failed)
        self._changed = asyncio.Event()
        self._unsaved = True  # since the last copy of this process that saved the state
        self._saving = asyncio.Lock()
        self._broken = ""  # why the state on disk can no longer become the cloud's
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""
        """Why the state is not being saved; empty when it is."""
        self.news = ""
        """What the user should know about the last start."""
        self.generation = Generation(uuid.uuid4().hex)

    async def start(self) -> None:
        """Bring back the state on disk, or start empty, and save from now on. OSError when nothing can be written."""
        logging.getLogger("s3").addHandler(_S3Failures(self._s3_failed))
        for file in (self._generation_file, self._state_file):
            files.forget_drafts(file)
        reason = self._restore()
        if reason:
            self._clear()
            self.news = f"the cloud starts empty: its saved state {reason}"
        self._log.install()
        self._write_generation()
        await self._save()
        self._task = asyncio.create_task(self._save_changes())

    async def stop(self) -> None:
        """Save the state that the cloud ends with."""
        if self._task is not None:
            self._task.cancel()
        if not self._broken:
            try:
                await self._save()
                self.generation.clean = True
                self._write_generation()
            except OSError as error:
                self._disown(error.strerror or str(error))

    def note_replicas(self, table: str, told: Told) -> None:
        """Keep what the replicas of a table are told."""
        self._log.note_replicas(table, told)

    def changing(self) -> None:
        """Hear that something is about to be acknowledged that only `state` can keep."""
        self._unsaved = True
        self._saved_file.unlink(missing_ok=True)  # which works on a full disk, too

    def changed(self) -> None:
        """Say that something was acknowledged that only `state` can keep."""
        self._changed.set()

    def _restore(self) -> str:
        """Fill the emulator; the reason when it stays empty although there has been a cloud before."""
        if not self._state_file.exists():
            return ""
        try:
            found = Generation(**json.loads(self._generation_file.read_text()))
        except FileNotFoundError:
            return "could not be kept up to date while it ran (was the disk full?)"
        except (ValueError, TypeError):
            return f"is damaged ({self._generation_file.name})"
        try:
            header = state.load(self._state_file, self._ministack, found.id, self._blobs)
        except state.StateError as error:
            return str(error)
        self._log.replay(header.log)
        if not found.clean:
            whole = self._saved_file.exists()
            found.recoveries += not whole
            lost = "it has lost nothing" if whole else "changes of its last second before that may be missing"
            self.news = f"the cloud was killed: {lost}"
        self.generation = found
        self.generation.clean = False
        return ""

    def _clear(self) -> None:
        """Forget the state on disk. S3 has loaded nothing yet: nobody has asked for its module."""
        for path in self._directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        self._blobs = state.Blobs(self._directory / "code")

    async def _save_changes(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(PAUSE)
            self._changed.clear()
            try:
                await asyncio.shield(self._save())
            except Exception as error:  # noqa: BLE001 - whatever it is, the state on disk grows old, and that must be told
                self._disown(str(error.strerror if isinstance(error, OSError) else error) or repr(error))
                await asyncio.sleep(RETRY)
                self._changed.set()  # disks are cleared
            else:
                self._recognise()

    async def _save(self) -> None:
        async with self._saving:
            await self._save_alone()

    async def _save_alone(self) -> None:
        """Save all state as it is now, by a forked copy of this process: nothing waits for it."""
        await asyncio.to_thread(self._blobs.keep)
        number = self._log.begin()
        header = state.Header(ministack=self._ministack, generation=self.generation.id, log=number)
        began = time.perf_counter()
        reading, writing = os.pipe()
        self._unsaved = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: see _save_and_exit
            child = os.fork()
        if child == 0:
            self._save_and_exit(header, writing)
        os.close(writing)
        try:
            said = await _read_all(reading)
        finally:
            os.close(reading)
        await asyncio.to_thread(os.waitpid, child, 0)
        log.info("saved the state in %.0f ms", (time.perf_counter() - began) * 1000)
        if said != "ok":
            number_of_error, _, text = said.partition(" ")
            raise OSError(int(number_of_error or 0), text or "the process that saves it ended early")
        if not self._unsaved:
            with suppress(OSError):  # then the next start only asks for more than it needs
                self._saved_file.touch()
        self._log.forget_before(number)
        await asyncio.to_thread(self._blobs.prune)

    def _save_and_exit(self, header: state.Header, writing: int) -> None:
        """In the copy: write the state and end, touching nothing that another thread of the original may have held."""
        said = "0 it failed"
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.alarm(SAVED_WITHIN)
            os.closerange(3, writing)  # a client must see its connection end when the original closes it
            os.closerange(writing + 1, 1 << 16)
            gc.disable()  # what is thrown away may want a lock on its way
            state.save(self._state_file, header, self._blobs)
            said = "ok"
        except OSError as error:
            said = f"{error.errno or 0} {error.strerror}"
        except BaseException as error:  # noqa: BLE001 - reported by the original
            said = f"0 {error!r}"
        finally:
            os.write(writing, said.encode())
            os._exit(0)

    def _write_generation(self) -> None:
        files.replace(self._generation_file, json.dumps(asdict(self.generation)) + "\n")

    def _recognise(self) -> None:
        """The state on disk is the cloud's (again)."""
        if self._broken or not self.trouble:
            return
        try:
            self._write_generation()
        except OSError:
            return
        log.warning("the cloud's state is being saved again")
        self.trouble = ""

    def _disown(self, reason: str) -> None:
        """The state on disk is no longer the cloud's: removing a file works on a full disk, too."""
        self._generation_file.unlink(missing_ok=True)
        if not self.trouble:
            self.trouble = f"the cloud's state cannot be saved ({reason}); if it stops like this, it starts empty"
            log.error(self.trouble)

    def _log_failed(self, error: OSError) -> None:
        self._disown(error.strerror or str(error))
        self._changed.set()

    def _s3_failed(self, reason: str) -> None:
        self._broken = reason
        self._disown(reason)


class _S3Failures(logging.Handler):
    """Hears of objects that the emulator could not write to disk: it tells nobody but its log."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._failed = failed

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Failed to persist"):
            self._failed(message)


async def _read_all(descriptor: int) -> str:
    """What the other end of a pipe writes before it closes."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    said = b""
    try:
        while True:
            await ready.wait()
            ready.clear()
            chunk = os.read(descriptor, 4096)
            if not chunk:
                return said.decode()
            said += chunk
    finally:
        loop.remove_reader(descriptor)
