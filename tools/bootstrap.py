"""Makes the checkout's virtualenv from the lock, then starts the task.

Runs on the machine's own Python, so it uses the standard library only. uv installs the lock in seconds where pip takes
half a minute; uv itself comes from the same lock, with its hashes. A copy of the lock inside the virtualenv says what
it holds: it is written last, so that a run that was interrupted at any moment is done again from the start.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # noqa: PTH120 - nothing is installed yet

from tools import package_sources, virtualenv

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT, LOCK, VENV, PYTHON = map(Path, (virtualenv.ROOT, virtualenv.LOCK, virtualenv.VENV, virtualenv.PYTHON))
ROOMS = (
    "clients",
    "drill",
    "engine",
    "lambdas",
    "orchestration",
    "policies",
    "projects",
    "sandbox",
    "shared",
    "simulation",
    "tools",
)
SOURCES = (*ROOMS, "tasks.py")
LIBRARIES = ("invoke", "rich")
"""What only tasks import: the sandbox, which starts without its user's settings, compiles the others."""


class SetUp:
    """Makes the virtualenv. Its steps hold the lock too: what a killed run started ends before another run begins."""

    def __init__(self, lock: TextIO) -> None:
        self._lock = lock
        self._pip = package_sources.of_pip(os.environ)
        self._variables = package_sources.variables(os.environ, self._pip)
        if not _can_be_written(_uv_cache(self._variables)):
            self._variables |= {"UV_NO_CACHE": "1"}

    def make(self) -> None:
        says_version = "import sys; print(sys.version_info[:2])"
        runs = self._answers(PYTHON, "-I", "-S", "-c", says_version).strip() == str(sys.version_info[:2])
        if runs and virtualenv.current():
            return  # another ./invoke made it while this one waited
        if not (runs and virtualenv.whole()):
            self._create()
        Path(virtualenv.STAMP).unlink(missing_ok=True)
        uv = self._uv()
        with tempfile.TemporaryDirectory() as folder:
            settings = Path(folder, "uv.toml")
            settings.write_text(package_sources.uv_file(os.environ, self._pip), encoding="utf-8")
            arguments = ("pip", "sync", "--quiet", "--require-hashes", "--python", PYTHON, LOCK)
            self._run("installing requirements.lock", *uv, "--config-file", settings, *arguments)
        # Programs, functions and tests import from the checkout's root; relative, so that a moved checkout still works.
        packages = next(VENV.glob("lib/python3*/site-packages"))
        Path(packages, "checkout.pth").write_text(os.path.relpath(ROOT, packages) + "\n")
        # Else the first tasks would do it while they work, several processes the same modules at once, and every task
        # would where PYTHONDONTWRITEBYTECODE is set.
        folders = [*(ROOT / name for name in SOURCES), *(packages / name for name in LIBRARIES)]
        self._run("compiling the checkout", PYTHON, "-I", "-m", "compileall", "-q", *folders)
        self._run("packing the functions' SDK", PYTHON, "-I", "-m", "shared.packaging.function_sdk")
        Path(virtualenv.INSTALLED).write_text("\n".join(path.name for path in packages.iterdir()))
        shutil.copyfile(LOCK, virtualenv.STAMP)

    def _create(self) -> None:
        if os.path.lexists(VENV) and not VENV.is_dir():
            sys.exit(f"invoke: {VENV} is no folder, and the virtualenv goes there: move it away and run this again")
        import venv  # noqa: PLC0415 - some distributions leave it out, and only here it is needed

        venv.create(VENV, with_pip=False, clear=True)

    def _uv(self) -> list[str | Path]:
        """The command of a uv: the lock's own, which pip gets; where there is no pip, one that is on PATH."""
        pip: list[str | Path]
        if self._answers(PYTHON, "-I", "-m", "pip", "--version"):
            pip = [PYTHON, "-I", "-m", "pip"]
        elif importlib.util.find_spec("ensurepip"):
            self._run("making .venv", PYTHON, "-I", "-m", "ensurepip", "--default-pip")
            pip = [PYTHON, "-I", "-m", "pip"]
        elif uv := shutil.which("uv"):
            return [Path(uv).absolute()]
        elif self._answers(sys.executable, "-I", "-m", "pip", "--version"):
            pip = [sys.executable, "-I", "-m", "pip", "--python", PYTHON]
        else:
            sys.exit(
                f"invoke: {sys.executable} has neither ensurepip nor pip, and there is no uv on PATH: install one "
                "(on Debian and Ubuntu: apt install python3-venv) and run this again"
            )
        with tempfile.TemporaryDirectory() as folder:
            requirement = Path(folder, "uv.txt")
            requirement.write_text(pinned(LOCK.read_text(), "uv"))
            self._run("getting uv", *pip, "install", "--quiet", "--require-hashes", "-r", requirement)
        return [PYTHON, "-I", "-m", "uv"]

    def _answers(self, *command: str | Path) -> str:
        """What a command says; empty when it fails."""
        try:
            done = subprocess.run(
                [*command], cwd=ROOT, env=self._variables, capture_output=True, text=True, check=False
            )
        except OSError:
            return ""  # an interpreter that is gone, or was copied in part
        return "" if done.returncode else done.stdout

    def _run(self, step: str, *command: str | Path) -> None:
        """Run one step of the set-up; its output is shown only when it fails."""
        print(f"invoke: {step}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [*command],
            cwd=ROOT,  # a project's settings in the user's folder are not ours
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            pass_fds=[self._lock.fileno()],
        )
        if done.returncode:
            print(done.stdout.rstrip(), file=sys.stderr)
            sys.exit(
                f"invoke: {step} failed (above); check the network and where packages come from (PIP_INDEX_URL, "
                "UV_DEFAULT_INDEX, pip.conf, uv.toml, proxies), and run this again"
            )


def pinned(lock: str, package: str) -> str:
    """Return the lock's entry for one package, hashes included."""
    found = re.search(rf"^{re.escape(package)}==.*(?:\n[ \t]+.*)*", lock, re.MULTILINE)
    if found is None:
        sys.exit(f"invoke: requirements.lock pins no {package}; make the lock again (docs/dependencies.md)")
    return found[0]


def _uv_cache(settings: Mapping[str, str]) -> Path | None:
    """Where uv keeps what it has fetched; None where nobody has a home."""
    if place := settings.get("UV_CACHE_DIR"):
        return Path(place)
    try:
        return Path(settings.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv")
    except RuntimeError:
        return None


def _can_be_written(folder: Path | None) -> bool:
    if folder is None:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def main() -> None:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # `invoke` holds Ctrl-C back until here
        with ROOT.joinpath(".venv.lock").open("w") as guard:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("invoke: waiting for another ./invoke that makes .venv", file=sys.stderr, flush=True)
                fcntl.flock(guard, fcntl.LOCK_EX)
            SetUp(guard).make()
    except OSError as error:
        sys.exit(f"invoke: cannot make {error.filename or VENV}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("invoke: interrupted; the next ./invoke makes .venv anew", file=sys.stderr)
        sys.exit(130)
    os.environ[virtualenv.MADE] = "1"
    start = str(ROOT / "tools" / "start.py")
    os.execv(PYTHON, [str(PYTHON), "-I", "-S", "-X", "utf8", start, *sys.argv[1:]])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
