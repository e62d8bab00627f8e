"""Creates that were cut off: the engine knows that it asked for a resource, and not whether it got one.

The engine keeps such an operation until somebody decides. The sandbox's provider answers a create that is asked for
again with what the first one made, so there it is dropped, after a refresh. AWS does not, so on AWS:

- What its own name identifies (NAMED) is taken over: it gets its place in the state with that id, and the refresh
  reads what it is, or that it is not there. Then the update makes it. All names end in the environment's suffix, so
  what has such a name is the environment's own. (`--import-pending-creates` does not do it: CLI 3.220 marks the
  operation as an import, and no refresh reads such a one.)
- What AWS makes once for a name, or changes where it is there, is asked for again and needs nothing (AGAIN).
- Anything else is dropped, and the remark says what to look for: an API or a VPC has an id of AWS's making, so one that
  was made would be left behind unseen. A name that is taken, as a secret's, fails the update by that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.operations import Operations
    from orchestration.target import Target
    from shared.stack import Stack

NAMED: Final[Mapping[str, str]] = {
    "aws:apigateway/domainName:DomainName": "domainName",
    "aws:backup/vault:Vault": "name",
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:dynamodb/table:Table": "name",
    "aws:iam/role:Role": "name",
    "aws:kms/alias:Alias": "name",
    "aws:lambda/function:Function": "name",
    "aws:s3/bucket:Bucket": "bucket",
    "aws:ssm/parameter:Parameter": "name",
    "aws:synthetics/canary:Canary": "name",
}
"""Types that are imported by one of their inputs ("Import" on their pages of the Pulumi Registry)."""
AGAIN: Final = frozenset(
    {
        "aws:cloudwatch/compositeAlarm:CompositeAlarm",
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:cloudwatch/eventRule:EventRule",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:sns/topic:Topic",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sqs/queue:Queue",
        "aws:sqs/queuePolicy:QueuePolicy",
    }
)
"""Types whose creating call answers what is there, or sets it anew: PutMetricAlarm, PutDashboard, PutRule, PutTargets,
PutRolePolicy, AttachRolePolicy, PutBucketPolicy and its like, CreateTopic, CreateQueue with the same attributes."""


def recover(target: Target, operations: Operations, stack: Stack, message: str) -> str:
    """Settle what was cut off and bring the state up to the cloud. Returns a remark, empty when nothing was.

    `message`: what the history says of it.
    """
    checkpoint = target.backend.checkpoint(stack)
    if checkpoint is None or not checkpoint.pending:
        return ""
    creating = [operation["resource"] for operation in checkpoint.pending if operation["type"] == "creating"]
    taken = {} if target.adopts_creates else {each["urn"]: found for each in creating if (found := _id(each))}
    if taken:
        _take_over(target, stack, taken)
    operations.run(stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--message", message)
    if not creating:
        return "recovered"
    if target.adopts_creates:
        return f"recovered ({_names(creating)})"
    open_ = [each for each in creating if each["urn"] not in taken and _type(each) not in AGAIN]
    settled = [each for each in creating if each not in open_]
    said = f"recovered ({_names(settled)})" if settled else "recovered"
    if not open_:
        return said
    return f"{said}; look in {target.where} for what the earlier run may have made of: {_names(open_)}"


def _take_over(target: Target, stack: Stack, taken: Mapping[str, str]) -> None:
    """Give them their place in the state, each behind what it needs, which is all there already."""

    def edit(deployment: dict[str, Any]) -> dict[str, Any]:
        pending = deployment.get("pending_operations") or []
        mine = [each for each in pending if each["type"] == "creating" and each["resource"]["urn"] in taken]
        made = [{**each["resource"], "id": taken[each["resource"]["urn"]], "outputs": {}} for each in mine]
        left = [each for each in pending if each not in mine]
        return {**deployment, "resources": [*deployment["resources"], *made], "pending_operations": left}

    target.cli.edit_state(stack, edit)


def _id(resource: Mapping[str, Any]) -> str:
    """By what the engine would import it; empty where only AWS knows."""
    found = (resource.get("inputs") or {}).get(NAMED.get(_type(resource), ""))
    return found if isinstance(found, str) else ""


def _type(resource: Mapping[str, Any]) -> str:
    """Of a URN's types, of which the last is the resource's own: `…::network::parent$aws:ec2/vpc:Vpc::vpc`."""
    return str(resource["urn"]).split("::")[2].rpartition("$")[2]


def _names(resources: list[Mapping[str, Any]]) -> str:
    return ", ".join(str(each["urn"]).rpartition("::")[2] for each in resources)
