"""The sandbox as a whole: started, found, asked and stopped."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import addresses, clock, control, ports, quotas, sources, taken_on, variables
from sandbox.faults.fault import InjectedFault
from sandbox.layout import Layout
from sandbox.plugins import client
from sandbox.processes import Daemon, PortTaken
from sandbox.tricks import Trick, on
from shared import files
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ANSWER_WITHIN = 2.0
"""Seconds that the cloud may take to answer about itself."""
PATIENCE = 10.0
"""Seconds after which a cloud that does not answer is taken for stuck, and is started again."""

TOLD = ("generation", "recoveries", "faults", "lost_writes", "versions", "trouble")
"""What the cloud tells about itself."""
ATTEMPTS = 3
"""Starts, when somebody else takes the port at the same moment or changes the sources meanwhile."""

PARTS = ("cloud", "processor", "traffic", "plugins")
"""The daemons. `processor` is outside AWS: what functions reach by https. `traffic` is DNS and health checkers. Without
`plugins` the cloud works, and the engine starts each plugin as a process of its own."""


BESIDE = frozenset({"processor", "traffic"})
"""They listen where the cloud's port says."""


@dataclass(frozen=True)
class SandboxStatus:
    """What the sandbox is at a moment."""

    running: bool
    endpoint: str = ""
    """The AWS API's URL."""
    gateways: Mapping[str, str] = field(default_factory=dict)
    """The URL of each AWS region's gateway."""
    generation: str = ""
    """The id of the cloud's generation: another one whenever the cloud has started empty."""
    recoveries: int = 0
    """How often the cloud came back from disk after it was killed: it may have lost its last second each time."""
    dns: str = ""
    """Where DNS answers, by UDP and TCP."""
    faults: Sequence[Mapping[str, Any]] = ()
    """What is broken on purpose, as `InjectedFault.told`."""
    lost_writes: Mapping[str, int] = field(default_factory=dict)
    """How many acknowledged writes of a table were lost to later ones of another region (eventual consistency)."""
    speed: float = 1.0
    """Virtual seconds in a real one."""
    pids: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    """One line, when the cloud cannot save its state."""


class Sandbox:
    """AWS on this machine for one checkout: one cloud, its gateways, and the host of the engine's plugins."""

    def __init__(self, root: Path, parts: Sequence[str] = PARTS) -> None:
        self.layout = Layout(Path(root).resolve())
        self._daemons = tuple(Daemon(name, self.layout) for name in parts)

    def up(self, progress: Callable[[str], None] | None = None) -> SandboxStatus:
        """Start what is not running, and return when all of it serves.

        Called twice at once, the second call waits and finds the first one's sandbox. `progress` gets one line for
        whatever the user should know: a port that had to change, a cloud that had to start empty.
        """
        for _ in range(1 + ATTEMPTS):
            status = self.status()
            if status.running:
                return status
            with self._locked():
                self._start(progress or _print)
        raise Problem(f"the sandbox ends as soon as it has started; see {os.path.relpath(self.layout.run)}")

    def down(self) -> bool:
        """Stop everything, and keep the cloud's state. False if nothing was running."""
        if not self.layout.state.exists():
            return False
        with self._locked():
            stopped = [daemon.stop() for daemon in reversed(self._daemons)]
            clock.set_speed(self.layout.clock, 1.0)
        return any(stopped)

    def wipe(self) -> None:
        """Stop everything and forget the cloud and the stacks: the next `up` starts empty."""
        layout = self.layout
        self.down()
        for path in (
            layout.cloud,
            layout.backend,
            layout.processor_ledger.parent,
            layout.traffic_state.parent,
            layout.access_log.parent,
        ):
            shutil.rmtree(path, ignore_errors=True)
        layout.faults.unlink(missing_ok=True)
        layout.clock.unlink(missing_ok=True)

    def status(self) -> SandboxStatus:
        pids = {daemon.name: pid for daemon in self._daemons if (pid := daemon.pid()) is not None}
        port = ports.remembered(self.layout)
        try:
            told = self._ask("status") if port is not None else None
        except OSError:
            told = None
        if port is None or told is None:
            return SandboxStatus(running=False, pids=pids)
        others = (daemon for daemon in self._daemons if daemon.name != "cloud")
        return SandboxStatus(
            running=_is_current("cloud", told) and all(self._serves(daemon) for daemon in others),
            endpoint=addresses.url((addresses.AWS, port)),
            gateways={region: addresses.url(endpoint) for region, endpoint in addresses.endpoints(port).items()},
            speed=clock.SharedClock(self.layout.clock).speed,
            dns=":".join(map(str, addresses.dns(port))) if "traffic" in pids else "",
            pids=pids,
            **{name: told[name] for name in TOLD if name in told},
        )

    def variables(self) -> dict[str, str]:
        """The sandbox's own variables, for whatever works in it beside what it has `variables.inherited`."""
        port = ports.remembered(self.layout)
        if port is None:
            raise Problem("the sandbox was never started; run ./invoke sandbox.up")
        settings = variables.of(self.layout, port)
        return settings | taken_on.credentials(settings["AWS_ENDPOINT_URL"], settings["AWS_REGION"])

    def require_passphrase(self) -> None:
        """See to it that there is a passphrase. Raises Problem when there are stacks, and theirs is gone."""
        layout = self.layout
        if layout.passphrase.exists():
            return
        if any(layout.backend.glob(".pulumi/stacks/*/*.json*")):
            raise Problem(self.lost_passphrase)
        for salted in (layout.stack_configuration, layout.stack_configuration.with_suffix(".verified")):
            salted.unlink(missing_ok=True)  # made with the one that is gone
        files.replace(layout.passphrase, secrets.token_urlsafe(24), mode=0o600)

    @property
    def lost_passphrase(self) -> str:
        """What to do without the passphrase that the stacks were made with."""
        return (
            f"{os.path.relpath(self.layout.passphrase)} is not the passphrase that the stacks were made with: "
            "put that one back, or give up the sandbox's cloud and stacks by ./invoke sandbox.down --wipe; "
            "nothing was changed"
        )

    def begin_fault(self, fault: InjectedFault) -> InjectedFault:
        """Let a fault begin and return it with its number. It lasts until it is healed, also over a restart."""
        if fault.region not in addresses.REGIONS:
            raise Problem(f"{fault.region!r} is no role and no AWS region; known are {', '.join(addresses.REGIONS)}")
        return InjectedFault.read(self._told("fault", fault=fault.told())["fault"])

    def heal(self, number: int | None = None, region: str = "") -> list[InjectedFault]:
        """End the fault with a number, those of a region, or all; return them."""
        return [InjectedFault.read(each) for each in self._told("heal", number=number, region=region)["ended"]]

    def faults(self) -> list[InjectedFault]:
        """The faults in force, in the order in which they began."""
        return [InjectedFault.read(each) for each in self._told("status")["faults"]]

    def logs(self) -> dict[str, Path]:
        """The daemons' log files that exist, by daemon."""
        return {daemon.name: daemon.log for daemon in self._daemons if daemon.log.exists()}

    def _start(self, tell: Callable[[str], None]) -> None:
        missing = self._missing()
        if not missing:
            return  # another `up` was faster
        before = ports.remembered(self.layout)
        try:
            for attempt in range(1, ATTEMPTS + 1):
                _stop(missing)  # some may run without serving: stuck, ending, or of sources that have changed since
                port = self._prepare(missing)
                try:
                    self._launch(missing, port)
                    break
                except PortTaken:
                    if attempt == ATTEMPTS:
                        raise
        except BaseException as error:
            _stop(missing)
            if isinstance(error, OSError):
                raise self._unusable(error) from error
            raise
        if before not in {None, port}:
            tell(f"port {before} is taken by another program: the sandbox moves to {port}, its URLs change")
        try:
            line = self._ask("news")["line"]
        except OSError:
            return  # a cloud whose starter was killed ends with its first word to it: `up` looks again
        if line:
            tell(line)

    def _missing(self) -> list[Daemon]:
        """The daemons that have to be started. The cloud chooses the port, and what is beside it follows."""
        found = [daemon for daemon in self._daemons if not self._serves(daemon, PATIENCE)]
        if all(daemon.name != "cloud" for daemon in found):
            return found
        return [daemon for daemon in self._daemons if daemon in found or daemon.name in BESIDE]

    def _launch(self, daemons: Sequence[Daemon], port: int) -> None:
        """Start daemons at once, and return when all of them are ready. Raises Problem when a setting is none."""
        quotas.on()
        settings = self._base_variables() | variables.of(self.layout, port)
        starting = [
            daemon.start([sys.executable, "-m", f"sandbox.{daemon.name}", str(self.layout.root)], settings)
            for daemon in daemons
            if daemon.name != "plugins" or on(Trick.WARM_PLUGINS)
        ]
        for started in starting:
            started.wait()

    def _serves(self, daemon: Daemon, within: float = ANSWER_WITHIN) -> bool:
        """Whether a daemon is as it should be: of these sources, with these tricks, and the host not there without."""
        if daemon.name == "plugins":
            if not on(Trick.WARM_PLUGINS):
                return daemon.pid() is None
            host = client.status(self.layout.root)
            return host is not None and client.is_current(host)
        try:
            told = control.ask(self.layout.socket(f"{daemon.name}.sock"), within, "status")
        except OSError:
            return False
        return _is_current(daemon.name, told)

    def _prepare(self, missing: Sequence[Daemon]) -> int:
        """Make what the daemons to be started expect, and return the port."""
        layout = self.layout
        cloud = any(daemon.name == "cloud" for daemon in missing)
        if cloud:
            shutil.rmtree(layout.temporary, ignore_errors=True)
            clock.set_speed(layout.clock, 1.0)  # whoever wanted another one was killed with the cloud
        for directory in (layout.cloud, layout.temporary, layout.run, layout.bin, layout.pulumi_home, layout.backend):
            directory.mkdir(parents=True, exist_ok=True)
        self.require_passphrase()
        port = ports.remembered(layout)
        if cloud or port is None:
            port = ports.choose(layout)
        return port

    def _base_variables(self) -> dict[str, str]:
        """Nothing but the sandbox's settings decides what its daemons do."""
        kept = ("HOME", "LANG", "LC_ALL", "TERM", "USER", "LOGNAME", "TZ", "XDG_CACHE_HOME", *variables.LIBRARIES)
        inherited = {name: os.environ[name] for name in kept if name in os.environ}
        return {**inherited, "PATH": os.defpath, "TMPDIR": str(self.layout.temporary), "PYTHONUNBUFFERED": "1"}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.layout.state.mkdir(exist_ok=True)
            lock = self.layout.lock.open("w")
        except OSError as error:
            raise self._unusable(error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _unusable(self, error: OSError) -> Problem:
        place = os.path.relpath(str(error.filename or self.layout.state))
        return Problem(f"the sandbox cannot use {place}: {error.strerror or error}")

    def _told(self, question: str, **details: Any) -> dict[str, Any]:
        """What a running cloud answers. Raises Problem where it does not run, or does not take what it is told."""
        try:
            told = self._ask(question, PATIENCE, **details)
        except OSError:
            raise Problem("the sandbox is not running; run ./invoke sandbox.up") from None
        if problem := told.get("problem"):
            raise Problem(problem)
        return told

    def _ask(self, question: str, within: float = ANSWER_WITHIN, **details: Any) -> dict[str, Any]:
        return control.ask(self.layout.cloud_socket, within, question, **details)


def _is_current(name: str, told: Mapping[str, Any]) -> bool:
    """Whether a daemon is of these sources: another one may tell less, or more, than is known here."""
    return bool(told.get("sources") == sources.digest(f"sandbox/{name}"))


def _stop(daemons: Sequence[Daemon]) -> None:
    for daemon in daemons:
        daemon.stop()


def _print(line: str) -> None:
    print(line, file=sys.stderr)
