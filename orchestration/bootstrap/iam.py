"""IAM as the steps ask it: in one region, and with None for what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import asked, or_none

if TYPE_CHECKING:
    from orchestration.aws import Aws

REGION: Final = "us-east-1"
"""Where IAM's control plane is: it signs for that region, whoever asks."""
NO_SUCH: Final = "NoSuchEntity"
IS_THERE: Final = "EntityAlreadyExists"


@dataclass(frozen=True)
class Iam:
    """IAM of one account. `operation`: as the SDK's clients call it."""

    aws: Aws

    def must(self, operation: str, **arguments: Any) -> Any:
        """IAM's answer. Raises Problem."""
        client = self.aws.client("iam", REGION)
        return asked(lambda: getattr(client, operation)(**arguments), operation.replace("_", " "), REGION)

    def ask(self, operation: str, **arguments: Any) -> Any:
        """IAM's answer; None where there is no such thing. Raises Problem."""
        return or_none(lambda: self.must(operation, **arguments), NO_SUCH)

    def make(self, operation: str, **arguments: Any) -> Any:
        """IAM's answer; None where it is there already. Raises Problem."""
        return or_none(lambda: self.must(operation, **arguments), IS_THERE)
