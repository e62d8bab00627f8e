"""No right is wider than it must be (A3): no `*` in what an Allow statement allows, but for what is listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.asked import AskedResource, as_list, statements, unknown
from policies.conditions import demands_names
from policies.facts import Facts
from policies.names import carries

WILD = frozenset("*?")
"""What stands for other characters in an action or an ARN (IAM User Guide, "Resource")."""

WITHOUT_RESOURCE = frozenset({"cloudwatch:getmetricdata", "route53:listhealthchecks"})
"""Actions that AWS lets nobody limit to a resource (Service Authorization Reference); nothing else beside them."""

NEGATED = {
    "notaction": "NotAction allows all other actions: list those that are meant",
    "notresource": "NotResource allows all other resources: list those that are meant",
    "notprincipal": "NotPrincipal allows everybody else: list those that are meant",
}

KEYS = frozenset({"aws:kms/key:Key", "aws:kms/replicaKey:ReplicaKey"})
"""A key policy's resource is the key itself, which only `*` can say."""


SECRET_ENDING = re.compile(r"(?<=-)\?{6}$")
"""The six characters that Secrets Manager ends a secret's ARN with, where a policy is made before the secret (Secrets
Manager User Guide, "Reference secrets in IAM policies")."""


@dataclass(frozen=True)
class Exemption:
    """An Allow statement that AWS gives no other form. Whatever else its policy allows is judged."""

    name: str
    """The resource's name in the program."""
    actions: frozenset[str]
    """All that the statement allows."""
    resource: str
    """A pattern of what it names."""
    reason: str
    condition: str = ""
    """The condition key without which it is not exempt: it must have a value that the statement spells out."""

    def covers(self, name: str, statement: Mapping[str, Any], resource: str) -> bool:
        """Whether it is made for what a statement, its elements in lower case, allows on a resource."""
        return (
            name == self.name
            and set(as_list(statement.get("action"))) == self.actions
            and re.fullmatch(self.resource, resource) is not None
            and (not self.condition or demands_names(statement, self.condition))
        )


EXEMPTIONS = (
    Exemption(
        "flow-logs",
        frozenset({"logs:DescribeLogGroups"}),
        r"arn:aws:logs:[a-z0-9-]+:\d{12}:log-group:\*",
        "it lists groups: there is no narrower resource, and the VPC guide asks for it",
    ),
    Exemption(
        "operations",
        frozenset({"cloudwatch:DescribeAlarms", "route53:ListTagsForResources"}),
        r"\*",
        "alarms are listed, and checks are known by their tags: which ones is not known before",
    ),
    Exemption(
        "synthetics",
        frozenset({"cloudwatch:PutMetricData"}),
        r"\*",
        "it knows no resource: a condition names the one namespace",
        condition="cloudwatch:namespace",
    ),
    Exemption(
        "vault-backup",
        frozenset({"backup:CopyFromBackupVault"}),
        r"\*",
        "it knows no resource: a condition names the one vault that copies may go to",
        condition="backup:CopyTargets",
    ),
    Exemption(
        "vault-backup",
        frozenset({"backup:TagResource"}),
        r"arn:aws:backup:[a-z0-9-]+:\d{12}:recovery-point:\*",
        "a recovery point's ARN is an id that nobody knows before",
        condition="aws:ResourceAccount",
    ),
    Exemption(
        "endpoints-kms",
        frozenset({"kms:Decrypt", "kms:GenerateDataKey"}),
        r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/\*",
        "a key's ARN is a random id that another layer learns later: a condition names its alias",
        condition="kms:ResourceAliases",
    ),
)

AWS_POLICIES = {
    "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole": "interfaces have no name beforehand",
    "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess": "X-Ray knows no resource",
}
"""AWS's own policies that a role may have, where an action cannot be limited to a resource."""


def too_wide(asked: AskedResource, facts: Facts) -> Iterator[str]:
    """What a resource's policies allow beyond what they must name, but for what is exempt."""
    for statement in statements(asked):
        for found in wide(statement, facts, asked.name, is_key=asked.type in KEYS):
            yield f"{found}: name what is meant, or exempt it with its reason in policies/rights.py"
    attached = [asked["policyArn"]] if asked.kind == "RolePolicyAttachment" else as_list(asked["managedPolicyArns"])
    for arn in attached:
        if arn and not unknown(arn) and arn not in AWS_POLICIES:
            yield f"{arn} is none of AWS's policies that policies/rights.py lists: write what is meant as statements"


def wide(statement: Mapping[str, Any], facts: Facts, name: str = "", *, is_key: bool = False) -> Iterator[str]:
    """What one statement, its elements in lower case, allows too widely. Only Deny, written just so, allows nothing.

    name: of the resource that has it, as its exemptions are listed by that.
    """
    if statement.get("effect") == "Deny":
        return
    yield from (found for element, found in NEGATED.items() if element in statement)
    actions = [str(action) for action in as_list(statement.get("action"))]
    yield from (f"action {action}" for action in actions if WILD & set(action))
    principal = statement.get("principal")
    for kind in principal.values() if isinstance(principal, Mapping) else ():
        yield from (f"principal {each}" for each in as_list(kind) if WILD & set(str(each)))
    unlimited = bool(actions) and {action.lower() for action in actions} <= WITHOUT_RESOURCE
    for resource in map(str, as_list(statement.get("resource"))):
        whole = resource == "*" and (is_key or unlimited)
        if not whole and _wild(resource, facts) and not exemption(name, statement, resource):
            yield f"resource {resource}"


def exemption(name: str, statement: Mapping[str, Any], resource: str) -> Exemption | None:
    """The exemption that covers what a statement allows on a resource."""
    return next((each for each in EXEMPTIONS if each.covers(name, statement, resource)), None)


def _wild(resource: str, facts: Facts) -> bool:
    """Whether a resource's ARN says more than a full name, and what is under it."""
    name = SECRET_ENDING.sub("", re.sub(r"[/:]\*$", "", resource))
    return bool(WILD & set(name)) or (name != resource and not carries(name, facts.suffix))
