"""Every write to a DynamoDB item, appended to a file before it is acknowledged.

Items are what a system under load writes most. Saving all state for each of them would cost more the longer the
cloud lives; an appended entry costs some microseconds, and not even the last one is lost when the cloud is killed.
"""

from __future__ import annotations

import errno
import os
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from ministack.services import dynamodb

from sandbox.faults.replicas import KEPT, is_over, retold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.faults.replicas import Told

_PREFIX = "items."


REPLICAS = "\0replicas"
"""In the place of a partition key: what follows is told to the table's replicas."""


class LoggedWrite(NamedTuple):
    """One item as it is from now on."""

    table: str
    """The table's id: a table that was deleted and made again is another one."""
    partition: Any
    sort: Any
    item: dict[str, Any] | None
    """None: there is no such item any more."""


class WriteAheadLog:
    """The write-ahead logs of a cloud: numbered, each begun at the moment from which a saved state may lack a write."""

    def __init__(self, directory: Path, failed: Callable[[OSError], None]) -> None:
        self._directory = directory
        self._failed = failed
        self._descriptor: int | None = None
        self.number = max((number for number, _ in self._files()), default=0)

    def install(self) -> None:
        """Hear of the emulator's writes from now on, those of replicas included."""
        set_item, remove_item = dynamodb._set_item, dynamodb._remove_item

        def set_and_note(table: dict[str, Any], partition: Any, sort: Any, item: dict[str, Any]) -> Any:
            old = set_item(table, partition, sort, item)
            self._note(LoggedWrite(table["TableId"], partition, sort, item))
            return old

        def remove_and_note(table: dict[str, Any], partition: Any, sort: Any) -> Any:
            old = remove_item(table, partition, sort)
            self._note(LoggedWrite(table["TableId"], partition, sort, None))
            return old

        dynamodb._set_item, dynamodb._remove_item = set_and_note, remove_and_note

    def note_replicas(self, table: str, told: Told) -> None:
        """Keep what the replicas of a table are told, for the next start."""
        self._note(LoggedWrite(table, REPLICAS, told, None))

    def begin(self) -> int:
        """Begin the next log and return its number; OSError when that is impossible."""
        path = self._path(self.number + 1)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        before, self._descriptor = self._descriptor, descriptor
        self.number += 1
        if before is not None:
            os.close(before)
        return self.number

    def forget_before(self, number: int) -> None:
        """Remove the logs that a saved state has made superfluous."""
        for older, path in self._files():
            if older < number:
                path.unlink(missing_ok=True)

    def replay(self, first: int) -> None:
        """Write again what the logs from `first` on hold."""
        tables = {table["TableId"]: table for table in dynamodb._tables._data.values()}
        for number, path in sorted(self._files()):
            if number < first:
                continue
            for entry in _entries(path):
                table = tables.get(entry.table)
                if table is None:
                    continue
                if entry.partition == REPLICAS:
                    table[KEPT] = retold(table.get(KEPT), entry.sort)
                    if is_over(table[KEPT]):
                        del table[KEPT]
                elif entry.item is None:
                    dynamodb._remove_item(table, entry.partition, entry.sort)
                else:
                    dynamodb._set_item(table, entry.partition, entry.sort, entry.item)

    def _note(self, entry: LoggedWrite) -> None:
        if self._descriptor is None:
            return
        line = pickle.dumps(tuple(entry), protocol=5)
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            self._failed(error)
        else:
            if written != len(line):
                self._failed(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _files(self) -> Iterator[tuple[int, Path]]:
        for path in self._directory.glob(f"{_PREFIX}*"):
            if (number := path.name.removeprefix(_PREFIX)).isdigit():
                yield int(number), path

    def _path(self, number: int) -> Path:
        return self._directory / f"{_PREFIX}{number}"


def _entries(path: Path) -> Iterator[LoggedWrite]:
    with path.open("rb") as file:
        while True:
            try:
                yield LoggedWrite(*pickle.load(file))  # noqa: S301 - written by ourselves, in a private directory
            except (EOFError, pickle.UnpicklingError):
                return  # its end, or what a kill cut off
