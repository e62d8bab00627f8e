"""Plugins under the real engine: what comes through, and that nothing stays behind, however anybody ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from orchestration.engine import find
from sandbox.layout import Layout
from sandbox.plugins import client
from sandbox.plugins.hold import Hold
from sandbox.plugins.install import install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
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


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)
    return value


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

    def declare(self, virtualenv: Path) -> None:
        runtime = {"name": "python", "options": {"virtualenv": os.path.relpath(virtualenv, self.project)}}
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


@pytest.fixture(scope="module")
def engine() -> Path:
    return find().executable


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


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, engine: Path) -> Iterator[Place]:
    """With a host that tests share: each writes a program of its own."""
    with a_place(tmp_path_factory.mktemp("warm"), engine, warm=True) as place:
        yield place


@pytest.fixture
def own(tmp_path: Path, engine: Path) -> Iterator[Place]:
    """With a host that the test may end."""
    with a_place(tmp_path, engine, warm=True) as place:
        yield place


@pytest.fixture(params=["warm", "plain"])
def either(request: pytest.FixtureRequest, tmp_path: Path, engine: Path) -> Iterator[Place]:
    """With a host, and without."""
    with a_place(tmp_path, engine, warm=request.param == "warm") as place:
        yield place


def test_a_program_runs_in_a_process_forked_from_a_warm_one(warm: Place):
    warm.write(RESOURCES)
    code, output = warm.up()
    assert code == 0, output
    assert warm.host is not None
    children = {child.pid for child in psutil.Process(warm.host.pid).children()}
    assert warm.outputs()["parent"] in children
    until(lambda: not warm.left())
    assert warm.lent() == 0


def test_programs_and_providers_work(either: Place):
    either.run("config", "set", "--secret", "word", "s3cret")
    either.settings["EXAMPLE"] = "from the engine"
    either.write(RESOURCES)
    code, output = either.up()
    assert code == 0, output
    assert "to output" in output
    assert "to error" in output
    assert "s3cret" not in output
    found = either.outputs()
    assert (len(found["name"]), len(found["password"]), found["prefix"]) == (6, 20, sys.prefix)
    assert found["surroundings"] == ["from the engine", str(either.project), "s3cret"]
    code, output = either.run("destroy", "--yes", "--skip-preview")
    assert code == 0, output
    until(lambda: not either.left())


def test_the_state_tells_where_a_program_makes_a_resource_and_not_on_which_stack(warm: Place):
    warm.write("import pulumi_random as random\ndef make():\n    random.RandomString('made', length=4)\n", "maker.py")
    warm.write("import maker\n\nmaker.make()\n")
    code, output = warm.up()
    assert code == 0, output
    exported = json.loads(warm.run("stack", "export")[1])
    made = next(each for each in exported["deployment"]["resources"] if each["urn"].endswith("::made"))
    assert made["sourcePosition"] == "project:///maker.py#3"
    assert "stackTrace" not in made


def test_a_programs_debug_messages_can_be_left_out(warm: Place):
    warm.write(RESOURCES)
    message = "registering resource"
    assert message in warm.up("--debug")[1]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(warm.settings, "PROGRAM_NO_DEBUG", "true")
        code, output = warm.up("--debug")
    assert code == 0, output
    assert message not in output


def held(place: Place, tmp_path: Path) -> tuple[Hold, subprocess.Popen[str]]:
    """An `up` whose program is held after its imports."""
    place.write(f"import pathlib\npathlib.Path('{STARTS}').write_text('0')\n", "prelude.py")
    place.write("from prelude import pathlib\n" + RESOURCES)
    hold = Hold(tmp_path / "held")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in hold.variables.items():
            monkeypatch.setitem(place.settings, name, value)
        process = place.start("up", "--yes", "--skip-preview")
    until((place.project / STARTS).exists)
    return hold, process


def made(place: Place) -> list[Any]:
    return list(json.loads(place.run("stack", "export")[1])["deployment"].get("resources", []))


def test_a_held_program_waits_after_its_imports_until_it_is_released(either: Place, tmp_path: Path):
    hold, process = held(either, tmp_path)
    with process:
        time.sleep(0.3)
        assert process.poll() is None
        assert made(either) == []
        hold.release()
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert len(either.outputs()["name"]) == 6


def test_a_program_whose_holder_has_gone_ends_before_it_makes_anything(own: Place, tmp_path: Path):
    hold, process = held(own, tmp_path)
    with process:
        hold.call_off()
        output = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "error: the update was called off before it began" in output
    assert made(own) == []


def test_an_engine_killed_while_its_program_is_held_leaves_nothing(either: Place, tmp_path: Path):
    hold, process = held(either, tmp_path)
    with process:
        process.kill()
    hold.call_off()
    until(lambda: not either.left())
    assert made(either) == []


def test_an_edit_takes_effect_at_the_next_run(warm: Place):
    for value in (1, 2):
        warm.write(f"VALUE = {value}\n", "edited.py")
        warm.write("import pulumi, edited\npulumi.export('value', edited.VALUE)\n")
        assert warm.up()[0] == 0
        assert warm.outputs()["value"] == value


def test_a_refusal_is_one_line(warm: Place):
    warm.write("import pulumi\nraise pulumi.RunError('the table is not there; deploy data first')\n")
    code, output = warm.up()
    assert code != 0
    diagnostics = output.partition("Diagnostics:")[2].partition("Outputs:")[0].partition("Resources:")[0].split("\n")
    said = [line.strip() for line in diagnostics if line.strip()]
    assert said[1:] == ["error: the table is not there; deploy data first"]


@pytest.mark.parametrize(
    ("program", "said", "unsaid"),
    [
        (
            "def divide():\n    return 1 / 0\ndivide()\n",
            ["ZeroDivisionError", '__main__.py", line 3'],
            ["runpy", "plugins"],
        ),
        ("import pulumi\nthis is broken (\n", ["SyntaxError", "__main__.py"], []),
        ("import os\nos.kill(os.getpid(), 9)\n", ["the program's process ended before the program did"], ["Traceback"]),
    ],
)
def test_a_failure_shows_what_the_programs_owner_needs(warm: Place, program: str, said: list[str], unsaid: list[str]):
    warm.write(program)
    code, output = warm.up()
    assert code != 0
    assert not [text for text in said if text not in output], output
    assert not [text for text in unsaid if text in output], output


def test_a_project_without_a_program_is_one_line(warm: Place):
    (warm.project / "__main__.py").unlink(missing_ok=True)
    code, output = warm.up()
    assert code != 0
    assert f"there is no Python program at {warm.project}" in output
    assert "Traceback" not in output


def test_a_projects_other_virtualenv_is_honoured(warm: Place, tmp_path: Path):
    other = tmp_path / "other"
    venv.create(other, symlinks=True, with_pip=False)
    libraries = next(other.glob("lib/python*/site-packages"))
    (libraries / "borrowed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    warm.write("import sys, pulumi\npulumi.export('prefix', sys.prefix)\n")
    try:
        warm.declare(other)
        code, output = warm.up()
        assert code == 0, output
        assert warm.outputs()["prefix"] == str(other)
        warm.declare(tmp_path / "nowhere")
        code, output = warm.up()
        assert code != 0
        assert "there is no virtualenv at" in output
        assert "Traceback" not in output
    finally:
        warm.declare(Path(sys.prefix))


def test_a_killed_engine_leaves_nothing(either: Place):
    engine = either.start_waiting()
    assert either.left()
    engine.kill()
    engine.wait()
    until(lambda: not either.left(), 5)
    if either.host:
        until(lambda: either.lent() == 0)
        assert either.host.poll() is None


def test_an_interrupted_engine_ends_its_program(either: Place):
    engine = either.start_waiting()
    for _ in range(2):  # the first asks the engine to finish what it has begun, the second to end
        os.killpg(engine.pid, signal.SIGINT)
        time.sleep(0.2)
    assert engine.wait(20) != 0
    until(lambda: not either.left(), 5)


def test_a_killed_host_fails_the_run_and_the_next_one_works(own: Place):
    engine = own.start_waiting()
    assert own.host is not None
    own.host.kill()
    output = engine.communicate(timeout=30)[0]
    assert engine.returncode != 0, output
    until(lambda: not own.left(), 5)
    (own.project / STARTS).unlink()
    own.write(RESOURCES)
    own.run("cancel", "--yes")
    code, output = own.up()
    assert code == 0, output
    own.start_host()
    code, output = own.up()
    assert code == 0, output


def test_a_stopped_host_takes_everything_along(own: Place):
    engine = own.start_waiting()
    own.stop_host()
    engine.communicate(timeout=30)
    assert engine.returncode != 0
    until(lambda: not own.left(), 5)
    assert client.status(own.root) is None


def test_a_second_host_is_refused(warm: Place):
    command = [sys.executable, "-m", "sandbox.plugins", str(warm.root)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "another plugin host serves" in second.stderr
    assert "Traceback" not in second.stderr
    assert client.status(warm.root) is not None


def test_a_host_tells_who_it_is_and_whether_it_is_current(warm: Place):
    status = client.status(warm.root)
    assert status is not None
    assert warm.host is not None
    assert status.pid == warm.host.pid
    assert client.is_current(status)
    assert not client.is_current(client.HostStatus(status.pid, "other sources"))


def test_plain_plugins_can_be_chosen(own: Place):
    own.settings["SANDBOX_PLUGINS"] = "plain"
    own.write(RESOURCES)
    assert own.up()[0] == 0
    assert own.host is not None
    assert own.outputs()["parent"] not in {child.pid for child in psutil.Process(own.host.pid).children()}


def test_a_policy_pack_is_enforced(warm: Place):
    pack = warm.root / "policies"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text(json.dumps({"runtime": "python", "version": "0.0.1"}))
    (pack / "__main__.py").write_text(
        "from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy\n"
        "def check(args, report):\n"
        "    if args.props.get('length', 9) < 9:\n"
        "        report('too short')\n"
        "PolicyPack('examples', enforcement_level=EnforcementLevel.MANDATORY, policies=[\n"
        "    ResourceValidationPolicy('length', 'No short names.', check)])\n",
    )
    warm.write(RESOURCES)
    code, output = warm.up("--policy-pack", str(pack))
    assert code != 0
    assert "too short" in output
    until(lambda: not warm.left())
