"""Makes stacks: off the tree, with one salt or data key for all, and only with the right passphrase or key."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import secrets_provider
from engine.backend import Backend
from engine.cli import ANOTHER_RUN, Cli
from shared import files
from shared.errors import Problem
from shared.roles import SECONDARY
from shared.stack import Stack

SALT_WITHIN = 5.0
"""Seconds: an engine makes a salt within one, when it works at all. Two salts do no harm, but take two keys."""
MADE_WITHIN = 10.0
"""Seconds that another `stack init` of the same stack may hold its lock: one of a killed run goes on to its end."""
LOOK_EVERY = 0.2
CONFIG_FILE = "PULUMI_OPTION_CONFIG_FILE"
SHARED = frozenset({secrets_provider.PASSPHRASE, secrets_provider.CLOUD})
"""Providers whose salt or data key is in the state, for the next stack to take."""


class Workspace:
    """Makes stacks in a backend.

    All stacks of a target share one encryption salt, kept in one configuration file outside the projects: nothing is
    written into the tree, the passphrase is verified before a stack is made, and a program that reads five stacks
    derives one key. The engine makes the salt: in a file backend at the first operation on the first stack, in any
    other by `stack init`, which runs in a folder that holds just the project's name.
    `stack init` is no process that a later run could find and end, so a stack in a file backend is made without it.
    Where the CLI's variables name a key of KMS (secrets_provider.py), its data key is shared and kept in the same way;
    it is made, and later opened, before anything else is done.
    """

    def __init__(self, cli: Cli, backend: Backend, configuration: Path, stacks: Sequence[Stack]) -> None:
        self._cli = cli
        self._backend = backend
        self._configuration = configuration
        self._key = secrets_provider.given(cli.variables)
        self._verified = configuration.with_suffix(".verified")
        self._stacks = stacks
        self._one_at_a_time = threading.Lock()
        self._salt_expected = 0.0  # until when, by the monotonic clock

    def ensure(self, stack: Stack) -> None:
        """Create the stack unless it exists. The passphrase has been verified, if there is a sibling."""
        with self._one_at_a_time:  # the first stack brings the salt, the others take it over
            exists = self._backend.checkpoint(stack) is not None
            like = self._like_others() or self._new_key()
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
        """Return what the configuration file says, where that is what is asked for now."""
        how = secrets_provider.read(self._told())
        return how if how and secrets_provider.fits(how, self._key) else None

    def _told(self) -> str:
        """Return the configuration file's text, whatever is in it; empty where there is no file."""
        return self._configuration.read_text(encoding="utf-8", errors="replace") if self._configuration.exists() else ""

    def adopt_salt(self) -> None:
        """Take the salt, or the data key, from a stack that exists, if the configuration file has not this one."""
        if self._kept():
            return
        if like := self._sibling():
            files.replace(self._configuration, secrets_provider.written(like))
        elif secrets_provider.read(self._told()):
            self._configuration.unlink()  # it is another provider's, and no stack has it any more

    def _sibling(self) -> Mapping[str, Any] | None:
        """Return how a stack that exists keeps secrets, if that is what is asked for and can be shared."""
        for stack in self._stacks:
            checkpoint = self._backend.checkpoint(stack)
            how = checkpoint.secrets_provider if checkpoint else {}
            if how.get("type") in SHARED and secrets_provider.fits(how, self._key):
                return how
        return None

    def require_one_provider(self) -> None:
        """Raise Problem when a stack keeps its secrets otherwise than is asked for: an update would mix the two."""
        for stack in self._stacks:
            checkpoint = self._backend.checkpoint(stack)
            how = checkpoint.secrets_provider if checkpoint else {}
            if not how or secrets_provider.fits(how, self._key):
                continue
            url, variable = self._key.url if self._key else "", secrets_provider.VARIABLE
            asked = f"{variable} asks for {url}" if url else f"{variable} is not set"
            raise Problem(
                f"{stack} keeps its secrets by {secrets_provider.told(how)}, and {asked}: set it to what the stack "
                f"has, or change every stack that has another: (cd projects/{stack.layer} && pulumi stack "
                f"change-secrets-provider '{url or secrets_provider.PASSPHRASE}' --stack {stack.reference}); nothing "
                "was changed"
            )

    def _new_key(self) -> Mapping[str, Any] | None:
        """Have the engine make the data key that all stacks share; None where it is a passphrase that counts."""
        if self._key is None:
            return None
        self._try_key()
        return self._kept()

    def _try_key(self) -> None:
        """Open the data key that there is, or make one. Raises Problem when KMS does not do it."""
        kept = self._kept()
        try:
            with self._trial(self._configuration if kept else None) as settings:
                if not kept:
                    files.replace(self._configuration, settings.read_text())
        except Problem as problem:
            raise Problem(
                f"the stacks' secrets cannot be {'opened' if kept else 'encrypted'} with {self._key and self._key.url} "
                f"({problem}): ./invoke bootstrap makes the key and says who needs which right; nothing was changed"
            ) from problem

    @contextlib.contextmanager
    def _trial(self, configuration: Path | None) -> Iterator[Path]:
        """Make a stack in a backend that is thrown away, by a configuration; gives the stack's own configuration."""
        with tempfile.TemporaryDirectory(prefix="passphrase-") as name:
            cli = Cli(self._cli.executable, {**self._cli.variables, "PULUMI_BACKEND_URL": Path(name).as_uri()})
            yield _init(cli, Stack("passphrase", "trial"), Path(name), configuration)

    def verify_passphrase(self) -> None:
        """Raise Problem unless the passphrase is the one that the stacks were made with, or KMS opens their data key.

        The engine verifies it against the salt when it makes a stack, so it makes one in a backend that is thrown
        away. A passphrase file that was right and has not been touched since is not tried again.
        """
        if self._key:
            self._try_key()
            return
        if not self._configuration.exists():
            return
        stamp = self._passphrase_stamp()
        if stamp and self._verified.exists() and self._verified.read_text(errors="replace") == stamp:
            return
        with self._trial(self._configuration):
            files.replace(self._verified, stamp)

    def _passphrase_stamp(self) -> str:
        """Return what tells that the passphrase's file is the same as before; empty when there is no file."""
        variables = {} if self._key else self._cli.variables
        file = variables.get("PULUMI_CONFIG_PASSPHRASE_FILE")
        if "PULUMI_CONFIG_PASSPHRASE" in variables or not file or not Path(file).exists():
            return ""
        status = Path(file).stat()
        return f"{file} {status.st_ino} {status.st_mtime_ns} {self._configuration.read_text(errors='replace')}"

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
                kept = self._configuration if self._configuration.exists() else None
                settings = _init(self._cli, stack, folder, kept)
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


def _init(cli: Cli, stack: Stack, folder: Path, configuration: Path | None) -> Path:
    """Make a stack with the CLI, by a configuration if there is one; return the stack's own, with salt or data key."""
    files.replace(folder / "Pulumi.yaml", f"name: {stack.layer}\nruntime: python\n")
    settings = folder / f"Pulumi.{stack.name}.yaml"
    if configuration:
        files.replace(settings, configuration.read_bytes())
    else:
        settings.unlink(missing_ok=True)
    here = Cli(cli.executable, {**cli.variables, CONFIG_FILE: str(settings)})
    key = secrets_provider.given(cli.variables)
    # A backend's default is the passphrase, also where the configuration names a key (pulumi/pkg backend/diy).
    by = ("--secrets-provider", key.url) if key else ()
    here.call("stack", "init", stack.reference, "--no-select", *by, folder=folder)
    return settings
