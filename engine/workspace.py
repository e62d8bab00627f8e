"""Makes stacks: off the tree, with one salt for all, and only with the right passphrase."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backend import Backend
from engine.cli import ANOTHER_RUN, Cli
from shared import files
from shared.errors import Problem
from shared.roles import SECONDARY
from shared.stack import Stack

SALT = "encryptionsalt: "
SALT_WITHIN = 5.0
"""Seconds: an engine makes a salt within one, when it works at all. Two salts do no harm, but take two keys."""
MADE_WITHIN = 10.0
"""Seconds that another `stack init` of the same stack may hold its lock: one of a killed run goes on to its end."""
LOOK_EVERY = 0.2


class Workspace:
    """Makes stacks in a backend.

    All stacks of a target share one encryption salt, kept in one configuration file outside the projects: nothing is
    written into the tree, the passphrase is verified before a stack is made, and a program that reads five stacks
    derives one key. The engine makes the salt: in a file backend at the first operation on the first stack, in any
    other by `stack init`, which has no --config-file, so it runs in a folder that holds just the project's name.
    `stack init` is no process that a later run could find and end, so a stack in a file backend is made without it.
    """

    def __init__(self, cli: Cli, backend: Backend, configuration: Path, stacks: Sequence[Stack]) -> None:
        self._cli = cli
        self._backend = backend
        self._configuration = configuration
        self._verified = configuration.with_suffix(".verified")
        self._stacks = stacks
        self._one_at_a_time = threading.Lock()
        self._salt_expected = 0.0  # until when, by the monotonic clock

    def ensure(self, stack: Stack) -> None:
        """Create the stack unless it exists. The passphrase has been verified, if there is a sibling."""
        with self._one_at_a_time:  # the first stack brings the salt, the others take it over
            exists = self._backend.checkpoint(stack) is not None
            like = self._like_others()
            first = like is None and not self._configuration.exists()
            if first and (exists or self._backend.create(stack, {})):
                self._salt_expected = time.monotonic() + SALT_WITHIN
            elif not exists and (like is None or not self._backend.create(stack, like)):
                self._create(stack)

    def _like_others(self) -> Mapping[str, Any] | None:
        """Return how stacks keep secrets here; None when nothing says so, also not the first stack's engine in time."""
        while (like := self._sibling() or self._kept()) is None and time.monotonic() < self._salt_expected:
            time.sleep(0.005)
        if like and self._salt_expected:
            self._salt_expected = 0.0
            files.replace(self._verified, self._passphrase_stamp())
        return like

    def _kept(self) -> Mapping[str, Any] | None:
        """Return what the configuration file says, once its line is whole: an engine may be writing it."""
        text = self._configuration.read_text() if self._configuration.exists() else ""
        if not (text.startswith(SALT) and text.endswith("\n")):
            return None
        return {"type": "passphrase", "state": {"salt": text.removeprefix(SALT).strip()}}

    def adopt_salt(self) -> None:
        """Take the salt from a stack that exists, if the configuration file is not there."""
        if not self._configuration.exists() and (like := self._sibling()):
            files.replace(self._configuration, f"{SALT}{like['state']['salt']}\n")

    def _sibling(self) -> Mapping[str, Any] | None:
        """Return how a stack that exists keeps secrets, if that is by the passphrase."""
        for stack in self._stacks:
            checkpoint = self._backend.checkpoint(stack)
            if checkpoint and checkpoint.secrets_provider.get("type") == "passphrase":
                return checkpoint.secrets_provider
        return None

    def verify_passphrase(self) -> None:
        """Raise Problem unless the passphrase is the one that the stacks were made with.

        The engine verifies it against the salt when it makes a stack, so it makes one in a backend that is thrown
        away. A passphrase file that was right and has not been touched since is not tried again.
        """
        if not self._configuration.exists():
            return
        stamp = self._passphrase_stamp()
        if stamp and self._verified.exists() and self._verified.read_text() == stamp:
            return
        with tempfile.TemporaryDirectory(prefix="passphrase-") as name:
            cli = Cli(self._cli.executable, {**self._cli.variables, "PULUMI_BACKEND_URL": Path(name).as_uri()})
            _init(cli, Stack("passphrase", "trial"), Path(name), self._configuration)
        files.replace(self._verified, stamp)

    def _passphrase_stamp(self) -> str:
        """Return what tells that the passphrase's file is the same as before; empty when there is no file."""
        variables = self._cli.variables
        file = variables.get("PULUMI_CONFIG_PASSPHRASE_FILE")
        if "PULUMI_CONFIG_PASSPHRASE" in variables or not file or not Path(file).exists():
            return ""
        status = Path(file).stat()
        return f"{file} {status.st_ino} {status.st_mtime_ns} {self._configuration.read_text()}"

    def select_by_default(self, root: Path) -> None:
        """Let a bare `pulumi preview` in a project's folder mean its primary, unless its owner has selected a stack."""
        for stack in (stack for stack in self._stacks if stack.role != SECONDARY):
            project = root / "projects" / stack.layer / "Pulumi.yaml"
            name = (
                f"{stack.layer}-{hashlib.sha1(str(project).encode(), usedforsecurity=False).hexdigest()}-workspace.json"
            )
            selection = Path(self._cli.variables["PULUMI_HOME"]) / "workspaces" / name
            if not selection.exists():
                files.replace(selection, json.dumps({"stack": stack.reference}))

    def _create(self, stack: Stack) -> None:
        folder = self._configuration.parent / "init" / stack.layer
        patience = time.monotonic() + MADE_WITHIN
        while True:
            try:
                settings = _init(self._cli, stack, folder, self._configuration)
                break
            except Problem as problem:
                if self._backend.checkpoint(stack) is not None:
                    return  # made by who held the lock
                if not str(problem).startswith(ANOTHER_RUN) or time.monotonic() > patience:
                    raise
            time.sleep(LOOK_EVERY)
        if not self._configuration.exists():
            files.replace(self._configuration, settings.read_text())
        files.replace(self._verified, self._passphrase_stamp())


def _init(cli: Cli, stack: Stack, folder: Path, configuration: Path) -> Path:
    """Make a stack with the CLI, by a configuration if it exists; return the stack's own, which holds the salt."""
    files.replace(folder / "Pulumi.yaml", f"name: {stack.layer}\nruntime: python\n")
    settings = folder / f"Pulumi.{stack.name}.yaml"
    if configuration.exists():
        files.replace(settings, configuration.read_bytes())
    else:
        settings.unlink(missing_ok=True)
    cli.call("stack", "init", stack.reference, "--no-select", folder=folder)
    return settings
