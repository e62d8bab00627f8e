"""A project, an engine and the sandbox's plugins: what the tests of plugins under the real engine work with."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from sandbox.layout import Layout
from sandbox.plugins.install import install
from shared.root import ROOT
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


STARTS = "started"
"""The file by which a program that waits says that it runs, with its process id."""

WAITING = f"""
import os, pathlib, subprocess, time
import pulumi_random as random
random.RandomString("kept", length=4)
helper = subprocess.Popen(["sleep", "300"])
pathlib.Path("{STARTS}").write_text(f"{{os.getpid()}} {{helper.pid}}")
time.sleep(300)
"""

RESOURCES = """
import os, sys
import pulumi, pulumi_random as random
name = random.RandomString("name", length=6)
pulumi.export("name", name.result)
pulumi.export("password", random.RandomPassword("password", length=20).result)
pulumi.export("prefix", sys.prefix)
pulumi.export("parent", os.getppid())
pulumi.export("surroundings", [os.environ.get("EXAMPLE"), os.getcwd(), pulumi.Config().get_secret("word")])
print("to output")
print("to error", file=sys.stderr)
"""


@dataclass
class Place:
    """A checkout with one project, the engine and its plugins."""

    root: Path
    engine: Path
    host: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.project = self.root / "projects" / "program"
        self.project.mkdir(parents=True)
        self.layout.backend.mkdir(parents=True)
        install(self.layout, self.engine)
        self.declare(Path(sys.prefix))
        self.settings = {
            "HOME": str(self.root),
            "PATH": os.pathsep.join([str(self.layout.bin), os.environ["PATH"]]),
            "PULUMI_HOME": str(self.layout.pulumi_home),
            "PULUMI_BACKEND_URL": self.layout.backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "example",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def declare(self, virtualenv: Path, **options: str) -> None:
        options = {"virtualenv": os.path.relpath(virtualenv, self.project), **options}
        runtime = {"name": "python", "options": options}
        (self.project / "Pulumi.yaml").write_text(json.dumps({"name": "program", "runtime": runtime}))

    def start_host(self) -> None:
        command = [sys.executable, "-m", "sandbox.plugins", str(self.root)]
        self.host = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.host.stdout is not None
        assert self.host.stdout.readline() == b"ready\n"

    def stop_host(self) -> None:
        if self.host and self.host.poll() is None:
            self.host.terminate()
            self.host.wait(10)

    def write(self, program: str, name: str = "__main__.py") -> None:
        (self.project / name).write_text(program)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--stack", "dev"],
            cwd=self.project,
            env=self.settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            output = process.communicate(timeout=60)[0]
        return process.returncode, output

    def up(self, *arguments: str) -> tuple[int, str]:
        return self.run("up", "--yes", "--skip-preview", *arguments)

    def outputs(self) -> dict[str, Any]:
        code, output = self.run("stack", "output", "--json", "--show-secrets")
        assert code == 0, output
        return dict(json.loads(output))

    def start_waiting(self) -> subprocess.Popen[str]:
        """An `up` whose program waits."""
        self.write(WAITING)
        process = self.start("up", "--yes", "--skip-preview")
        until(lambda: (self.project / STARTS).exists() and (self.project / STARTS).read_text())
        return process

    def left(self) -> list[str]:
        """What runs for this place, apart from the host and its fork server."""
        own = [self.host.pid] if self.host and self.host.poll() is None else []
        own += [
            child.pid
            for pid in own
            for child in psutil.Process(pid).children()
            if "fork_server" in str(child.cmdline())
        ]
        started = (self.project / STARTS).read_text().split() if (self.project / STARTS).exists() else []
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            command = " ".join(process.info["cmdline"] or [])
            mine = str(self.root) in command or str(process.pid) in started
            if mine and process.pid not in own and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {command}")
        return found

    def lent(self) -> int:
        """The servers that the host has open."""
        assert self.host is not None
        connections = psutil.Process(self.host.pid).net_connections("tcp")
        return sum(each.status == psutil.CONN_LISTEN for each in connections)


@contextlib.contextmanager
def a_place(root: Path, engine: Path, *, warm: bool) -> Iterator[Place]:
    place = Place(root / "checkout", engine)
    if warm:
        place.start_host()
    code, output = place.run("stack", "init")
    assert code == 0, output
    try:
        yield place
    finally:
        place.stop_host()
