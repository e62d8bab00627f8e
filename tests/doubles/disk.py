"""A disk that is full for some of the files that a process replaces, and has room again."""

from __future__ import annotations

from pathlib import Path


class Disk:
    """`settings` are for the environment of the process; `folder` holds the list of what has no room."""

    def __init__(self, folder: Path) -> None:
        self._listed = folder / "full_disk"
        prelude = Path(__file__).with_name("full_disk")
        self.settings = {"PYTHONPATH": str(prelude), "FULL_DISK": str(self._listed)}

    def fill(self, *names: str) -> None:
        """From now on there is no room for files of these names."""
        self._listed.write_text("\n".join(names))

    def clear(self) -> None:
        self._listed.unlink()
