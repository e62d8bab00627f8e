"""A function's configuration, from Lambda's environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class RemainingTime(Protocol):
    """What is used of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int: ...


MARGIN: Final = 500
"""What is left of a function's time when its deadline has come (ms): to put the answer into words, and tell it."""


def time_for_work(context: RemainingTime) -> int:
    """How long an invocation may work before Lambda ends it (ms)."""
    return context.get_remaining_time_in_millis() - MARGIN


@dataclass(frozen=True, slots=True)
class Settings:
    """What every function of a region knows about itself."""

    environment: str
    suffix: str
    role: str
    region: str
    release: str
    strong: bool

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Settings:
        """The settings of the running function. Raises KeyError for a missing variable: a bug of the deployment."""
        return cls(
            environment=variables["ENVIRONMENT"],
            suffix=variables["SUFFIX"],
            role=variables["ROLE"],
            region=variables["AWS_REGION"],
            release=variables["RELEASE"],
            strong=variables["CONSISTENCY"] == "MRSC",
        )

    @property
    def place(self) -> str:
        """Who answers, in the words of the header Served-By."""
        return f"{self.region} ({self.role})"
