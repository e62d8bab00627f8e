"""What a deployment has written, with everything that no two deployments have in common under a name.

Each such thing is listed here with its reason. All else is compared byte for byte.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.e2e.conftest import Checkout

ENGINES_OWN: Mapping[str, str] = {
    "created": "a time",
    "modified": "a time",
    "stackTrace": "leaving it out is a trick: the engine shows the place that sourcePosition names, never the trace",
}
"""Fields of a resource, by name."""
CIPHERTEXT = "ciphertext"
"""A secret, encrypted with a random nonce. `decrypted` compares what it says."""
TIMES: Mapping[str, Sequence[str]] = {
    "aws:iam/role:Role": ["outputs.createDate"],
    "aws:lambda/function:Function": ["outputs.lastModified"],
    "aws:lambda/invocation:Invocation": ["outputs.result"],
    "aws:synthetics/canary:Canary": [
        f"outputs.timelines.0.{name}" for name in ("created", "lastModified", "lastStarted")
    ],
}
"""Times that AWS tells, and answers with the time and id of a payment, by the resource's type."""
MADE_UP: Mapping[str, Sequence[str]] = {
    "pulumi:providers:aws": ["id"],
    "pulumi:providers:pulumi": ["id"],
    "pulumi:providers:random": ["id"],
    "aws:acm/certificate:Certificate": ["id"],
    "aws:apigateway/deployment:Deployment": ["id"],
    "aws:apigateway/domainName:DomainName": ["outputs.regionalDomainName"],
    "aws:apigateway/requestValidator:RequestValidator": ["id"],
    "aws:apigateway/resource:Resource": ["id"],
    "aws:apigateway/restApi:RestApi": ["id", "outputs.rootResourceId"],
    "aws:ec2/flowLog:FlowLog": ["id"],
    "aws:ec2/networkAcl:NetworkAcl": ["id"],
    "aws:ec2/networkAclAssociation:NetworkAclAssociation": ["id"],
    "aws:ec2/networkAclRule:NetworkAclRule": ["id"],
    "aws:ec2/routeTable:RouteTable": ["id"],
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ["id"],
    "aws:ec2/securityGroup:SecurityGroup": ["id"],
    "aws:ec2/subnet:Subnet": ["id"],
    "aws:ec2/vpc:Vpc": [
        "id",
        "outputs.defaultNetworkAclId",
        "outputs.defaultRouteTableId",
        "outputs.defaultSecurityGroupId",
    ],
    "aws:ec2/vpcEndpoint:VpcEndpoint": ["id"],
    "aws:iam/role:Role": ["outputs.uniqueId"],
    "aws:kms/key:Key": ["id"],
    "aws:lambda/eventSourceMapping:EventSourceMapping": ["id"],
    "aws:route53/healthCheck:HealthCheck": ["id"],
    "aws:s3/bucketObjectv2:BucketObjectv2": ["outputs.versionId"],
    "aws:route53/zone:Zone": ["id"],
    "aws:secretsmanager/secret:Secret": ["id"],
    "aws:secretsmanager/secretVersion:SecretVersion": ["outputs.versionId"],
    "aws:sns/topicSubscription:TopicSubscription": ["id"],
    "aws:synthetics/canary:Canary": ["outputs.engineArn", "outputs.sourceLocationArn"],
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ["id"],
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ["id"],
}
"""Ids that the engine, or AWS, makes up for each new resource, by the resource's type; others refer to them."""

RANDOM: Mapping[str, str] = {"random:index/randomPassword:RandomPassword": "outputs.result.plaintext"}
"""Secrets that are random, by the resource's type; others contain them."""
PREFIXES = {"aws:secretsmanager/secret:Secret": "-"}
"""Where the last part of an id is made up: it is the same for a secret's replicas."""


RUN = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{4}")
"""A run's id: its time, and something random."""
HISTORY: Mapping[str, str] = {
    "startTime": "a time",
    "endTime": "a time",
}
"""Fields of an entry of the history."""
TAGS: Mapping[str, str] = {
    r'(\\"generation\\":\\")[0-9a-f]{32}': "the id of the cloud's life",
    r'(\\"generation\\":\{\\"generation\\":\\")[0-9a-f]{6}': "the same, in short",
    r'(\\"outputs of [^"]+\\":\\")[0-9a-f]{12}': "a digest of outputs with made-up ids; the outputs are in the states",
    r'(\\"outputs of [^"]+\\":\{)[^}]+': "the same, output by output",
    r'(\\"since\\":)[0-9.]+': "a time",
    r'(\\"state\\":\\")[0-9a-f]{12}': "a digest of a state with made-up ids, which is compared itself",
    r'(\\"stages\\":\[\[)[^]]+': "an API's id and its deployment's, which are in the states",
}
"""Parts of a stack's tag that says what an update was made of."""


def states(checkout: Checkout) -> dict[str, str]:
    """The states of all stacks, by file, in a form that is the same for the same deployment."""
    return _comparable(checkout, {name: json.loads(text) for name, text in files(checkout, "stacks/*/*.json")})


def decrypted(checkout: Checkout, **environment: str) -> dict[str, str]:
    """The same of what the CLI exports, with secrets in plain text."""
    settings = {**os.environ, **dict(_settings(checkout, environment))}
    exported = {}
    for name, _ in files(checkout, "stacks/*/*.json"):
        command = ["pulumi", "stack", "export", "--show-secrets", "--stack", f"organization/{name[7:-5]}"]
        answer = subprocess.run(command, cwd=checkout.root, env=settings, capture_output=True, text=True, check=True)
        exported[name] = {"checkpoint": {"latest": json.loads(answer.stdout)["deployment"]}}
    return _comparable(checkout, exported)


def history(checkout: Checkout) -> dict[str, str]:
    """What the engine has written of each update."""
    found = {}
    for name, text in files(checkout, "history/*/*/*.history.json"):
        entry = json.loads(RUN.sub("<run>", text.replace(str(checkout.root), "<checkout>")))
        found[re.sub(r"\d{19}", "<time>", name)] = json.dumps(_without(entry, HISTORY), indent=1)
    return found


def tags(checkout: Checkout) -> dict[str, str]:
    """What the stacks' tags say."""
    found = {name: RUN.sub("<run>", text) for name, text in files(checkout, "stacks/*/*.pulumi-tags")}
    for pattern in TAGS:
        found = {name: re.sub(pattern, r"\1<made up>", text) for name, text in found.items()}
    return found


def files(checkout: Checkout, pattern: str) -> Iterator[tuple[str, str]]:
    """Files of the backend, with what is in them."""
    books = checkout.root / ".sandbox" / "backend" / ".pulumi"
    for path in sorted(books.glob(pattern)):
        yield str(path.relative_to(books)), path.read_text()


def _settings(checkout: Checkout, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for line in checkout.ok("sandbox.env", **environment).out.splitlines():
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            yield name, "".join(shlex.split(value))


def _comparable(checkout: Checkout, found: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    names = {str(checkout.root): "<checkout>"}
    names |= dict(_made_up(resource for state in found.values() for resource in _resources(state)))
    return {name: _named(_canonical(state), names) for name, state in found.items()}


def _resources(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(state["checkpoint"]["latest"]["resources"])


def _made_up(resources: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What is made up, with a name that says where it first was."""
    for resource in resources:
        secret = RANDOM.get(resource["type"])
        if secret and "plaintext" in resource["outputs"]["result"]:
            yield json.loads(_at(resource, secret)), f"<{secret} of {resource['urn'].partition('::')[2]}>"
        for path in MADE_UP.get(resource["type"], ()):
            yield (
                _at(resource, path).rpartition(PREFIXES.get(resource["type"], "\0"))[2],
                f"<{path} of {resource['urn'].partition('::')[2]}>",
            )


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value[int(name) if isinstance(value, list) else name]
    return value


def _canonical(state: dict[str, Any]) -> dict[str, Any]:
    latest = state["checkpoint"]["latest"]
    latest["manifest"] |= {"time": "", "magic": ""}  # the magic is a hash of the time
    latest["secrets_providers"]["state"]["salt"] = ""  # a random value
    # Independent resources are made at once, and end in any order.
    latest["resources"] = sorted(map(_resource, _resources(state)), key=lambda resource: str(resource["urn"]))
    return state


def _resource(resource: dict[str, Any]) -> dict[str, Any]:
    kept = _without(resource, ENGINES_OWN)
    for path in TIMES.get(resource["type"], ()):
        parent, _, name = path.rpartition(".")
        _at(kept, parent)[name] = "<time>"
    # Sets of the SDK's, which have another order in each process.
    kept["dependencies"] = sorted(kept.get("dependencies", ()))
    kept["propertyDependencies"] = {
        name: sorted(urns or ()) for name, urns in kept.get("propertyDependencies", {}).items()
    }
    return dict(_without_ciphertexts(kept))


def _without(value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if name not in names}


def _without_ciphertexts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "" if name == CIPHERTEXT else _without_ciphertexts(each) for name, each in value.items()}
    return [_without_ciphertexts(each) for each in value] if isinstance(value, list) else value


def _named(state: Mapping[str, Any], names: Mapping[str, str]) -> str:
    text = json.dumps(state, indent=1)
    longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<![0-9A-Za-z])(?:{longest_first})(?![0-9A-Za-z])", lambda found: names[found[0]], text)


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The lines that differ, of what two deployments have written."""
    return [
        f"{name}: {line}"
        for name in sorted(one.keys() | other.keys())
        for line in difflib.unified_diff(one.get(name, "").splitlines(), other.get(name, "").splitlines(), n=0)
    ]
