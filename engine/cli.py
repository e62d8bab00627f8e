"""The Pulumi CLI's short commands, and a backend that is read through them."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backend import Checkpoint, Lock, Update
from engine.events import closing_error
from engine.processes import Recorded
from shared import files
from shared.errors import Problem
from shared.stack import Stack

NO_STACK = "no stack named"
WRONG_PASSPHRASE = "incorrect passphrase"  # noqa: S105  an error of the engine's
LOCKED = "currently locked"
LOCK_HOLDER = re.compile(r"created by (?P<user>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
ANOTHER_RUN = "another run is changing this stack"
"""How the error begins when the stack is locked."""
UNREACHABLE = re.compile(
    r"send request failed|request send failed|dial tcp|i/o timeout|TLS handshake timeout|ServiceUnavailable|SlowDown"
    r"|InternalError|status code: 5\d\d|StatusCode: 5\d\d"
)
"""What the engine's clients of S3 and Pulumi Cloud say when nobody answers, or only that it cannot now."""
ANSWERS_WITHIN = 60.0
"""Seconds that a backend has for a question. The engine's client of S3 has no limit of its own for an answer."""


class WrongPassphrase(Problem):
    """The passphrase is not the one that the stacks were made with."""


class BackendUnreachable(Problem):
    """The backend does not answer: nothing is known of the stacks, which is another thing than that there are none."""


class Cli:
    """Runs commands of one CLI with one set of variables. Each names its stack in full; none selects one."""

    def __init__(self, executable: Path, variables: Mapping[str, str]) -> None:
        self.executable = executable
        self.variables = variables

    def call(self, *arguments: str, folder: Path | None = None, within: float | None = None) -> str:
        """Run a short command to its end, whatever Ctrl-C says meanwhile. Raises Problem with the CLI's own line.

        `within`: seconds that it has, where it only asks. Raises BackendUnreachable.
        """
        try:
            done = subprocess.run(
                [str(self.executable), *arguments, "--non-interactive"],
                cwd=folder,
                env=dict(self.variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                start_new_session=True,
                timeout=within,
            )
        except subprocess.TimeoutExpired:
            raise BackendUnreachable(f"no answer within {within:g} s") from None
        if done.returncode:
            error = closing_error(done.stderr) or closing_error(done.stdout)
            raise _kind(error)(explained(error))
        return done.stdout

    def edit_state(
        self, stack: Stack, edit: Callable[[dict[str, Any]], Mapping[str, Any]], kept: Path | None = None
    ) -> None:
        """Write a stack's state as `edit` returns it, where that is another one; before that, keep the one before.

        Secrets stay encrypted, as nothing of them is looked at.
        """
        exported: dict[str, Any] = json.loads(self.call("stack", "export", "--stack", stack.reference))
        edited = edit(exported["deployment"])
        if kept:
            files.replace(kept, json.dumps(exported))
        if edited != exported["deployment"]:
            with tempfile.TemporaryDirectory(prefix="state-") as folder:
                path = Path(folder) / "state.json"
                path.write_text(json.dumps({**exported, "deployment": edited}))
                self.call("stack", "import", "--stack", stack.reference, "--file", str(path))


class CliBackend:
    """Any backend, through the CLI: 0.12 s a question, and slower the farther away it is."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli

    def checkpoint(self, stack: Stack) -> Checkpoint | None:
        exported = self._ask(stack, "stack", "export")
        return None if exported is None else Checkpoint.parse(exported.get("deployment"))

    def create(self, stack: Stack, secrets_provider: Mapping[str, Any]) -> bool:  # noqa: ARG002  not through the CLI
        return False

    def newest_update(self, stack: Stack) -> Update | None:
        history = self._ask(stack, "stack", "history", "--json", "--page-size", "1", "--page", "1")
        return Update.parse(history[0]) if history else None

    def tags(self, stack: Stack) -> Mapping[str, str]:
        return dict(self._ask(stack, "stack", "tag", "ls", "--json") or {})

    def tag(self, stack: Stack, name: str, value: str) -> None:
        self._cli.call("stack", "tag", "set", name, value, "--stack", stack.reference)

    def locks(self, stack: Stack) -> Sequence[Lock]:  # noqa: ARG002  the CLI shows a lock only to who runs into it
        return ()

    def unlock(self, stack: Stack, engines: Collection[Recorded] = ()) -> None:
        """Leave all of them: `pulumi cancel` would take away whoever's there are, also those of engines at work."""

    def _ask(self, stack: Stack, *arguments: str) -> Any:
        try:
            return json.loads(self._cli.call(*arguments, "--stack", stack.reference, within=ANSWERS_WITHIN) or "null")
        except Problem as problem:
            if NO_STACK in str(problem):
                return None
            raise


def _kind(error: str) -> type[Problem]:
    if UNREACHABLE.search(error):
        return BackendUnreachable
    return WrongPassphrase if WRONG_PASSPHRASE in error else Problem


def explained(error: str) -> str:
    """Add what to do to the errors of the engine that leave it open."""
    if WRONG_PASSPHRASE in error:
        return (
            "the passphrase is not the one that the stacks were made with: "
            "set PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE to that one; nothing was changed"
        )
    if LOCKED in error:
        holder = LOCK_HOLDER.search(error)
        who = f" ({holder['user']}, process {holder['pid']}, since {holder['since']})" if holder else ""
        return f"{ANOTHER_RUN}{who}: wait for it to end; a lock that was left behind goes with `pulumi cancel`"
    return error
