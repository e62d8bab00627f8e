"""IAM's judgement of requests that the emulator does not answer. It believes who they say they are from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import AuthError
from ministack.core.responses import request_scope

if TYPE_CHECKING:
    from sandbox.cloud.requests import Signed


def refused(signature: Signed, account: str, action: str, resource: str = "*") -> str | None:
    """Why the caller may not do it; None when he may."""
    with request_scope(account, signature.region):
        found = iam_evaluator.enforce(signature.key, action, signature.service, signature.region, resource)
    if found is None:
        return None
    if isinstance(found, AuthError):
        return str(found.message)
    return f"User: {found.principal_arn} is not authorized to perform: {action} on resource: {resource}"
