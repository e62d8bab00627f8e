"""Which right a request needs, and to what, where the emulator asks for another than AWS.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, unquote_plus

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import acm, ec2, iam, kms, sts, tagging

from sandbox.cloud.repairs.authorization import AllowedRequest, also

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    Record = dict[str, Any]
    Refusal: TypeAlias = Any

_OWN_NAMES = {"monitoring": "cloudwatch"}
"""Services whose ARNs are named otherwise than their requests."""
_BY_ARN = frozenset({"dynamodb", "elasticloadbalancing", "events", "monitoring", "sns", "wafv2"})
"""Services whose requests name what they are about by its ARN, under changing members."""
_OF_EC2 = {
    "acl": "network-acl",
    "eni": "network-interface",
    "fl": "vpc-flow-log",
    "igw": "internet-gateway",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "subnet": "subnet",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
"""What EC2's ids begin with, and their type in ARNs."""
_ID = re.compile(rf"({'|'.join(_OF_EC2)})-[0-9a-f]+")
_NEW_OF_EC2 = {
    "CreateVpc": "vpc",
    "CreateSubnet": "subnet",
    "CreateSecurityGroup": "security-group",
    "CreateRouteTable": "route-table",
    "CreateNetworkAcl": "network-acl",
    "CreateInternetGateway": "internet-gateway",
    "CreateVpcEndpoint": "vpc-endpoint",
    "CreateFlowLogs": "vpc-flow-log",
}
_ROLES = re.compile(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+")
_PASSED: Mapping[str, str] = {
    "backup:CreateBackupSelection": "backup.amazonaws.com",
    "backup:StartCopyJob": "backup.amazonaws.com",
    "backup:StartRestoreJob": "backup.amazonaws.com",
    "ec2:CreateFlowLogs": "vpc-flow-logs.amazonaws.com",
    "lambda:CreateFunction": "lambda.amazonaws.com",
    "lambda:UpdateFunctionConfiguration": "lambda.amazonaws.com",
    "s3:PutReplicationConfiguration": "s3.amazonaws.com",
    "synthetics:CreateCanary": "lambda.amazonaws.com",
    "synthetics:UpdateCanary": "lambda.amazonaws.com",
}
"""Requests that give a role to a service, and to which."""


def of_lambda_actions() -> None:
    """An alias that is read or removed counts as a list of them, a concurrency that is read as one that is set.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    """
    taken = iam_actions._lambda_action
    iam_actions._BOTOCORE_SERVICE_MAP.update({"lambda": ["lambda"]})
    otherwise = {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"}

    def named(method: str, path: str) -> str | None:
        operation: str | None = iam_actions._match_rest_action("lambda", method, path)
        found: str | None = otherwise.get(operation, operation) if operation else taken(method, path)
        return found

    iam_actions._lambda_action = named


def of_resources() -> None:
    """Many requests are judged as about everything, so that a right to one resource does not let them through.

    Tags of most services, a rule's targets, health checks, dashboards, functions that are made, IP sets, backup vaults,
    keys by their alias, and what EC2 knows by an id: each of a request's resources is asked for.
    """
    extract = iam_actions.extract_resource_arn

    def extracted(  # noqa: PLR0917 - the emulator's own
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str
    ) -> str:
        found: str = extract(service, method, path, headers, body, query, region, account)
        if service == "ec2":
            first, *more = [*_of_ec2(query, region, account), "*"]
            _BESIDE.set(more[:-1])
            return first
        if service == "kms" and ":alias/" in found:
            return str((kms._resolve_key(found) or {}).get("Arn", found))  # an alias is a resource of its own alone
        if service == "wafv2" and "IPSet" in str(headers.get("x-amz-target", "")):
            return found.replace("/webacl/", "/ipset/")
        if found != "*":
            return found
        return _by_name(service, path, body, region, account) or _by_arn(service, body) or "*"

    iam_actions.extract_resource_arn = extracted
    also(_each_of_ec2)


def of_tags() -> None:
    """A policy cannot ask for the tags of what EC2 and ACM have made: to it they have none.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourcetag
    """
    collectors: dict[str, Any] = tagging._RESOURCE_TAG_COLLECTORS
    collectors["ec2"], collectors["acm"] = _tagged_by_ec2, _tagged_by_acm


def of_passed_roles() -> None:
    """Whoever may make a function may give it any role of the account: AWS asks for `iam:PassRole` on that one.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    also(_may_pass)


def of_mfa() -> None:
    """Nobody has ever shown a second factor: conditions on `aws:MultiFactorAuthPresent` are never met.

    A device's code is not computed here: six digits do, with the serial number of a device that is the caller's.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    """
    answer, caller, keys = sts.handle_request, sts._caller_identity, iam_evaluator._principal_keys

    async def asked(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        form = {**query, **parse_qs(body.decode("utf-8", errors="replace"))}
        _FACTOR.set((_first(form, "SerialNumber"), _first(form, "TokenCode")))
        known = sts._sessions.keys() - set()
        answered = await answer(method, path, headers, body, query)
        if _first(form, "Action") == "GetSessionToken":
            for key in sts._sessions.keys() - known:
                sts._sessions[key][_SHOWN] = _is_his(sts._sessions[key]["PrincipalName"])
        return answered

    def asking(headers: Any, query: Any = None) -> Any:
        found = caller(headers, query)
        if isinstance(found, dict) and "principalKeys" in found and _is_his(found["principalName"]):
            found["principalKeys"] = {**found["principalKeys"], _KEY: "true"}
        return found

    def described(credential: Any) -> Record:
        told: Record = keys(credential)
        session = sts._sessions.get(credential.access_key_id) or {}
        return {**told, _KEY: "true"} if session.get(_SHOWN) else told

    sts.handle_request, sts._caller_identity = asked, asking
    iam_evaluator._principal_keys = sts._principal_keys = described


_KEY = "aws:multifactorauthpresent"
_SHOWN = "MultiFactorAuthPresent"
_FACTOR: ContextVar[tuple[str, str]] = ContextVar("factor", default=("", ""))
"""Serial number and code that a request to STS shows."""
_BESIDE: ContextVar[list[str]] = ContextVar("beside", default=[])  # noqa: B039 - replaced, never changed
"""What a request to EC2 is about, beside the first."""


def _is_his(user: str) -> bool:
    serial, code = _FACTOR.get()
    device = iam._mfa_devices.get(serial) or {}
    return bool(user) and device.get("User") == user and re.fullmatch(r"\d{6}", code) is not None


def _by_arn(service: str, body: bytes) -> str | None:
    """The first ARN of the service's own that a request has."""
    if service not in _BY_ARN:
        return None
    text = unquote_plus(body.decode("latin-1"))
    for each in (_OWN_NAMES.get(service, service), "apigateway", "elasticloadbalancing"):  # a firewall's are others'
        if found := re.search(rf"arn:aws:{each}:[\w+=,.@:/*-]+", text):
            return found[0]
    return None


_NAMED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "backup": ((r"/backup-vaults/([^/]+)", "backup-vault:{}"), (r"/backup/plans/([^/]+)", "backup-plan:{}")),
    "events": ((r'"Rule":\s*"([^"]+)"', "rule/{}"),),
    "elasticloadbalancing": (
        (r"Action=CreateLoadBalancer&(?:.*&)?Name=([\w-]+)", "loadbalancer/app/{}/*"),
        (r"Action=CreateTargetGroup&(?:.*&)?Name=([\w-]+)", "targetgroup/{}/*"),
    ),
    "kms": ((r'"AliasName":\s*"([^"]+)"', "{}"),),
    "lambda": ((r'/functions/?\n.*"FunctionName":\s*"([^"]+)"', "function:{}"),),
    "route53": ((r"/healthcheck/([^/\n]+)", "healthcheck/{}"), (r"/hostedzone/([^/\n]+)", "hostedzone/{}")),
}
"""By service: where a path, or the body in the line below, has a name, and the ARN's end with it."""
_FIRST = r"s?(?:\.member\.1)?(?:=|\":\s*\[?\"|[\x80-\x9f]?(?:[\x60-\x77]|\x78.))([\w.-]+)"
"""A member's value, or a list's first, of a form, of JSON or of CBOR (there one or two bytes of the text's length)."""


def _by_name(service: str, path: str, body: bytes, region: str, account: str) -> str | None:
    text = f"{unquote(path)}\n{body.decode('latin-1')}"
    place = "arn:aws:route53:::" if service == "route53" else f"arn:aws:{service}:{region}:{account}:"
    for pattern, end in _NAMED.get(service, ()):
        if found := re.search(pattern, text, re.DOTALL):
            return place + end.format(found[1])
    if service == "monitoring":
        if found := re.search("DashboardName" + _FIRST, text, re.DOTALL):
            return f"arn:aws:cloudwatch::{account}:dashboard/{found[1]}"
        if "AlarmTypes" not in text and (found := re.search("AlarmNames" + _FIRST, text, re.DOTALL)):
            return f"arn:aws:cloudwatch:{region}:{account}:alarm:{found[1]}"
    return None


def _first(query: Any, name: str) -> str:
    found = query.get(name) or ""
    return str(found[0] if isinstance(found, list) else found)


def _of_ec2(query: Any, region: str, account: str) -> Iterator[str]:
    """ARNs of what a request names by id, and of what it would make."""
    action = _first(query, "Action")
    if action.startswith("Describe") and action != "DescribeVpcAttribute":
        return
    place = f"arn:aws:ec2:{region}:{account}"
    if new := _NEW_OF_EC2.get(action):
        yield f"{place}:{new}/*"
    for name in sorted(query):
        found = _ID.fullmatch(_associated(_first(query, name)))
        if found and not (found[1] == "sgr" and action.startswith("Revoke")):  # asked for of its group
            yield f"{place}:{_OF_EC2[found[1]]}/{found[0]}"


def _associated(name: str) -> str:
    """The route table or network ACL that an association is one of; all else is itself."""
    for store, has in ((ec2._route_tables, "RouteTableAssociationId"), (ec2._network_acls, "NetworkAclAssociationId")):
        for each, record in store.items() if name.startswith(("rtbassoc-", "aclassoc-")) else ():
            if any(association.get(has) == name for association in record.get("Associations") or ()):
                return str(each)
    return name


def _each_of_ec2(asked: AllowedRequest) -> Refusal:
    beside = _BESIDE.get() if asked.service == "ec2" else []
    _BESIDE.set([])
    for each in beside:
        if (refused := asked.ask(asked.action, "ec2", each, asked.context)) is not None:
            return refused
    return None


def _may_pass(asked: AllowedRequest) -> Refusal:
    service = _PASSED.get(asked.action)
    for role in sorted(set(_ROLES.findall(unquote_plus(asked.body.decode("latin-1"))))) if service else ():
        refused = asked.ask("iam:PassRole", "iam", role, {"iam:PassedToService": service})
        if refused is not None:
            return refused
    return None


def _tagged_by_ec2() -> Iterator[tuple[str, list[dict[str, str]]]]:
    place = f"arn:aws:ec2:{get_region()}:{get_account_id()}"
    for name, tags in ec2._tags.items():
        if found := _ID.fullmatch(name):
            yield f"{place}:{_OF_EC2[found[1]]}/{name}", tags


def _tagged_by_acm() -> Iterator[tuple[str, list[dict[str, str]]]]:
    for arn, certificate in acm._certificates.items():
        yield arn, certificate.get("Tags") or []
