"""Nobody is let in, called or told that is of another account than the one that a stack is deployed to.

No input of a resource says which that is, and the environment's file does not either: programs ask AWS. So the accounts
that a stack's resources name are compared: with what AWS says of the stack's own roles and keys, once it has made some,
and before that with each other, as every stack names its own account in several places. What AWS itself does for us it
does as a service, so no account of AWS's is needed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.asked import AskedResource, as_list, statements

OWN = frozenset({"aws:iam/role:Role", "aws:kms/key:Key", "aws:kms/replicaKey:ReplicaKey"})
"""Types with an ARN that AWS alone gives, with the account in it."""

TYPES = OWN | {
    "aws:apigateway/restApi:RestApi",
    "aws:backup/vaultPolicy:VaultPolicy",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:lambda/eventSourceMapping:EventSourceMapping",
    "aws:lambda/permission:Permission",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:sqs/queue:Queue",
    "aws:sqs/queuePolicy:QueuePolicy",
}
"""Types that say who may, or who is told."""

IN_ARN = re.compile(r"arn:[^:]*:[^:]*:[^:]*:(\d{12}):.*", re.DOTALL)
ALONE = re.compile(r"\d{12}")
SAYS_ACCOUNT = re.compile(r".*account(id|s)?|principal|aws", re.IGNORECASE)
"""Names of fields and condition keys whose value may be an account's number alone: `sourceAccount`,
`aws:PrincipalAccount`, and `AWS` of a statement's principals."""


def strangers(resources: Sequence[AskedResource]) -> Iterator[tuple[AskedResource, str]]:
    """The resources of a stack that name an account which is not the stack's, and which."""
    named = [(each, set(_accounts_of(each))) for each in resources if each.type in TYPES]
    ours = _ours(named)
    for asked, accounts in named:
        for account in sorted(accounts - ours):
            told = f"the stack's is {', '.join(sorted(ours))}" if ours else "others of the stack name another"
            yield asked, f"it names account {account}, and {told}: name what is of the account that it is deployed to"


def _ours(named: Sequence[tuple[AskedResource, set[str]]]) -> set[str]:
    """The stack's account: as AWS says, else the one that most of its resources name; none where two are level."""
    if said := {
        match.group(1) for asked, _ in named if asked.type in OWN and (match := IN_ARN.fullmatch(str(asked["arn"])))
    }:
        return said
    counted = Counter(account for _, accounts in named for account in accounts)
    most = {account for account, count in counted.items() if count == max(counted.values())}
    return most if len(most) == 1 else set()


def _accounts_of(asked: AskedResource) -> Iterator[str]:
    yield from _accounts(asked.properties)
    for statement in statements(asked):
        if statement.get("effect") != "Deny":
            yield from _accounts(statement)


def _accounts(value: Any, field: str = "") -> Iterator[str]:
    """The accounts in a value, however deep; a policy in it is left to its statements."""
    if isinstance(value, Mapping):
        if not any(str(key).lower() == "statement" for key in value):
            for key, each in value.items():
                yield from _accounts(each, str(key))
    elif isinstance(value, list | tuple):
        for each in as_list(value):
            yield from _accounts(each, field)
    elif isinstance(value, str):
        if match := IN_ARN.fullmatch(value):
            yield match.group(1)
        elif ALONE.fullmatch(value) and SAYS_ACCOUNT.fullmatch(field):
            yield value
