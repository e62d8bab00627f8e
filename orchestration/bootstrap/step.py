"""A step of the bootstrap: it looks, and makes what is missing. Looking again after an interrupted run is enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestration.teams.roles import Takers

if TYPE_CHECKING:
    from engine.backend import Checkpoint
    from orchestration.aws import Aws
    from shared.environment import Environment
    from shared.stack import Stack

THERE: Final = "there"
MADE: Final = "made"
MISSING: Final = "missing"
CANNOT: Final = "cannot"


@dataclass(frozen=True)
class StepFinding:
    """What a step has found."""

    there: bool
    said: str
    able: bool = True
    """Whether `make` can do something about what is missing."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What a person, or a program, needs of it later."""


def cannot(said: str) -> StepFinding:
    """Something is missing that somebody else has to do something about: `said` is why, and what."""
    return StepFinding(there=False, said=" ".join(said.split()), able=False)


class BootstrapStep(Protocol):
    """One thing that must be there."""

    @property
    def what(self) -> str:
        """In a few words."""

    @property
    def where(self) -> str:
        """The AWS region, or `the account`."""

    @property
    def needed(self) -> bool:
        """Whether a deployment waits for it."""

    @property
    def by_hand(self) -> Sequence[str]:
        """The same with AWS's own command, for those who may use no other: a line each."""

    def look(self) -> StepFinding:
        """Ask, and change nothing. Raises Problem, which counts as `cannot`."""

    def make(self) -> StepFinding:
        """Make what `look` has missed, and return what there is now. Raises Problem."""


@dataclass(frozen=True)
class StateHome:
    """Where the stacks' states and the key of their secrets are, or are to be."""

    region: str
    bucket: str
    """Empty where they are kept in no bucket."""
    backend: str
    """As PULUMI_BACKEND_URL says it."""
    key: str
    """As KMS takes it; empty where it is a passphrase."""
    provider: str
    """As PULUMI_SECRETS_PROVIDER says it; empty where it is a passphrase."""
    folder: str = ""
    """In the bucket, without a slash at its end: `s3://bucket/folder`. Empty: none."""


@dataclass(frozen=True)
class BootstrapContext:
    """What the steps work with."""

    settings: Environment
    aws: Aws
    account: str
    home: StateHome
    on_aws: bool
    """Not in the sandbox: a domain must be one's own."""
    states: Callable[[Stack], Checkpoint | None]
    """What is deployed already: it needs no more room."""
    takers: Takers = field(default_factory=Takers)
    """Who takes the teams' roles on."""
    passphrase: str = ""
    """The ARN of the secret with the stacks' passphrase, which the teams' roles read; empty: none is named."""
    sleep: Callable[[float], None] = time.sleep

    @property
    def serving(self) -> tuple[str, str]:
        """The regions in which nothing may be that both need."""
        return self.settings.regions.primary, self.settings.regions.secondary

    @property
    def tags(self) -> Mapping[str, str]:
        """Of what is made here, beside those of no environment."""
        return self.settings.tags
