"""AWS itself as a target. Nothing here knows the sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine import find, launchers, secrets_provider
from engine.backend import Backend, BucketUrl, FileBackend, file_folder, without_attributes
from engine.cli import BackendUnreachable, Cli, CliBackend
from orchestration import checker_ranges
from orchestration.bucket import BucketBackend
from orchestration.reach import Reach
from orchestration.target import StackBooks, Target, settings
from shared.errors import Problem
from shared.roles import ROLES
from shared.root import ROOT

if TYPE_CHECKING:
    from shared.environment import Environment


DESTROYING = {"network": "waits 20 to 45 minutes until Lambda gives the functions' network interfaces back"}
"""Lambda Developer Guide: interfaces of a deleted function take 20 minutes; more was seen (pulumi-aws 4382)."""
KEEPS = (
    "AWS keeps for a while what costs nothing: KMS keys for 7 days, the primary for 7 more, as its wait begins when "
    "the replica is gone, and DynamoDB a backup of the table for 35 days. What ./invoke bootstrap made stays: it is "
    "the account's"
)
"""KMS Developer Guide, "Deleting multi-Region keys"; DynamoDB Developer Guide, "Point-in-time recovery"."""
DECIDING = ("PULUMI_OPTION_", "PULUMI_DEBUG_", "PULUMI_STACK", "PULUMI_PYTHON_CMD", "PULUMI_CLOUD_SECRET_OVERRIDE")
"""How the user's variables begin that would have an engine do something else than a run asks of it."""
BACKEND_WITHIN = 20.0
"""Seconds in which the backend must answer at all."""
NO_BUCKET = "NoSuchBucket"


STATE = ROOT / ".runs" / "aws"


def make(environment: Environment, tell: Callable[[str], None]) -> Target:
    """Take backend, key and credentials from the user's environment. Raises Problem for what is missing."""
    url = _backend_url()
    if secrets_provider.given(os.environ) is None and not secrets_provider.PASSPHRASE_VARIABLES & os.environ.keys():
        raise Problem(
            f"{secrets_provider.VARIABLE} is not set: name the key that ./invoke bootstrap makes; or, for stacks that "
            "have a passphrase, set PULUMI_CONFIG_PASSPHRASE_FILE to the file with it"
        )
    _require_aws_itself()
    environment.require_own_domain()
    found = find.find(tell).executable
    executable = _with_python(found)
    account = _account(environment)
    cli = _cli(executable, url)
    if lost := _lost(cli, url):
        raise Problem(lost)
    return Target(
        name="aws",
        cli=cli,
        backend=_backend(cli, url),
        state=STATE,
        configuration=STATE / "stack.yaml",
        generation=account,
        account=account,
        programs_may_end_early=launchers.brings_python(found),
        previews_new=True,  # what one of them breaks is told in seconds, and not after minutes of making others
        asks_first=True,
        destroying=DESTROYING,
        keeps=KEEPS,
        where=f"AWS account {account}",
        trouble=lambda _, __: _lost(cli, url),
    )


def books() -> StackBooks:
    """The backend alone: who asks it needs no rights in AWS but to read it, and which account it is does not count."""
    url = _backend_url()
    cli = _cli(find.find(lambda _: None).executable, url)
    if lost := _lost(cli, url):
        raise Problem(lost)
    return StackBooks(_backend(cli, url), None, f"the backend {url}")


def _backend_url() -> str:
    url = os.environ.get("PULUMI_BACKEND_URL")
    if not url:
        raise Problem(
            "PULUMI_BACKEND_URL is not set: say where the stacks are kept; ./invoke bootstrap makes a bucket for them "
            "and prints its address"
        )
    return url


def _lost(cli: Cli, url: str) -> str:
    """Why the stacks' states cannot be had, and what still works without them; empty when their backend answers."""
    if file_folder(url):
        return ""
    try:
        cli.call("whoami", within=BACKEND_WITHIN)  # opens the backend, whatever it is, and asks for no stack
    except BackendUnreachable as problem:
        return (
            f"the stacks' states in {url} cannot be reached ({problem}). Clients are not concerned: failover goes on "
            "by itself, and evacuate, restore and situation need no state. Deploying waits until the backend "
            "answers again: run this again then"
        )
    except Problem as problem:
        made = f": ./invoke bootstrap --target aws makes it: {url}" if NO_BUCKET in str(problem) else f": {url}"
        return f"the backend refuses ({problem}){made}"
    return ""


def _cli(executable: Path, url: str) -> Cli:
    given = {name: value for name, value in os.environ.items() if not name.startswith(DECIDING)}
    return Cli(executable, {**given, "PULUMI_BACKEND_URL": without_attributes(url), **settings(STATE / "stack.yaml")})


def _backend(cli: Cli, url: str) -> Backend:
    if folder := file_folder(url):
        return FileBackend(folder)
    at = BucketUrl.parse(url)
    return BucketBackend(cli, at) if at else CliBackend(cli)


def reach(_: Callable[[str], None]) -> Reach:
    """The user's own credentials and nothing else: no backend, no passphrase, no engine."""
    _require_aws_itself()
    return Reach(dict(os.environ), where="AWS", checkers=checker_ranges.fetch, asks_first=True, state=STATE)


def _require_aws_itself() -> None:
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        raise Problem(f"AWS_ENDPOINT_URL is set ({endpoint}): unset it, as the target is AWS itself")


def _with_python(engine: Path) -> Path:
    """An engine that can run Python programs: one that was built from source gets a language host beside it."""
    if launchers.brings_python(engine):
        return engine
    folder = ROOT / ".build" / "engine"
    try:
        return launchers.place_engine(engine, folder, launchers.plain("engine.plugins.plain", "language"))
    except OSError as error:
        raise Problem(
            f"cannot install the engine's plugins in {folder}: {error.strerror}; "
            "free some space, or make that folder writable",
        ) from error


def _account(environment: Environment) -> str:
    """Ask either region who we are: a release to one must not need the other."""
    from botocore.config import Config  # noqa: PLC0415 - the SDK takes a fifth of a second
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above
    from botocore.session import Session  # noqa: PLC0415 - as above

    session, said = Session(), ""
    for role in ROLES:
        config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
        try:
            sts = session.create_client("sts", region_name=environment.region(role), config=config)
            return str(sts.get_caller_identity()["Account"])
        except (BotoCoreError, ClientError, ValueError) as error:  # ValueError: a setting that is no number
            said = " ".join(str(error).split())
    raise Problem(f"AWS does not accept the credentials ({said}): log in, or set AWS_PROFILE")
