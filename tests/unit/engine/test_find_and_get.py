"""Which engine is used, and how one is got: with executables that only pretend to be Pulumi and Go."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import find as engine
from engine import get as engine_sources
from shared.errors import Problem
from shared.root import ROOT
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUILT = "3.220.0"
FIND = (
    "import sys\n"
    "from engine.find import find\n"
    "found = find(lambda line: print(line, flush=True))\n"
    "print(found.origin, found.version, flush=True)\n"
)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH besides the system's shell; the cache is empty, and the network is not there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cat", "chmod", "cp", "echo", "mkdir", "sh", "sleep", "touch"):
        (folder / name).symlink_to(Path("/bin") / name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    return folder


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def pulumi(folder: Path, version: str, *more: str) -> Path:
    return script(folder / "pulumi", *more, f'[ "$1" = version ] && echo v{version}')


def go(folder: Path, *before: str, version: str = BUILT) -> Path:
    """A compiler that writes an executable to where -o says, after the given lines."""
    product = pulumi(folder.parent / "product", version)
    lines = [
        'while [ "$1" != -o ]; do shift; done; out=$2',
        f"echo started >> {folder.parent}/builds",
        *before,
        "mkdir -p ${out%/*}",
        f"cp {product} $out",
        f"echo finished >> {folder.parent}/builds",
    ]
    return script(folder / "go", *lines)


def builds(folder: Path) -> list[str]:
    log = folder.parent / "builds"
    return log.read_text().split() if log.exists() else []


def leftovers() -> list[str]:
    return sorted(path.name for path in engine.cache_directory().iterdir())


def test_the_first_new_enough_on_the_path_is_taken(bin_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pulumi(bin_folder, "3.100.0")
    newer = pulumi(tmp_path / "newer", "3.230.1")
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{newer.parent}")
    found = engine.find()
    assert (found.version, found.executable, found.origin) == ("3.230.1", newer, "path")
    assert found.why == "the first on PATH that is 3.220.0 or newer"


def test_a_known_version_is_not_asked_again(bin_folder: Path, tmp_path: Path):
    executable = pulumi(bin_folder, "3.230.0", f"echo asked >> {tmp_path}/asked")
    assert engine.find() == engine.find()
    assert (tmp_path / "asked").read_text().split() == ["asked"]
    pulumi(bin_folder, "3.240.0", f"echo asked >> {tmp_path}/asked")
    os.utime(executable, (1, 1))
    assert engine.find().version == "3.240.0"


def test_a_sandboxes_copy_is_not_where_engines_come_from(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    copy = pulumi(tmp_path / ".sandbox" / "bin", "3.250.0")
    pulumi(bin_folder, "3.230.0")
    monkeypatch.setenv("PATH", f"{copy.parent}{os.pathsep}{bin_folder}")
    assert engine.find().version == "3.230.0"


def test_the_installer_is_tried_before_a_build(bin_folder: Path, monkeypatch: pytest.MonkeyPatch):
    def install(place: Path, _lock: int, _tell: Callable[[str], None]) -> str:
        pulumi(place / "bin", "3.272.0")
        return "3.272.0"

    monkeypatch.setattr(engine_sources, "SOURCES", {"installer": install, "built": engine_sources.build})
    go(bin_folder)
    found = engine.find()
    assert (found.version, found.origin) == ("3.272.0", "installer")
    assert builds(bin_folder) == []


def test_without_a_network_it_is_built_once(bin_folder: Path):
    pulumi(bin_folder, "3.100.0")
    go(bin_folder)
    told: list[str] = []
    first = engine.find(told.append)
    assert (first.version, first.origin) == (BUILT, "built")
    assert first.executable == engine.cache_directory() / BUILT / "bin" / "pulumi"
    assert first.why.startswith(
        f"PATH has none of 3.220.0 or newer ({bin_folder}/pulumi is 3.100.0); Pulumi's downloads"
    )
    assert any("two minutes" in line for line in told)
    assert engine.find() == first
    assert builds(bin_folder) == ["started", "finished"]
    assert leftovers() == [BUILT, "lock", "versions.json"]


def test_a_newer_one_on_the_path_replaces_what_was_built(bin_folder: Path):
    go(bin_folder)
    assert engine.find().origin == "built"
    pulumi(bin_folder, "3.230.0")
    assert engine.find().origin == "path"


DAMAGED = [b"", b"{", b"null", b"[1]", b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("content", [*DAMAGED, *range(5)], ids=range(len(DAMAGED) + 5))
def test_damaged_versions_are_asked_anew(bin_folder: Path, content: bytes | int):
    pulumi(bin_folder, "3.230.0")
    executable = str(bin_folder / "pulumi")
    stat = (bin_folder / "pulumi").stat()
    now = [stat.st_mtime_ns, stat.st_size]
    shapes = [1, [1], {}, {"file": now}, {"file": now, "version": [1]}]
    path = engine.cache_directory() / "versions.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps({executable: shapes[content]}).encode())
    assert engine.find().version == "3.230.0"
    assert json.loads(path.read_bytes())[executable]["version"] == "3.230.0"


@pytest.mark.parametrize("content", [*DAMAGED, *range(6)], ids=range(len(DAMAGED) + 6))
def test_an_engine_whose_record_is_damaged_is_made_again(bin_folder: Path, content: bytes | int):
    go(bin_folder)
    made = engine.find()
    record = made.executable.parent.parent / "engine.json"
    whole = json.loads(record.read_text())
    shapes = [
        {name: value for name, value in whole.items() if name != "version"},
        {name: value for name, value in whole.items() if name != "why"},
        whole | {"version": 3},
        whole | {"version": None},
        whole | {"colour": "red"},
        whole | {"origin": ["built"]},
    ]
    record.write_bytes(content if isinstance(content, bytes) else json.dumps(shapes[content]).encode())
    assert engine.find() == made
    assert json.loads(record.read_text()) == whole


def test_an_executable_that_lost_its_end_is_made_again(bin_folder: Path):
    go(bin_folder)
    built = engine.find().executable
    built.write_text("#!/bin/sh\n")
    assert engine.ask_version(engine.find().executable) == BUILT


def test_a_build_with_another_version_than_it_should_have_is_refused(bin_folder: Path):
    go(bin_folder, version="3.0.1")
    with pytest.raises(Problem, match=r"says it is 3\.0\.1, not 3\.220\.0"):
        engine.find()
    assert leftovers() == ["lock"]


def test_without_go_it_says_what_to_do(bin_folder: Path):
    with pytest.raises(Problem) as raised:
        engine.find()
    text = str(raised.value)
    assert "\n" not in text
    assert "PATH has none of 3.220.0 or newer" in text
    assert "Pulumi's downloads cannot be reached" in text
    assert "Go, which could build one, is not installed" in text
    assert "Install Pulumi (https://www.pulumi.com/docs/install/) or Go (https://go.dev/dl/)" in text
    assert leftovers() == ["lock"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["echo 'go: go.mod requires go >= 1.25.0 (running go 1.22.1)' >&2", "exit 1"],
            r"go\.mod requires go >= 1\.25\.0",
        ),
        (
            ["echo 'write /tmp/x: no space left on device' >&2", "echo after >&2", "exit 1"],
            "no space left .* free about 3 GB",
        ),
        (["exit 2"], "Go says nothing"),
    ],
)
def test_a_build_that_fails_is_one_line_and_leaves_nothing(bin_folder: Path, lines: list[str], said: str):
    go(bin_folder, *lines)
    with pytest.raises(Problem, match=f"cannot be built from its Go modules: .*{said}"):
        engine.find()
    assert leftovers() == ["lock"]


def test_a_cache_that_cannot_be_written_is_one_line(bin_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    go(bin_folder)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        Problem, match=r"cannot be kept in .*file.*: Not a directory; free some space, or set XDG_CACHE"
    ):
        engine.find()


def test_a_full_disk_is_one_line(bin_folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_path: Path, _content: object) -> None:
        raise OSError(28, "No space left on device", "engine.json")

    go(bin_folder)
    monkeypatch.setattr(engine, "_write_json", refuse)
    with pytest.raises(Problem, match=r"cannot be kept in engine\.json: No space left on device; free some space"):
        engine.find()
    assert leftovers() == ["lock"]


def test_a_cache_that_cannot_be_written_does_not_matter_for_one_on_the_path(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    pulumi(bin_folder, "3.230.0")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert engine.find().origin == "path"


def started() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FIND], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.fixture
def slow_go(bin_folder: Path) -> Iterator[Path]:
    """A compiler that goes on when the file `go on` is there."""
    gate = bin_folder.parent / "go on"
    go(bin_folder, f"while [ ! -e '{gate}' ]; do sleep 0.02; done")
    yield gate
    gate.touch()


def test_of_two_at_once_one_builds_and_the_other_waits_and_says_so(bin_folder: Path, slow_go: Path):
    first = started()
    until(lambda: builds(bin_folder), 20)
    second = started()
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting for another process that gets the Pulumi engine\n"
    slow_go.touch()
    assert second.communicate(timeout=20)[0] == f"built {BUILT}\n"
    assert first.communicate(timeout=20)[0].endswith(f"built {BUILT}\n")
    assert builds(bin_folder) == ["started", "finished"]


def test_a_killed_one_is_no_obstacle_and_its_build_does_not_run_beside_the_next(bin_folder: Path, slow_go: Path):
    first = started()
    until(lambda: builds(bin_folder), 20)
    first.kill()
    first.wait()
    second = started()
    time.sleep(0.5)
    assert builds(bin_folder) == ["started"]
    slow_go.touch()
    assert second.communicate(timeout=20)[0].endswith(f"built {BUILT}\n")
    assert builds(bin_folder) == ["started", "finished", "started", "finished"]
    assert leftovers() == [BUILT, "lock"]


def test_an_interrupted_one_leaves_nothing(bin_folder: Path, slow_go: Path):
    process = started()
    until(lambda: builds(bin_folder), 20)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(10)
    assert process.returncode != 0
    assert leftovers() == ["lock"]


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_sources, "CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        reason = engine_sources.unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert reason
        assert time.monotonic() - before < 5


def test_a_server_that_answers_is_reachable():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert engine_sources.unreachable(f"http://127.0.0.1:{server.getsockname()[1]}/") == ""


def test_the_installer_is_given_up_when_it_hangs(bin_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(engine_sources, "unreachable", lambda _: "")
    monkeypatch.setattr(engine_sources, "_INSTALL", "import time; time.sleep(60)")
    monkeypatch.setattr(engine_sources, "DOWNLOAD_TIMEOUT", 0.3)
    with pytest.raises(engine_sources.SourceUnavailable, match=r"took more than 0\.3 s"):
        engine_sources.install_official(tmp_path, 0, lambda _: None)


def test_what_the_installer_says_last_is_the_reason(bin_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(engine_sources, "unreachable", lambda _: "")
    monkeypatch.setattr(engine_sources, "_INSTALL", "raise SystemExit('checksum differs')")
    with pytest.raises(engine_sources.SourceUnavailable, match="checksum differs"):
        engine_sources.install_official(tmp_path, 0, lambda _: None)


def test_finding_a_known_one_imports_little_and_starts_nothing(bin_folder: Path):
    pulumi(bin_folder, "3.230.0")
    engine.find()
    pulumi_asked = bin_folder / "pulumi"
    stat = pulumi_asked.stat()
    pulumi_asked.write_text("#!/bin/sh\nexit 1".ljust(stat.st_size, "\n"))
    os.utime(pulumi_asked, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    check = FIND + "assert not {'pulumi', 'boto3', 'urllib.request', 'engine.get'} & set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "path 3.230.0\n", done.stderr
    assert done.returncode == 0, done.stderr


def test_without_a_home_one_on_the_path_is_found_and_else_one_line_says_so(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", classmethod(lambda _: (_ for _ in ()).throw(RuntimeError("no home"))))
    with pytest.raises(Problem, match=r"^[^\n]*XDG_CACHE_HOME[^\n]*$"):
        engine.find()
    pulumi(bin_folder, BUILT)
    assert engine.find().origin == "path"


def test_a_folder_that_is_closed_to_us_is_passed_over(bin_folder: Path, monkeypatch: pytest.MonkeyPatch):
    pulumi(bin_folder, BUILT)
    monkeypatch.setenv("PATH", f"{bin_folder.parent / 'closed'}{os.pathsep}{bin_folder}")
    real = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if "closed" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert engine.find().origin == "path"


def test_the_engines_own_settings_do_not_decide_which_is_found(bin_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULUMI_HOME", "/nowhere")
    pulumi(bin_folder, BUILT, 'test -z "$PULUMI_HOME" || exit 1')
    assert engine.find().version == BUILT


def test_a_build_is_for_this_machine_and_its_modules_come_from_where_the_user_says():
    given = {
        "GOPROXY": "https://proxy.example.com",
        "GOPRIVATE": "example.com",
        "HTTPS_PROXY": "http://proxy",
        "HOME": "/h",
    }
    breaking = {
        "GOOS": "windows",
        "GOARCH": "wasm",
        "GOFLAGS": "-mod=vendor -tags=x",
        "GOEXPERIMENT": "none",
        "GO111MODULE": "off",
    }
    made = engine_sources._go_variables(given | breaking)
    assert made.items() >= given.items()
    assert made["GOFLAGS"] == "-mod=readonly"
    assert not {"GOEXPERIMENT", "GO111MODULE"} & made.keys()
    assert {name: made.get(name) for name in engine_sources.HOST} == engine_sources.HOST
    assert made.get("GOOS") != "windows"
