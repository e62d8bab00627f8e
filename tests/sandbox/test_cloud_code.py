"""The code of functions, unpacked."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import code
from sandbox.cloud.code import CodeStore

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = {"library/__init__.py": "VALUE = 1\n", "library/data/model.json": "{}"}


def package(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("library/", "")
        for name, text in {**LIBRARY, **files}.items():
            archive.writestr(name, text)
    return packed.getvalue()


def store_in(folder: Path) -> CodeStore:
    return CodeStore(folder / "functions", folder / "bytecode")


def files(root: Path) -> dict[str, str]:
    found = [path for path in root.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def test_a_package_is_unpacked_as_it_is(tmp_path: Path):
    root = store_in(tmp_path).unpacked(package(**{"main.py": "import library\n"}))
    assert files(root) == {**LIBRARY, "main.py": "import library\n"}


def test_packages_share_the_files_that_are_the_same_and_no_others(tmp_path: Path):
    store = store_in(tmp_path)
    first, second = (store.unpacked(package(**{"main.py": text})) for text in ("VALUE = 1\n", "VALUE = 2\n"))
    assert (first / "library/data/model.json").samefile(second / "library/data/model.json")
    assert (first / "main.py").read_text() == "VALUE = 1\n"
    assert (second / "main.py").read_text() == "VALUE = 2\n"


def test_this_interpreters_bytecode_is_added_once_for_all_packages(tmp_path: Path):
    store = store_in(tmp_path)
    first, second = (store.unpacked(package(**{"main.py": text})) for text in ("VALUE = 1\n", "VALUE = 2\n"))
    name = f"library/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    assert (first / name).samefile(second / name)
    program = (
        f"import sys; sys.path.insert(0, {str(first)!r}); import library; print(library.__cached__, library.VALUE)"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-B", "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == [str(first / name), "1"]


def test_bytecode_outlives_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = f"library/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    first = (store_in(tmp_path).unpacked(package()) / name).stat().st_ino
    shutil.rmtree(tmp_path / "functions")
    assert (store_in(tmp_path).unpacked(package()) / name).stat().st_ino == first
    shutil.rmtree(tmp_path / "functions")
    monkeypatch.setattr(code, "KEPT", 0)
    store_in(tmp_path)
    assert not (tmp_path / "bytecode").exists()


def test_bytecode_that_a_package_brings_along_is_kept(tmp_path: Path):
    name = f"library/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    root = store_in(tmp_path).unpacked(package(**{name: "brought along"}))
    assert (root / name).read_text() == "brought along"


def test_a_source_that_cannot_be_compiled_is_left_to_whoever_imports_it(tmp_path: Path):
    root = store_in(tmp_path).unpacked(package(**{"main.py": "not Python at all", "nul.py": "\0"}))
    assert (root / "main.py").read_text() == "not Python at all"
    assert not list(root.glob("__pycache__/*"))


def test_the_same_package_is_unpacked_once(tmp_path: Path):
    store, found = store_in(tmp_path), []
    unpacked = package()
    threads = [threading.Thread(target=lambda: found.append(store.unpacked(unpacked))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert files(found[0]) == LIBRARY


def test_files_are_for_reading(tmp_path: Path):
    root = store_in(tmp_path).unpacked(package())
    assert (root / "library/__init__.py").stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
def test_nothing_is_written_outside(tmp_path: Path, name: str):
    root = store_in(tmp_path / "store").unpacked(package(**{name: "VALUE = 3\n"}))
    assert not list(tmp_path.glob("outside.py"))
    assert not list((tmp_path / "store").glob("outside.py"))
    assert next(root.rglob("outside.py")).is_relative_to(root)
