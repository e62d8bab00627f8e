"""What a request to the cloud is: which region, service and operation it is for, and who asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sandbox.server import Scope

GLOBAL_SERVICES = frozenset({"iam", "route53", "cloudfront", "organizations"})
"""They are signed for us-east-1 and do not end with it: DNS and permissions go on when a region is out."""

_SCOPE = re.compile(r"([^/=,\s]+)/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
"""In the body of the Query protocol."""
CBOR = re.compile(r"^/service/\w+/operation/(\w+)$")
_INVOKE = re.compile(r"^/\d{4}-\d{2}-\d{2}/functions/[^/]+/invocations$")

_OBJECTS = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
}
_LISTS = {"versions": "ListObjectVersions", "delete": "DeleteObjects"}

NAMED_BY_REST: dict[str, frozenset[str]] = {
    "lambda": frozenset({"Invoke"}),
    "s3": frozenset({*_OBJECTS.values(), *_LISTS.values(), "ListObjectsV2"}),
}
"""By service whose requests name their operation by method and path: those that `operation` knows."""


class Signed(NamedTuple):
    """What an AWS request was signed for, and with which key; empty when it was not."""

    region: str
    """Empty for global services, which belong to no region."""
    service: str
    key: str = ""


def signed(authorization: str, query: str) -> Signed:
    """Read a request's signature, in its header or in its presigned URL."""
    scope = _SCOPE.search(authorization) or _SCOPE.search(unquote(query))
    if scope is None:
        return Signed("", "")
    return Signed("" if scope[3] in GLOBAL_SERVICES else scope[2], scope[3], scope[1])


def operation(scope: Scope, service: str, target: str, form: bytes = b"") -> str:
    """The operation of AWS's API, such as PutItem; empty where it cannot be told.

    `target` is the request's X-Amz-Target, `form` its body, where the Query protocol names its action.
    """
    if target:
        return target.rpartition(".")[2]
    path: str = scope["path"]
    if named := CBOR.match(path):
        return str(named[1])
    if service == "lambda" and scope["method"] == "POST" and _INVOKE.match(path):
        return "Invoke"
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if service == "s3":
        return _s3_operation(scope, query.keys())
    if "Action" in query:
        return str(query["Action"][0])
    return found[1].decode() if (found := ACTION.search(form)) else ""


def _s3_operation(scope: Scope, names: AbstractSet[str]) -> str:
    """Of objects and their lists: what an application calls; `names` are those of the query."""
    if "/" in scope["path"].strip("/"):
        return _OBJECTS.get(scope["method"], "") if not names & {"uploads", "uploadId", "tagging", "acl"} else ""
    for name, found in _LISTS.items():
        if name in names:
            return found
    return "ListObjectsV2" if scope["method"] == "GET" and "list-type" in names else ""
