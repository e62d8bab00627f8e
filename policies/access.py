"""Nothing is open to the public but the load balancer's own entrance, and nothing is read or written without TLS.

Of which account somebody is who is let in, says `policies/accounts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from policies.asked import AskedResource, as_list, statements, unknown
from policies.conditions import demanded, demands_names, spelled_out
from policies.facts import Facts

PUBLIC = {"public-clients": "clients and health checkers come from anywhere, to the load balancer's HTTPS alone"}
"""Security group rules that let in everybody, by their name in the program, with the reason."""
HTTPS = 443
ANYWHERE = "0.0.0.0/0"
BY_ADDRESS = {"stop-switch": "Route 53's health checkers have no principal, and AWS says where they are"}
"""Resources with a policy that limits somebody by addresses alone, by their name in the program, with the reason."""
NARROW = {4: 16, 6: 32}
"""The widest ranges that count as a limit, by their prefix: S3 takes a range that is half of the Internet for none."""
ONE_ACCOUNT = ("aws:PrincipalAccount", "aws:SourceAccount")
"""Condition keys that limit a statement to an account, where they must equal a value. An organization is none: which
one is ours, nobody says."""
OURS = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""The ranges that no route of the Internet leads to (RFC 1918, RFC 6598, RFC 4193)."""
EVERY_PORT = (1, 65535)
ACCOUNT = re.compile(r"\d{12}")
SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com")
OF_OTHERS = re.compile(r"com\.amazonaws\.vpce\.[a-z0-9-]+\.vpce-svc-[0-9a-f]+")
"""A service of somebody else behind an endpoint, for which AWS takes no policy: "When you create a VPC endpoint for an
endpoint service other than an AWS service, we allow full access to the endpoint."

https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
"""
NO_SOURCE = {
    ("lambda.amazonaws.com", "sts:AssumeRole"): (
        "an execution role's trust is documented without a source, and only a function of its own account gets the "
        "role: https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html, "
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html"
    ),
}
"""What a service may do without a word for whom, by service and action, with AWS's page."""
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def public(asked: AskedResource, _: Facts) -> Iterator[str]:
    """What of a resource anybody could reach."""
    if not asked.aws:
        return
    for statement in statements(asked):
        if open_to_the_world(statement, by_address=asked.name in BY_ADDRESS):
            yield "a statement lets in everybody: name the principal, or limit it to an account"
        for service in for_anybody(statement):
            yield f"{service} acts for anybody in a statement: limit it by aws:SourceAccount or aws:SourceArn"
        for principal in of_no_account(statement):
            yield f"principal {principal} says no account: name the ARN of a user or role"
    if check := CHECKS.get(asked.kind):
        yield from check(asked)
    for field in ("publiclyAccessible", "associatePublicIpAddress", "mapPublicIpOnLaunch"):
        if asked[field] is True:
            yield f"{field} is true: leave it out"
    if str(asked["acl"] or "").startswith(("public", "authenticated")):
        yield f"acl is {asked['acl']}: leave it out, and let policies say who may"


def open_to_the_world(statement: Mapping[str, Any], *, by_address: bool = True) -> bool:
    """Whether a statement, its elements in lower case, lets in somebody whom no account limits.

    by_address: whether narrow ranges of addresses are a limit too.
    """
    principal = statement.get("principal")
    said = list(principal.values()) if isinstance(principal, Mapping) else [principal]
    if statement.get("effect") == "Deny" or not any("*" in as_list(each) for each in said):
        return False
    conditions = {
        (operator.lower(), key.lower()): value
        for operator, tests in (statement.get("condition") or {}).items()
        for key, value in tests.items()
    }
    known = any(demands_names(statement, key) for key in ONE_ACCOUNT)
    ranges = [ip_network(each) for each in as_list(conditions.get(("ipaddress", "aws:sourceip")))]
    narrow = bool(ranges) and all(each.is_global and each.prefixlen >= NARROW[each.version] for each in ranges)
    return not known and not (narrow and by_address)


def for_anybody(statement: Mapping[str, Any]) -> Iterator[str]:
    """The services that a statement lets in on behalf of whoever asks them: each is a confused deputy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    by_source = any(all(map(one_source, arns)) for arns in demanded(statement, "aws:SourceArn"))
    if by_source or demands_names(statement, "aws:SourceAccount"):
        return
    actions = as_list(statement.get("action"))
    for service in map(str, principals(statement, "service")):
        if not actions or any((service, action) not in NO_SOURCE for action in actions):
            yield service


def one_source(arn: str) -> bool:
    """Whether an ARN is of one account, or of one thing where ARNs say no account, as those of buckets."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return False
    account, thing = parts[4], parts[5].partition("/")[0]
    return ACCOUNT.fullmatch(account) is not None if account else spelled_out(thing)


def of_no_account(statement: Mapping[str, Any]) -> Iterator[str]:
    """The principals of a statement that are of an account, but do not say of which; or of none."""
    for kind in ("canonicaluser", "federated"):
        yield from (str(each) for each in principals(statement, kind) if not str(each).startswith("arn:"))
    for each in map(str, principals(statement, "aws")):
        if each != "*" and not each.startswith("arn:") and not ACCOUNT.fullmatch(each) and not unknown(each):
            yield each


def principals(statement: Mapping[str, Any], kind: str) -> list[Any]:
    """Those of one kind, in lower case, that a statement lets in."""
    said = statement.get("principal")
    if statement.get("effect") == "Deny" or not isinstance(said, Mapping):
        return []
    return [each for key, several in said.items() if str(key).lower() == kind for each in as_list(several)]


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
    if not asked.unknown("principal") and not SERVICE.fullmatch(str(asked["principal"])):
        yield "anybody or a stranger may call the function: name the service that does"
    known = asked.unknown("sourceArn") or asked["sourceAccount"] or asked.unknown("sourceAccount")
    if not known and not one_source(str(asked["sourceArn"])):
        yield f"{asked['principal']} acts for anybody who calls the function: limit it by sourceArn or sourceAccount"


def _endpoint(asked: AskedResource) -> Iterator[str]:
    service = asked["serviceName"]
    if asked.unknown("policy") or asked["policy"] or asked.unknown("serviceName"):
        return
    if not OF_OTHERS.fullmatch(str(service)):
        yield f"it has no policy, so all of {service} may be asked by it: write one, as projects/network/endpoints.py"


def _url(asked: AskedResource) -> Iterator[str]:
    if asked["authorizationType"] != "AWS_IAM":
        yield "anybody may call the function by its URL: let the entry point call it"


def _ingress(asked: AskedResource) -> Iterator[str]:
    https = (asked["ipProtocol"], asked["fromPort"], asked["toPort"]) == ("tcp", HTTPS, HTTPS)
    entrance = https and asked.name in PUBLIC and asked["cidrIpv4"] == ANYWHERE
    yield from _way("ingress", asked.properties, entrance=entrance)


def _egress(asked: AskedResource) -> Iterator[str]:
    yield from _way("egress", asked.properties)


def _group(asked: AskedResource) -> Iterator[str]:
    for way in ("ingress", "egress"):
        for block in as_list(asked[way]):
            if not unknown(block):
                yield from _way(way, block)


def _old_rule(asked: AskedResource) -> Iterator[str]:
    yield from _way(str(asked["type"]), asked.properties)


def _acl_rule(asked: AskedResource) -> Iterator[str]:
    internet = any(map(_of_the_internet, (asked["cidrBlock"], asked["ipv6CidrBlock"])))
    if internet and asked["ruleAction"] != "deny" and _every_port(asked.properties):
        yield "it lets every port through to or from the Internet: name the ports"


def _way(way: str, rule: Mapping[str, Any], *, entrance: bool = False) -> Iterator[str]:
    """What of a security group's rule, or of a block in its group, is too wide."""
    ranges = (rule.get(field) for field in ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks"))
    for each in (each for several in ranges for each in as_list(several)):
        if _of_the_internet(each) and not entrance:
            yield f"{way}: {each} is of the Internet: name a security group or a prefix list"
    if _every_port(rule):
        yield f"{way}: it is for every port: name the port"


def _every_port(rule: Mapping[str, Any]) -> bool:
    """Whether a rule is for all protocols, or for all ports of one: without them, and from -1, it is for all."""
    protocol, first, last = rule.get("ipProtocol", rule.get("protocol")), rule.get("fromPort"), rule.get("toPort")
    if any(map(unknown, (protocol, first, last))):
        return False
    if str(protocol) in {"-1", "all"} or first is None or last is None or first == -1:
        return True
    return bool(first <= EVERY_PORT[0] and last >= EVERY_PORT[1])


def _of_the_internet(cidr: Any) -> bool:
    """Whether a range, or a part of it, is none of our own networks'."""
    if not cidr or unknown(cidr):
        return False
    network = ip_network(cidr, strict=False)
    return not any(network.version == own.version and network.subnet_of(own) for own in OURS)  # type: ignore[arg-type]


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
    "NetworkAclRule": _acl_rule,
    "Permission": _permission,
    "SecurityGroup": _group,
    "SecurityGroupEgressRule": _egress,
    "SecurityGroupIngressRule": _ingress,
    "SecurityGroupRule": _old_rule,
    "Snapshot": _share,
    "SnapshotCreateVolumePermission": _share,
    "VpcEndpoint": _endpoint,
}
