"""A copy of this checkout in a folder of its own: what benchmarks and end-to-end tests deploy, break and throw away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import foreign
from tools.bootstrap import SOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from shared.stack import Stack

FOREIGN = ("PULUMI_", "AWS_")  # a developer's own settings must not reach the copy


def inherited() -> dict[str, str]:
    """This process's variables, without a developer's own settings."""
    return {name: value for name, value in foreign.without(os.environ).items() if not name.startswith(FOREIGN)}


def tracked(source: Path) -> list[str]:
    """The files that git tracks or would track in a checkout, whatever repository our own process works in."""
    command = ["git", "ls-files", "-coz", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=source, env=foreign.without(os.environ), text=True)
    # Not one that is deleted and still tracked.
    return [name for name in listed.split("\0") if name and (source / name).is_file()]


@dataclass(frozen=True)
class Checkout:
    """A checkout in which `./invoke` runs, with the settings of a fresh machine."""

    root: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start `./invoke ARGUMENTS` in a session of its own; `environment` adds variables."""
        return subprocess.Popen(
            ["./invoke", *arguments],
            cwd=self.root,
            env=inherited() | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def destroy(self, stack: Stack, **environment: str) -> subprocess.CompletedProcess[str]:
        """Destroy one stack as its owner does, in the project's folder: no task destroys one layer."""
        command = 'set -e; eval "$(./invoke sandbox.env)"; cd "$0"; pulumi destroy --yes --skip-preview --stack "$1"'
        return subprocess.run(
            ["bash", "-c", command, f"projects/{stack.layer}", stack.name],
            cwd=self.root,
            env=inherited() | environment,
            capture_output=True,
            text=True,
            check=False,
        )


def copy_sources(source: Path, target: Path) -> None:
    """Copy what git tracks or would track, and nothing that was made of it."""
    for name in tracked(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)


def copy(source: Path, target: Path) -> Checkout:
    """Copy what git tracks or would track in `source`.

    The copy's virtualenv borrows the packages of the running one and imports our own code from the copy: nothing is
    installed again.
    """
    copy_sources(source, target)
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", target / ".venv"])
    packages = next((target / ".venv").glob("lib/python3*/site-packages"))
    (packages / "checkout.pth").write_text(f"{target}\n{sysconfig.get_path('purelib')}\n")
    subprocess.check_call([target / ".venv" / "bin" / "python", "-m", "compileall", "-q", *SOURCES], cwd=target)
    shutil.copyfile(target / "requirements.lock", target / ".venv" / "requirements.lock")
    return Checkout(target)
