"""Where the code of functions is unpacked: once for each package, and each file of it once for all packages.

The functions of a system bring the same libraries along, so that all but the first are unpacked by links. A package
holds bytecode of Lambda's runtime or none; the functions here run on this interpreter, so its bytecode is added, as no
function could write it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
import zipfile
from pathlib import Path, PurePosixPath

from shared import files
from shared.packaging import archives

KEPT = 2000
"""Files of bytecode: one more, and all are made anew. A system's functions have some two hundred."""


class CodeStore:
    """Unpacked packages below a folder, which nobody else changes. Safe to use from several threads.

    `bytecode` is a folder on the same file system that outlives this one: making it takes longer than all the rest.
    """

    def __init__(self, folder: Path, bytecode: Path) -> None:
        self._folder = folder
        self._files = folder / "files"
        self._files.mkdir(parents=True, exist_ok=True)
        self._bytecode = bytecode
        if bytecode.is_dir() and sum(1 for _ in bytecode.iterdir()) > KEPT:
            shutil.rmtree(bytecode)
        self._lock = threading.Lock()

    def unpacked(self, package: bytes) -> Path:
        """The folder with a package's (a zip's) files. Those are for reading, as on AWS."""
        root = self._folder / hashlib.sha256(package).hexdigest()
        with self._lock:
            if not root.exists():
                with files.replacing(root) as draft, zipfile.ZipFile(io.BytesIO(package)) as packed:
                    draft.mkdir()
                    self._unpack(packed, draft)
        return root

    def _unpack(self, packed: zipfile.ZipFile, root: Path) -> None:
        folders, sources = {root}, {}
        for entry in packed.infolist():
            if entry.is_dir():
                continue
            path = root.joinpath(*(part for part in PurePosixPath(entry.filename).parts if part not in {"/", ".."}))
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                folders.add(path.parent)
            content = packed.read(entry)
            os.link(self._kept(content), path)
            if path.suffix == ".py":
                sources[path.relative_to(root).as_posix()] = content
        for name, source in sources.items():
            self._compile(name, source, root)

    def _compile(self, name: str, source: bytes, root: Path) -> None:
        path = root / archives.bytecode_name(name)
        if path.exists():
            return
        kept = self._bytecode / hashlib.sha256(f"{path.name} {name} ".encode() + source).hexdigest()
        if not kept.exists():
            try:
                files.replace(kept, archives.bytecode(name, source), mode=0o444)
            except (SyntaxError, ValueError):  # whoever imports it is told
                return
        path.parent.mkdir(exist_ok=True)
        os.link(kept, path)

    def _kept(self, content: bytes) -> Path:
        path = self._files / hashlib.sha256(content).hexdigest()
        if not path.exists():
            files.replace(path, content, mode=0o444)
        return path
