"""Makes stacks: off the tree, with one salt for all, and only with the right passphrase."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestration.backend import Backend, FileBackend
from orchestration.cli import Cli
from orchestration.graph import Stack
from shared.errors import Problem


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
        self._each: dict[Stack, threading.Lock] = defaultdict(threading.Lock)

    def ensure(self, stack: Stack) -> None:
        """Create the stack unless it exists. Raises Problem when the passphrase is not the one of its siblings."""
        with self._each[stack]:
            if self._backend.checkpoint(stack) is not None:
                return
            if self._configuration.exists():
                self._create(stack)
                return
            with self._first:  # the first stack brings the salt, the others take it over
                self._create(stack)

    @contextmanager
    def ahead(self, stacks: Sequence[Stack]) -> Iterator[None]:
        """While inside, create stacks one by one in the background: off the path of those that wait for each other."""
        stop = threading.Event()

        def create() -> None:
            for stack in stacks:
                if stop.is_set():
                    return
                with suppress(Problem):  # whoever needs the stack meets the problem too, and can tell it
                    self.ensure(stack)

        thread = threading.Thread(target=create, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def adopt_salt(self, stacks: Sequence[Stack]) -> None:
        """Take the salt from a stack that exists, if the configuration file is not there."""
        if self._configuration.exists():
            return
        for stack in stacks:
            checkpoint = self._backend.checkpoint(stack)
            if checkpoint and checkpoint.secrets_provider.get("type") == "passphrase":
                self._write(f"encryptionsalt: {checkpoint.secrets_provider['state']['salt']}\n")
                return

    def verify_passphrase(self) -> None:
        """Raise Problem unless the passphrase is the one that the stacks were made with.

        The engine verifies it against the salt when it makes a stack, so it makes one in a backend that is thrown
        away. A passphrase file that was right and has not been touched since is not tried again.
        """
        if not self._configuration.exists():
            return
        stamp, verified = self._passphrase_stamp(), self._configuration.with_suffix(".verified")
        if stamp and verified.exists() and verified.read_text() == stamp:
            return
        with tempfile.TemporaryDirectory(prefix="passphrase-") as name:
            folder = Path(name)
            configuration = folder / "stack.yaml"
            configuration.write_bytes(self._configuration.read_bytes())
            cli = Cli(self._cli.executable, {**self._cli.variables, "PULUMI_BACKEND_URL": folder.as_uri()})
            Workspace(cli, FileBackend(folder), configuration).ensure(Stack("passphrase", "trial"))
        verified.write_text(stamp)

    def _passphrase_stamp(self) -> str:
        """Return what tells that the passphrase's file is the same as before; empty when there is no file."""
        variables = self._cli.variables
        file = variables.get("PULUMI_CONFIG_PASSPHRASE_FILE")
        if "PULUMI_CONFIG_PASSPHRASE" in variables or not file or not Path(file).exists():
            return ""
        status = Path(file).stat()
        return f"{file} {status.st_ino} {status.st_mtime_ns} {self._configuration.read_text()}"

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
