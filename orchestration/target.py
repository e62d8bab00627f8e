"""Where the stacks go: the sandbox on this machine, or AWS. The projects are the same for both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import engine
from orchestration.backend import Backend, FileBackend, file_folder, without_attributes
from orchestration.cli import Cli, CliBackend
from sandbox import Sandbox
from sandbox.environment import REMOVED
from sandbox.plugins.install import brings_python, install, place_engine
from shared.errors import Problem
from shared.roles import ROLES

if TYPE_CHECKING:
    from shared.environment import Environment

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("sandbox", "aws")
NO_DEBUG = "PROGRAM_NO_DEBUG"
"""The variable's name in sandbox/plugins/program.py, which imports nothing of ours and is imported by nothing."""


@dataclass(frozen=True)
class Target:
    """An engine, a backend and a cloud."""

    name: str
    cli: Cli
    backend: Backend
    state: Path
    """Folder of the runs and their locks."""
    configuration: Path
    """The stack configuration that all stacks of the target share: nothing but the encryption salt."""
    cloud: str
    """The life of the cloud that the stacks are in: their states mean nothing in another."""
    holds: bool = False
    """Whether its language host holds a program back until it is told to go on."""
    gateways: Mapping[str, str] = field(default_factory=dict)
    """In the sandbox, where each AWS region's API answers."""
    where: str = ""
    """For a person: `AWS account 123456789012`."""


def choose(name: str, environment: Environment, tell: Callable[[str], None]) -> Target:
    """Make a target ready: the sandbox is started when it is not running. Raises Problem for an unknown name."""
    match name:
        case "sandbox":
            return _sandbox(tell)
        case "aws":
            return _aws(environment, tell)
    raise Problem(f"unknown target {name!r}: choose one of {', '.join(TARGETS)}")


def _sandbox(tell: Callable[[str], None]) -> Target:
    sandbox = Sandbox(ROOT)
    found = engine.find(tell)
    status = sandbox.up(tell)
    install(sandbox.layout, found.executable)
    inherited = {name: value for name, value in os.environ.items() if name not in REMOVED}
    variables = inherited | sandbox.environment()
    state = sandbox.layout.state / "orchestration"
    configuration = sandbox.layout.stack_configuration
    _start_empty_with_the_cloud(sandbox.layout.backend, status.generation, tell)
    return Target(
        name="sandbox",
        cli=_cli(sandbox.layout.bin / "pulumi", variables, configuration),
        backend=FileBackend(sandbox.layout.backend),
        state=state,
        configuration=configuration,
        cloud=f"{status.generation}.{status.recoveries}",
        holds=True,
        gateways=status.gateways,
        where="the sandbox",
    )


def _start_empty_with_the_cloud(backend: Path, generation: str, tell: Callable[[str], None]) -> None:
    """Forget stacks whose resources went with an earlier life of the sandbox's cloud.

    A refresh would come to the same, resource by resource; until then every update would build on what is not there.
    """
    life = backend / "generation"
    known = life.read_text() if life.exists() else None
    if known == generation:
        return
    if known is not None and (backend / ".pulumi" / "stacks").exists():
        tell("the sandbox's cloud has started empty: the stacks of its earlier life are forgotten")
        for books in ("stacks", "history", "backups", "locks"):
            shutil.rmtree(backend / ".pulumi" / books, ignore_errors=True)
    life.write_text(generation)


def _aws(environment: Environment, tell: Callable[[str], None]) -> Target:
    url = os.environ.get("PULUMI_BACKEND_URL")
    if not url:
        raise Problem("PULUMI_BACKEND_URL is not set: say where the stacks are kept, for example s3://<bucket>")
    if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
        raise Problem("PULUMI_CONFIG_PASSPHRASE_FILE is not set: name the file with the stacks' passphrase")
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        raise Problem(f"AWS_ENDPOINT_URL is set ({endpoint}): unset it, as the target is AWS itself")
    environment.require_own_domain()
    executable = engine.find(tell).executable
    if not brings_python(executable):
        executable = place_engine(Sandbox(ROOT).layout, executable)
    account = _account(environment)
    state = ROOT / ".runs" / "aws"
    configuration = state / "stack.yaml"
    cli = _cli(executable, {**os.environ, "PULUMI_BACKEND_URL": without_attributes(url)}, configuration)
    folder = file_folder(url)
    return Target(
        name="aws",
        cli=cli,
        backend=FileBackend(folder) if folder else CliBackend(cli),
        state=state,
        configuration=configuration,
        cloud=account,
        where=f"AWS account {account}",
    )


def _account(environment: Environment) -> str:
    """Ask either region who we are: a release to one must not need the other."""
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    session, said = Session(), ""
    for role in ROLES:
        config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
        try:
            sts = session.create_client("sts", region_name=environment.region(role), config=config)
            return str(sts.get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            said = str(error)
    raise Problem(f"AWS does not accept the credentials ({said}): log in, or set AWS_PROFILE")


def _cli(executable: Path, variables: Mapping[str, str], configuration: Path) -> Cli:
    # The variable means --config-file, for every command that has one; the event log is an option for debugging.
    # An engine lives for seconds: it ends before its garbage is worth collecting, unless its memory grows unusually.
    settings = {
        "PULUMI_OPTION_CONFIG_FILE": str(configuration),
        "PULUMI_DEBUG_COMMANDS": "true",
        NO_DEBUG: "true",  # no operation here is run with --debug
        "GOGC": "off",
        "GOMEMLIMIT": "1GiB",
    }
    return Cli(executable, {**variables, **settings})
