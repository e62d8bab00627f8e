"""Errors as the AWS SDK raises them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError


def refused(code: str, operation: str, status: int, **members: Any) -> ClientError:
    """A service's answer that is an error; `members` are the error's own, such as `Item`."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": "simulated"},
            "ResponseMetadata": {"HTTPStatusCode": status},
            **members,
        },
        operation,
    )


def named(error: Exception) -> str:
    """The error for people, in a word or two."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else str(error)


def timed_out(service: str) -> ReadTimeoutError:
    """No answer within the client's patience."""
    return ReadTimeoutError(endpoint_url=f"https://{service}.simulated")
