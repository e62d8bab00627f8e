"""Every physical name carries the environment's suffix, so that two environments can share an account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.asked import AskedResource, unknown
from policies.facts import Facts

PHYSICAL_NAMES = {
    "Bucket": "bucket",
    "Canary": "name",
    "CompositeAlarm": "alarmName",
    "Dashboard": "dashboardName",
    "DomainName": "domainName",
    "EventRule": "name",
    "Function": "name",
    "IpSet": "name",
    "LoadBalancer": "name",
    "LogGroup": "name",
    "MetricAlarm": "name",
    "Parameter": "name",
    "Queue": "name",
    "Record": "name",
    "RestApi": "name",
    "Role": "name",
    "RolePolicy": "name",
    "Secret": "name",
    "SecurityGroup": "name",
    "Table": "name",
    "TargetGroup": "name",
    "Topic": "name",
    "WebAcl": "name",
    "Zone": "name",
    "Plan": "name",
    "Selection": "name",
    "Vault": "name",
    "Certificate": "domainName",
}
"""Types whose name an account, a region or the world has once, with the input that says it."""

TAGGED_NAMES = {
    "DefaultSecurityGroup",
    "FlowLog",
    "HealthCheck",
    "InternetGateway",
    "NetworkAcl",
    "RouteTable",
    "Subnet",
    "Vpc",
    "VpcEndpoint",
}
"""Types that have no name but a tag."""

PARTS = {
    "BasePathMapping", "BucketLifecycleConfiguration", "BucketLogging", "BucketObjectLockConfiguration",
    "BucketObjectv2", "BucketOwnershipControls", "BucketPolicy", "BucketPublicAccessBlock", "BucketReplicationConfig",
    "BucketServerSideEncryptionConfiguration", "BucketVersioning", "CertificateValidation", "Deployment",
    "EventSourceMapping", "EventTarget", "FunctionEventInvokeConfig", "Integration", "Invocation", "Key", "Listener",
    "ListenerRule", "Method", "MethodSettings", "Model", "NetworkAclAssociation", "NetworkAclRule", "Permission",
    "ProvisionedConcurrencyConfig", "QueuePolicy", "RandomPassword", "ReplicaKey", "RequestValidator", "Resource",
    "Response", "RolePolicyAttachment", "Route", "RouteTableAssociation", "SecretVersion", "SecurityGroupEgressRule",
    "SecurityGroupIngressRule", "Stage", "Tag", "TargetGroupAttachment", "TopicPolicy", "TopicSubscription",
    "VaultLockConfiguration", "WebAclAssociation", "WebAclLoggingConfiguration",
}  # fmt: skip
"""Types that are part of another resource, or get an id from AWS."""

OF_A_NAME = {"DomainName", "Record"}
"""Types that also have the name of a system before this one, which clients know."""

OF_A_FUNCTION = "aws:lambda/alias:Alias"
"""An alias that is named within its function; that of a key is named within the region."""


def without_suffix(asked: AskedResource, facts: Facts) -> Iterator[str]:
    """What of a resource's name lacks the suffix."""
    if not asked.type.startswith(("aws:", "random:")) or asked.kind in PARTS or asked.type == OF_A_FUNCTION:
        return
    if asked.kind in TAGGED_NAMES:
        said, name = "its tag Name", (asked["tags"] or {}).get("Name")
        known = not asked.unknown("tags")
    elif field := PHYSICAL_NAMES.get(asked.kind, "name" if asked.kind == "Alias" else ""):
        said, name, known = field, asked[field], not asked.unknown(field)
    else:
        yield "nobody has said how this type is named: put it into one of the tables of policies/names.py"
        return
    if asked.kind in OF_A_NAME and facts.taken and _is_or_proves(name, facts.taken):
        return
    if known and not unknown(name) and not carries(name, facts.suffix):
        yield f"{said} is {name!r}, without the suffix: make it with shared/naming.py, which adds {facts.suffix}"


def _is_or_proves(name: Any, taken: str) -> bool:
    """Whether a DNS name is the one that is taken over, or the one below it that proves to ACM whose it is."""
    plain = str(name).removesuffix(".")
    return plain == taken or (plain.startswith("_") and plain.partition(".")[2] == taken)


def carries(name: Any, suffix: str) -> bool:
    """Whether the suffix is a part of a name by itself: `api-x7k2`, not `apix7k2`."""
    return isinstance(name, str) and suffix in re.split(r"[^A-Za-z0-9]+", name)
