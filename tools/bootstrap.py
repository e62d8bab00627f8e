"""Makes the checkout's virtualenv from the lock.

Runs on the machine's own Python, so it uses the standard library only. uv installs the lock in seconds where pip takes
half a minute; uv itself comes from the same lock, with its hashes. A copy of the lock inside the virtualenv says what
it holds: it is written last, so an interrupted run is simply done again.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # nothing of ours can be imported yet
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
SOURCES = ("engine", "lambdas", "orchestration", "projects", "sandbox", "shared", "simulation", "tasks.py", "tools")
LIBRARIES = ("invoke", "rich")
"""What only tasks import: the sandbox, which starts without its user's settings, compiles the others."""


def pinned(lock: str, package: str) -> str:
    """Return the lock's entry for one package, hashes included."""
    found = re.search(rf"^{re.escape(package)}==.*(?:\n[ \t]+.*)*", lock, re.MULTILINE)
    if found is None:
        sys.exit(f"invoke: requirements.lock pins no {package}; make the lock again (docs/dependencies.md)")
    return found[0]


def run(step: str, *command: str | Path) -> None:
    """Run one step of the set-up; its output is shown only when it fails."""
    print(f"invoke: {step}", file=sys.stderr, flush=True)
    done = subprocess.run([*command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout.rstrip(), file=sys.stderr)
        sys.exit(f"invoke: {step} failed (above); check the network and run this again")


def make() -> None:
    current = VENV / LOCK.name
    if current.is_file() and current.read_bytes() == LOCK.read_bytes():
        return  # another ./invoke made it while this one waited
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True, clear=True)
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder, "uv.txt")
        requirement.write_text(pinned(LOCK.read_text(), "uv"))
        run("getting uv", PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", requirement)
    run(
        "installing requirements.lock",
        PYTHON,
        "-m",
        "uv",
        "pip",
        "sync",
        "--quiet",
        "--require-hashes",
        "--python",
        PYTHON,
        LOCK,
    )
    # Programs, functions and tests import from the checkout's root; relative, so that a moved checkout still works.
    packages = next(VENV.glob("lib/python3*/site-packages"))
    Path(packages, "checkout.pth").write_text(os.path.relpath(ROOT, packages) + "\n")
    # Else the first tasks would do it while they work, several processes the same modules at once, and every task would
    # where PYTHONDONTWRITEBYTECODE is set.
    folders = [*(ROOT / name for name in SOURCES), *(packages / name for name in LIBRARIES)]
    run("compiling the checkout", PYTHON, "-m", "compileall", "-q", *folders)
    run("packing the functions' SDK", PYTHON, "-m", "shared.packaging.function_sdk")
    shutil.copyfile(LOCK, current)


def main() -> None:
    try:
        with ROOT.joinpath(".venv.lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            make()
    except OSError as error:
        sys.exit(f"invoke: cannot make {VENV}: {error.strerror or error}")


if __name__ == "__main__":
    main()
