"""The Pulumi CLI's short commands, and a backend that is read through them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestration.backend import Backend, Checkpoint, Lock, Update
from orchestration.events import COLOUR, STDERR_ERROR, last_line
from orchestration.graph import Stack
from shared.errors import Problem

NO_STACK = "no stack named"
WRONG_PASSPHRASE = "incorrect passphrase"  # noqa: S105  an error of the engine's


class Cli:
    """Runs commands of one CLI with one environment. Each names its stack in full; none selects one."""

    def __init__(self, executable: Path, variables: Mapping[str, str]) -> None:
        self.executable = executable
        self.variables = variables

    def call(self, *arguments: str, folder: Path | None = None) -> str:
        """Run a short command to its end, whatever Ctrl-C says meanwhile. Raises Problem with the CLI's own line."""
        done = subprocess.run(
            [str(self.executable), *arguments, "--non-interactive"],
            cwd=folder,
            env=dict(self.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode:
            raise Problem(explained(_error(done.stderr) or last_line(done.stdout)))
        return done.stdout


class CliBackend:
    """Any backend, through the CLI: 0.12 s a question, and slower the farther away it is."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli

    def checkpoint(self, stack: Stack) -> Checkpoint | None:
        exported = self._ask(stack, "stack", "export")
        return None if exported is None else Checkpoint.parse(exported.get("deployment"))

    def newest_update(self, stack: Stack) -> Update | None:
        history = self._ask(stack, "stack", "history", "--json", "--page-size", "1", "--page", "1")
        return Update.parse(history[0]) if history else None

    def tags(self, stack: Stack) -> Mapping[str, str]:
        return dict(self._ask(stack, "stack", "tag", "ls", "--json") or {})

    def tag(self, stack: Stack, name: str, value: str) -> None:
        self._cli.call("stack", "tag", "set", name, value, "--stack", stack.reference)

    def locks(self, stack: Stack) -> Sequence[Lock]:  # noqa: ARG002  the CLI shows a lock only to who runs into it
        return ()

    def unlock(self, stack: Stack) -> None:
        self._cli.call("cancel", "--yes", "--stack", stack.reference)

    def _ask(self, stack: Stack, *arguments: str) -> Any:
        try:
            return json.loads(self._cli.call(*arguments, "--stack", stack.reference) or "null")
        except Problem as problem:
            if NO_STACK in str(problem):
                return None
            raise


class Workspace:
    """Makes stacks in a backend.

    All stacks of a target share one encryption salt, kept in one configuration file outside the projects: nothing is
    written into the tree, the passphrase is verified before a stack is made, and a program that reads five stacks
    derives one key. `stack init` has no --config-file, so it runs in a folder that holds just the project's name.
    """

    def __init__(self, cli: Cli, backend: Backend, configuration: Path) -> None:
        self._cli = cli
        self._backend = backend
        self._configuration = configuration
        self._first = threading.Lock()

    def ensure(self, stack: Stack) -> None:
        """Create the stack unless it exists. Raises Problem when the passphrase is not the one of its siblings."""
        if self._backend.checkpoint(stack) is not None:
            return
        if self._configuration.exists():
            self._create(stack)
            return
        with self._first:  # the first stack brings the salt, the others take it over
            self._create(stack)

    def adopt_salt(self, stacks: Sequence[Stack]) -> None:
        """Take the salt from a stack that exists, if the configuration file is not there."""
        if self._configuration.exists():
            return
        for stack in stacks:
            checkpoint = self._backend.checkpoint(stack)
            if checkpoint and checkpoint.secrets_provider.get("type") == "passphrase":
                self._write(f"encryptionsalt: {checkpoint.secrets_provider['state']['salt']}\n")
                return

    def select_by_default(self, stacks: Sequence[Stack], root: Path) -> None:
        """Let a bare `pulumi preview` in a project's folder mean this stack, unless its owner has selected another."""
        for stack in stacks:
            project = root / "projects" / stack.layer / "Pulumi.yaml"
            name = (
                f"{stack.layer}-{hashlib.sha1(str(project).encode(), usedforsecurity=False).hexdigest()}-workspace.json"
            )
            selection = Path(self._cli.variables["PULUMI_HOME"]) / "workspaces" / name
            if not selection.exists():
                selection.parent.mkdir(parents=True, exist_ok=True)
                selection.write_text(json.dumps({"stack": stack.reference}))

    def _create(self, stack: Stack) -> None:
        folder = self._configuration.parent / "init" / stack.layer
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text(f"name: {stack.layer}\nruntime: python\n")
        settings = folder / f"Pulumi.{stack.name}.yaml"
        if self._configuration.exists():
            settings.write_bytes(self._configuration.read_bytes())
        else:
            settings.unlink(missing_ok=True)
        self._cli.call("stack", "init", stack.reference, "--no-select", folder=folder)
        if not self._configuration.exists():
            self._write(settings.read_text())

    def _write(self, text: str) -> None:
        unfinished = self._configuration.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.replace(self._configuration)


def explained(error: str) -> str:
    """Add what to do to the errors of the engine that leave it open."""
    if WRONG_PASSPHRASE in error:
        return (
            "the passphrase is not the one that the stacks were made with: "
            "set PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE to that one; nothing was changed"
        )
    if "currently locked" in error:
        return f"{error}: another run is changing this stack; wait for it to end"
    return error


def _error(stderr: str) -> str:
    found = STDERR_ERROR.findall(COLOUR.sub("", stderr))
    return str(found[-1]) if found else last_line(stderr)
