"""Files and folders that are replaced: the old content or the new, for everybody and at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared import files

SIZE = 200_000
"""Bytes: far more than one write of a file's buffer."""


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path):
    path = tmp_path / "a" / "b" / "file"
    for content in ("first", b"second", memoryview(b"third")):
        files.replace(path, content)
    assert path.read_bytes() == b"third"
    assert left(path.parent) == ["file"]


@pytest.mark.parametrize(("mode", "umask", "given"), [(0o666, 0o022, 0o644), (0o600, 0o022, 0o600), (0o777, 0, 0o777)])
def test_a_file_has_the_mode_that_is_asked_for_less_the_umask(tmp_path: Path, mode: int, umask: int, given: int):
    before = os.umask(umask)
    try:
        files.replace(tmp_path / "file", "content", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == given


def test_a_reader_sees_the_old_content_or_the_new_while_threads_write(tmp_path: Path):
    path, ended = tmp_path / "file", threading.Event()
    files.replace(path, b"a" * SIZE)

    def write(letter: bytes):
        while not ended.is_set():
            files.replace(path, letter * SIZE)

    writers = [threading.Thread(target=write, args=[letter]) for letter in (b"a", b"b", b"c")]
    for writer in writers:
        writer.start()
    seen = set()
    for _ in range(200):
        content = path.read_bytes()
        assert len(content) == SIZE
        seen |= set(content)
    ended.set()
    for writer in writers:
        writer.join()
    assert len(seen) > 1
    assert left(tmp_path) == ["file"]


WRITER = """
import sys
from pathlib import Path
from shared import files
path, letter = Path(sys.argv[1]), sys.argv[2].encode()
for _ in range(100):
    files.replace(path, letter * 200_000)
    content = path.read_bytes()
    assert len(content) == 200_000 and len(set(content)) == 1, content[:20]
"""


def test_two_processes_do_not_spoil_each_others_file(tmp_path: Path):
    path = tmp_path / "file"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter]) for letter in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert left(tmp_path) == ["file"]


def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files.replace(tmp_path / "file", "old")

    def full(draft: Path, flags: int, mode: int) -> int:
        os.close(os.open(draft, flags, mode))
        return os.open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(files, "os", SimpleNamespace(**{**vars(os), "open": full}))
    with pytest.raises(OSError, match="No space left on device"):
        files.replace(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert left(tmp_path) == ["file"]


@pytest.mark.parametrize("folder", [False, True])
def test_an_exception_leaves_the_old_content_and_nothing_else(tmp_path: Path, folder: bool):
    files.replace(tmp_path / "file", "old")
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "file") as draft:  # noqa: PT012
        files.replace(draft / "half" if folder else draft, "half")
        raise KeyboardInterrupt
    assert (tmp_path / "file").read_text() == "old"
    assert left(tmp_path) == ["file"]


def test_a_folder_takes_the_place_of_another(tmp_path: Path):
    for name in ("first", "second"):
        with files.replacing(tmp_path / "folder") as draft:
            files.replace(draft / name, name)
    assert left(tmp_path) == ["folder"]
    assert left(tmp_path / "folder") == ["second"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path: Path):
    files.replace(tmp_path / "folder" / "file", "kept")
    with pytest.raises(OSError, match="folder"):
        files.replace(tmp_path / "folder", "content")
    assert left(tmp_path) == ["folder"]
    assert left(tmp_path / "folder") == ["file"]


def test_no_two_are_lent_the_same_draft(tmp_path: Path):
    with files.drafting(tmp_path / "file") as one, files.drafting(tmp_path / "file") as other:
        assert one != other
        assert one.parent == other.parent == tmp_path


KILLED = """
import os, signal, sys
from pathlib import Path
from shared import files
with files.replacing(Path(sys.argv[1])) as draft:
    files.replace(draft / "half" if sys.argv[2] == "folder" else draft, "half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_processes_left_can_be_forgotten(tmp_path: Path):
    files.replace(tmp_path / "file", "old")
    for kind in ("file", "folder"):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "file"), kind], check=False)
        assert killed.returncode == -signal.SIGKILL
    files.replace(tmp_path / ".other.1-0a.draft", "somebody else's")
    assert len(left(tmp_path)) == 4
    files.forget_drafts(tmp_path / "file")
    assert left(tmp_path) == [".other.1-0a.draft", "file"]
    assert (tmp_path / "file").read_text() == "old"


def test_drafts_of_a_file_whose_name_begins_or_matches_alike_are_anothers(tmp_path: Path):
    others = [f".{name}.1-0123abcd.draft" for name in ("state.json", "stat", "sta+e", "a", "[ab]", "b", "*")]
    for name in others:
        files.replace(tmp_path / name, "somebody else's")
    for name in ("state", "[ab]x", "?", "st.te"):
        files.forget_drafts(tmp_path / name)
        files.forget_drafts(tmp_path / "nowhere" / name)
    assert left(tmp_path) == sorted(others)
    files.forget_drafts(tmp_path / "[ab]")
    assert left(tmp_path) == sorted({*others} - {".[ab].1-0123abcd.draft"})


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "[*]" * 85, "x" * 201, "x" * 200, " ", "\udcff"])
def test_every_name_that_a_file_can_have_can_be_replaced_and_its_drafts_forgotten(tmp_path: Path, name: str):
    for content in ("first", "second"):
        files.replace(tmp_path / name, content)
    assert (tmp_path / name).read_text() == "second"
    with files.drafting(tmp_path / name) as draft:
        files.replace(draft, "half")
        files.forget_drafts(tmp_path / name)
        assert left(tmp_path) == [name]


@pytest.mark.parametrize("existing", ["nothing", "file", "empty folder", "full folder", "link"])
def test_a_folder_takes_the_place_of_whatever_is_there(tmp_path: Path, existing: str):
    target = tmp_path / "folder"
    if existing == "file":
        target.write_text("old")
    elif existing == "link":
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to("elsewhere")
    elif existing != "nothing":
        target.mkdir()
        if existing == "full folder":
            (target / "old").touch()
    with files.replacing(target) as draft:
        files.replace(draft / "new", "new")
    assert left(target) == ["new"]
    assert not target.is_symlink()
    assert [name for name in left(tmp_path) if name.startswith(".")] == []


def test_threads_replace_one_folder_and_each_finds_a_whole_one_in_the_end(tmp_path: Path):
    target, failed = tmp_path / "folder", []

    def replace(number: int):
        try:
            for _ in range(40):
                with files.replacing(target) as draft:
                    for name in ("one", "two", "three"):
                        files.replace(draft / name, str(number))
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=replace, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert left(target) == ["one", "three", "two"]
    assert len({(target / name).read_text() for name in left(target)}) == 1
    assert left(tmp_path) == ["folder"]
