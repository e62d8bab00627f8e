"""Nothing is open to the public but the load balancer's own entrance, and nothing is read or written without TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from policies.asked import AskedResource, as_list, statements, unknown
from policies.facts import Facts

PUBLIC = {"public-clients": "clients and health checkers come from anywhere, to the load balancer's HTTPS alone"}
"""Security group rules that let in everybody, by their name in the program, with the reason."""
HTTPS = 443
NARROW = {4: 16, 6: 32}
"""The widest ranges that count as a limit, by their prefix: S3 takes a range that is half of the Internet for none."""
ONE_ACCOUNT = ("aws:principalaccount", "aws:sourceaccount", "aws:principalorgid")
"""Condition keys that limit a statement to somebody we know, where they must equal a value."""
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def public(asked: AskedResource, _: Facts) -> Iterator[str]:
    """What of a resource anybody could reach."""
    if not asked.aws:
        return
    if any(map(open_to_the_world, statements(asked))):
        yield "a statement lets in everybody: name the principal, or limit it to an account or to addresses"
    if check := CHECKS.get(asked.kind):
        yield from check(asked)
    for field in ("publiclyAccessible", "associatePublicIpAddress", "mapPublicIpOnLaunch"):
        if asked[field] is True:
            yield f"{field} is true: leave it out"
    if str(asked["acl"] or "").startswith(("public", "authenticated")):
        yield f"acl is {asked['acl']}: leave it out, and let policies say who may"


def open_to_the_world(statement: Mapping[str, Any]) -> bool:
    """Whether a statement, its elements in lower case, lets in somebody whom neither account nor address limits."""
    principal = statement.get("principal")
    said = list(principal.values()) if isinstance(principal, Mapping) else [principal]
    if statement.get("effect") == "Deny" or not any("*" in as_list(each) for each in said):
        return False
    conditions = {
        (operator.lower(), key.lower()): value
        for operator, tests in (statement.get("condition") or {}).items()
        for key, value in tests.items()
    }
    known = any(
        value and "*" not in str(value)
        for (operator, key), value in conditions.items()
        if operator == "stringequals" and key in ONE_ACCOUNT
    )
    ranges = [ip_network(each) for each in as_list(conditions.get(("ipaddress", "aws:sourceip")))]
    narrow = bool(ranges) and all(each.is_global and each.prefixlen >= NARROW[each.version] for each in ranges)
    return not known and not narrow


def _block(asked: AskedResource) -> Iterator[str]:
    for field in BLOCKS:
        if not asked.unknown(field) and asked[field] is not True:
            yield f"{field} is {asked[field]!r}: all four blocks are on"


def _bucket_policy(asked: AskedResource) -> Iterator[str]:
    if not asked.unknown("policy") and not any(map(tls_only, statements(asked))):
        yield "its policy lets requests in without TLS: add the statement TlsOnly of shared/components/buckets.py"


def tls_only(statement: Mapping[str, Any]) -> bool:
    """Whether a statement of a bucket's policy refuses all that comes without TLS, of the bucket and what is in it."""
    resources = as_list(statement.get("resource"))
    return (
        statement.get("effect") == "Deny"
        and statement.get("principal") in ("*", {"AWS": "*"})
        and as_list(statement.get("action")) == ["s3:*"]
        and statement.get("condition") == {"Bool": {"aws:SecureTransport": "false"}}
        and any(f"{each}/*" in resources for each in resources)
    )


def _permission(asked: AskedResource) -> Iterator[str]:
    if asked["principal"] == "*":
        yield "anybody may call the function: name the service that does"


def _url(asked: AskedResource) -> Iterator[str]:
    if asked["authorizationType"] != "AWS_IAM":
        yield "anybody may call the function by its URL: let the entry point call it"


def _ingress(asked: AskedResource) -> Iterator[str]:
    https = (asked["ipProtocol"], asked["fromPort"], asked["toPort"]) == ("tcp", HTTPS, HTTPS)
    for field in ("cidrIpv4", "cidrIpv6"):
        if _wide(asked[field]) and not (https and asked.name in PUBLIC):
            yield f"{field} {asked[field]} lets in everybody: name a security group or a prefix list"


def _group(asked: AskedResource) -> Iterator[str]:
    for block in as_list(asked["ingress"]):
        for each in (*as_list(block.get("cidrBlocks")), *as_list(block.get("ipv6CidrBlocks"))):
            if _wide(each):
                yield f"ingress from {each} lets in everybody: write a SecurityGroupIngressRule"


def _old_rule(asked: AskedResource) -> Iterator[str]:
    for each in (*as_list(asked["cidrBlocks"]), *as_list(asked["ipv6CidrBlocks"])):
        if asked["type"] == "ingress" and _wide(each):
            yield f"ingress from {each} lets in everybody: name a security group"


def _wide(cidr: Any) -> bool:
    if not cidr or unknown(cidr):
        return False
    network = ip_network(cidr, strict=False)
    return not network.is_private and network.prefixlen < NARROW[network.version]


def _share(asked: AskedResource) -> Iterator[str]:
    said = [asked["group"], *as_list(asked["sharedAccounts"]), asked["accountId"]]
    if "all" in said:
        yield "a copy of our data is shared with everybody: name the account"


CHECKS: Mapping[str, Callable[[AskedResource], Iterator[str]]] = {
    "AmiLaunchPermission": _share,
    "BucketPolicy": _bucket_policy,
    "BucketPublicAccessBlock": _block,
    "DefaultSecurityGroup": _group,
    "FunctionUrl": _url,
    "Permission": _permission,
    "SecurityGroup": _group,
    "SecurityGroupIngressRule": _ingress,
    "SecurityGroupRule": _old_rule,
    "Snapshot": _share,
    "SnapshotCreateVolumePermission": _share,
}
