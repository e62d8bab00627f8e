from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from sandbox.provider.archives import zipped
from sandbox.provider.wire import ARCHIVE, ASSET, SIGNATURE
from shared.errors import Problem


def names(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_zip_file_goes_as_it_is(tmp_path: Path):
    (tmp_path / "code.zip").write_bytes(b"as it is")
    assert zipped({SIGNATURE: ARCHIVE, "path": "code.zip"}, tmp_path) == b"as it is"


def test_a_folder_is_zipped_the_same_way_each_time(tmp_path: Path):
    for name in ("b/two.py", "one.py"):
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_text(name)
    archive = {SIGNATURE: ARCHIVE, "path": "code"}
    first = zipped(archive, tmp_path)
    os.utime(tmp_path / "code" / "one.py", (1, 1))
    assert zipped(archive, tmp_path) == first
    assert names(first) == {"b/two.py": b"b/two.py", "one.py": b"one.py"}


def test_assets_by_name(tmp_path: Path):
    (tmp_path / "file").write_text("of a file")
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as file:
        file.writestr("deep", "down")
    assets = {
        "text": {SIGNATURE: ASSET, "text": "as text"},
        "file": {SIGNATURE: ASSET, "path": "file"},
        "inner": {SIGNATURE: ARCHIVE, "path": "inner.zip"},
    }
    assert names(zipped({SIGNATURE: ARCHIVE, "assets": assets}, tmp_path)) == {
        "text": b"as text",
        "file": b"of a file",
        "inner/deep": b"down",
    }


@pytest.mark.parametrize("archive", [{"path": "nowhere"}, {"hash": "only"}, {"uri": "https://example.com/code.zip"}])
def test_what_is_not_there_is_one_line(tmp_path: Path, archive: dict[str, str]):
    with pytest.raises(Problem, match=r"no such file|were not given"):
        zipped({SIGNATURE: ARCHIVE, **archive}, tmp_path)
