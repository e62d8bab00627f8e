"""Where the sandbox keeps things: everything below `.sandbox/` in its checkout."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

SHORT = Path("/tmp")  # noqa: S108 - what is made below it is the user's own and closed to others
"""A place for sockets with a path that is short, and the same for all processes."""

LONGEST_SOCKET_PATH = 100
"""A Unix socket's path is limited to 104 bytes (macOS) or 108 (Linux)."""


@dataclass(frozen=True)
class Layout:
    """The paths of one checkout's sandbox. Nothing is created by asking for a path."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / ".sandbox"

    @property
    def cloud(self) -> Path:
        """What the cloud keeps over a restart."""
        return self.state / "cloud"

    @property
    def faults(self) -> Path:
        """The faults in force."""
        return self.state / "faults.json"

    @property
    def decisions(self) -> Path:
        """What IAM decided, where it is written down; line by line."""
        return self.state / "decisions.jsonl"

    @property
    def mail(self) -> Path:
        """The mail that the cloud's topics sent."""
        return self.cloud / "mail.jsonl"

    @property
    def temporary(self) -> Path:
        """Scratch space of the daemons; emptied at each start."""
        return self.state / "tmp"

    @property
    def bytecode(self) -> Path:
        """Bytecode of what functions import, kept over restarts."""
        return self.state / "bytecode"

    @property
    def run(self) -> Path:
        """Logs, sockets and the records of running daemons."""
        return self.state / "run"

    @property
    def ports(self) -> Path:
        return self.state / "ports.json"

    @property
    def clock(self) -> Path:
        """At which speed virtual time passes; not there until somebody changes it."""
        return self.state / "clock.json"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def bin(self) -> Path:
        """The engine, with the language host and the policy analyzer beside it."""
        return self.state / "bin"

    @property
    def pulumi_home(self) -> Path:
        return self.state / "pulumi"

    @property
    def backend(self) -> Path:
        """The stacks' states."""
        return self.state / "backend"

    @property
    def stack_configuration(self) -> Path:
        """The configuration that all stacks share: nothing but the salt of their encryption."""
        return self.state / "stack.yaml"

    @property
    def passphrase(self) -> Path:
        return self.state / "passphrase"

    @property
    def cloud_socket(self) -> Path:
        """Where the cloud is asked about itself."""
        return self.socket("cloud.sock")

    @property
    def plugins_socket(self) -> Path:
        """Where the host that lends plugins answers."""
        return self.socket("plugins.sock")

    @property
    def processor_ledger(self) -> Path:
        """What the card processor was asked for, and decided."""
        return self.state / "processor" / "ledger.jsonl"

    @property
    def pages(self) -> Path:
        """What the pager of whoever is on call was told."""
        return self.state / "processor" / "pages.jsonl"

    @property
    def processor_socket(self) -> Path:
        """Where the card processor is asked about itself."""
        return self.socket("processor.sock")

    @property
    def traffic_socket(self) -> Path:
        """Where DNS and the health checkers are asked about what they know."""
        return self.socket("traffic.sock")

    @property
    def traffic_state(self) -> Path:
        """The status of each health check, for the checkers that are started next."""
        return self.state / "traffic" / "checks.json"

    @property
    def traffic_events(self) -> Path:
        """Every change of a health check's status, of what DNS knows of it, and of what it answers; line by line."""
        return self.state / "traffic" / "events.jsonl"

    @property
    def access_log(self) -> Path:
        """Every request to a region's gateway, with the function's version that answered it; line by line."""
        return self.state / "gateways" / "access.jsonl"

    @property
    def authority(self) -> Path:
        """The certificate that all in the sandbox trust."""
        return self.state / "authority" / "certificate.pem"

    @property
    def authority_key(self) -> Path:
        return self.state / "authority" / "key.pem"

    def socket(self, name: str) -> Path:
        """A path for a Unix socket: in `run`, or, where that is too long, in a private directory of its own."""
        path = self.run / name
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        checkout = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        directory = SHORT / f"sandbox-{os.getuid()}-{checkout}"
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.stat().st_uid != os.getuid():
            raise PermissionError(f"{directory} belongs to somebody else")
        return directory / name
