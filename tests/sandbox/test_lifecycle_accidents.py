"""A sandbox that is killed, whose port is taken, whose disk is full or read-only: it starts, or says one clear line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox import Sandbox, control, lifecycle, ports, processes, sources
from shared import files
from shared.errors import Problem
from tests.doubles.disk import Disk
from tests.sandbox.conftest import CloudOnly

if TYPE_CHECKING:
    from sandbox.layout import Layout


def up(sandbox: Sandbox) -> list[str]:
    """Start it; returns what it said."""
    said: list[str] = []
    assert sandbox.up(progress=said.append).running
    return said


@pytest.mark.parametrize(
    ("part", "anew"),
    [("cloud", {"cloud", "processor", "traffic"}), *((each, {each}) for each in ("processor", "traffic", "plugins"))],
)
def test_part_that_was_killed_is_started_again(sandbox: Sandbox, part: str, anew: set[str]) -> None:
    """What is beside the cloud follows it, which chooses the port."""
    up(sandbox)
    before = sandbox.status()
    os.kill(before.pids[part], signal.SIGKILL)
    up(sandbox)
    after = sandbox.status()
    assert after.endpoint == before.endpoint
    assert {name for name in before.pids if before.pids[name] != after.pids[name]} == anew


def test_cloud_that_ends_as_soon_as_it_has_started_is_started_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does whose starter was killed: it was found serving, and ends with its first word to that."""
    ask, ended = control.ask, []

    def asked(path: Path, within: float, question: str, **details: object) -> object:
        if question == "news" and not ended:
            ended.append(sandbox.status().pids["cloud"])
            os.kill(ended[0], signal.SIGKILL)
            psutil.wait_procs([psutil.Process(ended[0])], timeout=5)
        return ask(path, within, question, **details)

    monkeypatch.setattr(control, "ask", asked)
    up(sandbox)
    assert sandbox.status().pids["cloud"] != ended[0]


def test_cloud_that_is_stuck_is_started_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "PATIENCE", 0.5)
    monkeypatch.setattr(processes, "GRACE", 0.5)
    up(sandbox)
    stuck = sandbox.status().pids["cloud"]
    os.kill(stuck, signal.SIGSTOP)
    up(sandbox)
    assert not psutil.pid_exists(stuck) or psutil.Process(stuck).status() == psutil.STATUS_ZOMBIE


def test_remembered_port_that_is_taken_is_given_up(sandbox: Sandbox) -> None:
    up(sandbox)
    before = ports.remembered(sandbox.layout)
    sandbox.down()
    with socket.socket() as other:
        other.bind(("127.0.0.1", before))
        other.listen()
        lines = up(sandbox)
    assert len(lines) == 1, lines
    (said,) = lines
    after = ports.remembered(sandbox.layout)
    assert after != before
    assert said == f"port {before} is taken by another program: the sandbox moves to {after}, its URLs change"
    assert sandbox.variables()["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{after}"


def test_port_taken_at_a_single_gateway_counts(sandbox: Sandbox) -> None:
    up(sandbox)
    before = ports.remembered(sandbox.layout)
    sandbox.down()
    with socket.socket() as other:
        other.bind(("127.1.0.2", before))
        other.listen()
        up(sandbox)
    assert ports.remembered(sandbox.layout) != before


def test_port_taken_between_choosing_and_binding_is_given_up(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = ports.choose
    with socket.socket() as other:
        taken = choose(sandbox.layout)
        other.bind(("127.0.0.1", taken))
        other.listen()

        def raced(layout: Layout) -> int:
            monkeypatch.setattr(ports, "choose", choose)
            layout.ports.write_text(f'{{"port": {taken}}}')
            return int(taken)

        monkeypatch.setattr(ports, "choose", raced)
        up(sandbox)
    assert ports.remembered(sandbox.layout) != taken


def test_cloud_of_other_sources_is_started_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    up(sandbox)
    before = sandbox.status()
    digest = sources.digest
    monkeypatch.setattr(
        sources, "digest", lambda *packages: "" if packages == ("sandbox/cloud",) else digest(*packages)
    )
    assert not sandbox.status().running
    monkeypatch.undo()
    assert sandbox.status() == before


def test_port_survives_a_restart(sandbox: Sandbox) -> None:
    up(sandbox)
    before = ports.remembered(sandbox.layout)
    sandbox.down()
    assert up(sandbox) == []
    assert ports.remembered(sandbox.layout) == before


def test_folder_that_cannot_be_made_is_named_in_one_line(sandbox: Sandbox) -> None:
    sandbox.layout.state.write_text("not a folder")
    with pytest.raises(Problem, match=r"^the sandbox cannot use \S+: [^\n]+$"):
        sandbox.up()
    assert not sandbox.status().running
    sandbox.layout.state.unlink()


def test_full_disk_is_named_in_one_line_and_the_next_start_works(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, flags: int, mode: int) -> int:
        return os.open("/dev/full", os.O_WRONLY) if "passphrase" in path.name else os.open(path, flags, mode)

    with monkeypatch.context() as disk:
        disk.setattr(files, "os", SimpleNamespace(**{**vars(os), "open": full}))
        with pytest.raises(Problem, match=r"^the sandbox cannot use \S+: No space left on device$"):
            sandbox.up()
    up(sandbox)


def test_cloud_that_cannot_save_at_its_start_says_so_and_nothing_stays(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.fill("state")
    sandbox = CloudOnly(tmp_path, **disk.settings)
    with pytest.raises(Problem, match=r"^the sandbox's cloud did not start: [^\n]*No space left on device$"):
        sandbox.up()
    assert sandbox.status().pids == {}


def test_damaged_ports_are_chosen_again(sandbox: Sandbox) -> None:
    up(sandbox)
    sandbox.down()
    sandbox.layout.ports.write_text("{")
    up(sandbox)


@pytest.mark.parametrize("delay", [0.2, *(pytest.param(each, marks=pytest.mark.prove) for each in (0.05, 0.1, 0.4))])
def test_up_that_was_killed_half_way_is_no_obstacle(sandbox: Sandbox, delay: float) -> None:
    code = "import sys; from pathlib import Path; from sandbox import Sandbox; Sandbox(Path(sys.argv[1])).up()"
    starting = subprocess.Popen([sys.executable, "-c", code, str(sandbox.layout.root)])
    time.sleep(delay)
    starting.kill()
    starting.wait()
    up(sandbox)
    sandbox.down()
    left = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(sandbox.layout.root) in (process.info["cmdline"] or [])
    ]
    assert left == []


def test_long_path_is_no_obstacle(tmp_path: Path) -> None:
    root = tmp_path / ("deep" * 25)
    root.mkdir()
    sandbox = Sandbox(root)
    try:
        up(sandbox)
    finally:
        sandbox.down()


def test_environment_can_be_evaluated_by_a_shell(sandbox: Sandbox) -> None:
    from sandbox import variables

    up(sandbox)
    commands = variables.shell(sandbox.variables())
    script = 'export AWS_PROFILE=mine\neval "$1"\necho "$AWS_ENDPOINT_URL ${AWS_PROFILE-unset} $PULUMI_BACKEND_URL"'
    said = subprocess.run(["sh", "-c", script, "sh", commands], capture_output=True, text=True, check=True).stdout
    assert said.split() == [sandbox.status().endpoint, "unset", f"{sandbox.layout.backend.as_uri()}?metadata=skip"]
    assert sandbox.layout.passphrase.stat().st_mode & 0o777 == 0o600
