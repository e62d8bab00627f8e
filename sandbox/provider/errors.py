"""What goes wrong in an operation, each as the one line that a user sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore import exceptions

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refused(Problem):
    """An API call that the cloud refused. code: the API's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {one_line(message)}" if message else code)
        self.code = code


class Gone(Problem):
    """What a read or delete looked for is not there."""

    def __init__(self) -> None:
        super().__init__("it is not there")


class Incomplete(Problem):
    """A resource that exists, and could not be finished: the engine records it, so that the next update goes on."""

    def __init__(self, physical_id: str, outputs: Mapping[str, Any], reason: str) -> None:
        super().__init__(reason)
        self.id = physical_id
        self.outputs = outputs


def one_line(text: object) -> str:
    """The text without line breaks and runs of blanks."""
    return " ".join(str(text).split())


def explained(error: Exception) -> Problem:
    """A botocore error as ours. Values of arguments are left out: they may be secret."""
    if isinstance(error, exceptions.ClientError):
        details = error.response.get("Error", {})
        return Refused(details.get("Code", "Unknown"), details.get("Message", ""))
    if isinstance(error, exceptions.ParamValidationError):
        return Problem(re.sub(r", value: .*?(?=, (type|valid)|$)", "", one_line(error)))
    if isinstance(error, exceptions.EndpointConnectionError | exceptions.ConnectionClosedError):
        return Problem(f"{one_line(error)} Is the sandbox up? ./invoke sandbox.status")
    return Problem(one_line(error))
