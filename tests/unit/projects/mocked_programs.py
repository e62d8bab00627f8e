"""Runs a project's whole program, or one component, without an engine, and keeps what each resource was given.

Inputs are kept as the engine would get them. What a resource "answers" is made up as little as possible: its own
inputs, and an ARN or address where another resource needs one. Tests look at inputs only.
"""

from __future__ import annotations

import functools
import json
import os
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import patch

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack, run_in_stack

from engine.declared import mocked
from policies.asked import PROVIDER, AskedResource
from shared import stack as stacks
from shared.contracts import LAYERS
from shared.environment import Environment
from shared.roles import ROLES
from shared.root import ROOT

ACCOUNT = "123456789012"
CHECKERS = ["15.177.0.0/18", "107.23.255.0/26"]
"""Where Route 53's health checkers are said to be."""
PAGER = "https://pager.example.com/integration/of-the-mocks/enqueue"
"""What the parameter of the pager holds."""
ZONES_THERE = {
    "ZDOMAIN": {"name": "pay.example.com", "nameServers": ["ns-7", "ns-8"], "privateZone": False},
    "ZOWN": {"name": "x7k2.pay.example.com", "nameServers": ["ns-7", "ns-8"], "privateZone": False},
    "ZPRIVATE": {"name": "pay.example.com", "nameServers": ["ns-7", "ns-8"], "privateZone": True},
    "ZOTHER": {"name": "ay.example.com", "nameServers": ["ns-7", "ns-8"], "privateZone": False},
}
"""Hosted zones that are there before any program runs, by their ids."""
NOBODY_IS_ASKED = {"DNS_RESOLVERS": ""}
"""No program asks the world for a zone."""
PAYMENTS, TRADING = "payments", "trading"


def stacks_of(environment: str) -> list[str]:
    """Every stack of an environment, as `<layer>/<stack>`."""
    return [
        str(stacks.Stack(layer.name, environment, role))
        for layer in LAYERS.values()
        for role in (ROLES if layer.regional else (None,))
    ]


STACKS = stacks_of(PAYMENTS)
INVOCATION = "aws:lambda/invocation:Invocation"
STACK_REFERENCE = "pulumi:pulumi:StackReference"


@dataclass(frozen=True)
class Made:
    """One resource that a program registered."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    provider: str
    secret: frozenset[str] = frozenset()
    """Inputs that were given as secrets."""
    after: frozenset[str] = frozenset()
    """What it waits for, as `Type:logical name`."""
    ignored: frozenset[str] = frozenset()
    """Properties that belong to others once it is made."""
    protected: bool = False
    """Whether Pulumi is to refuse to delete it."""
    left: bool = False
    """Whether Pulumi is to leave it behind when its stack is destroyed, which it tells no policy."""
    urn: str = ""
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By input: the URNs of the resources that it is made of."""

    def __getitem__(self, key: str) -> Any:
        return self.inputs[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.inputs.get(key, default)


@dataclass
class Recorder(Mocks):
    """Pulumi's test double: remembers every registration."""

    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of other stacks, by their full name."""
    made: list[Made] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    """Full names of the stacks that were read."""
    waits_for: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """By type and logical name: what each registration depends on."""
    ignored: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """By type and logical name: changes that each registration ignores."""
    deletes_within: dict[tuple[str, str], str] = field(default_factory=dict)
    """How long each may take to be deleted, where the program says so."""
    more: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    """By type and logical name: what else Made tells of each registration."""
    creates_within: dict[tuple[str, str], str] = field(default_factory=dict)
    """The same to be made."""
    deleted_first: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Whether each is replaced by deleting it first."""
    gone_with: dict[tuple[str, str], str] = field(default_factory=dict)
    """The URN of what each goes with, without being deleted itself."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == STACK_REFERENCE:
            reference = args.inputs["name"]
            self.read.append(reference)
            return reference, {"name": reference, "outputs": dict(self.outputs[reference]), "secretOutputNames": []}
        secret = frozenset(name for name, value in args.inputs.items() if is_rpc_secret(value))
        inputs = {name: unwrap_rpc_secret(value) for name, value in args.inputs.items()}
        after = self.waits_for.get((args.typ, args.name), frozenset())
        ignored = self.ignored.get((args.typ, args.name), frozenset())
        more = self.more.get((args.typ, args.name), {})
        self.made.append(Made(args.typ, args.name, inputs, args.provider or "", secret, after, ignored, **more))
        if args.typ == INVOCATION:
            return f"{args.name}-id", {**args.inputs, "result": self.rehearsed(args)}
        return f"{args.name}-id", {**args.inputs, **_answers(args)}

    def rehearsed(self, args: MockResourceArgs) -> str:
        """What a version answers to its rehearsal: what it should."""
        from tests.doubles.rehearsals import passing

        (function,) = [each for each in self.of("Function") if each["name"] == args.inputs["functionName"]]
        variables = function["environment"]["variables"]
        (provider,) = [each for each in self.made if each.urn and each.urn == args.provider.rpartition("::")[0]]
        place = {"region": provider["region"], "role": variables["ROLE"], "release": variables["RELEASE"]}
        return json.dumps({"answers": passing(args.inputs["input"], place)})

    def call(self, args: MockCallArgs) -> Any:
        match args.token:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                return {"accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/tester", "userId": "tester"}
            case "aws:ssm/getParameter:getParameter":
                return {"name": args.args["name"], "type": "SecureString", "value": PAGER, "version": 1}
            case "aws:index/getIpRanges:getIpRanges":
                return {"services": args.args["services"], "cidrBlocks": CHECKERS, "ipv6CidrBlocks": []}
            case "aws:route53/getZone:getZone":
                return {"zoneId": args.args["zoneId"], **ZONES_THERE[args.args["zoneId"]]}
            case "pulumi:pulumi:readStackOutputs":
                name = args.args["name"]
                if name not in self.outputs:
                    return {}, [("name", f'unknown stack "{name}"')]
                return {"name": name, "outputs": dict(self.outputs[name]), "secretOutputNames": []}
        raise AssertionError(f"unexpected invoke {args.token}")

    @property
    def cloud(self) -> list[Made]:
        """What exists outside Pulumi: no components, no providers."""
        return [each for each in self.made if each.type.startswith(("aws:", "random:"))]

    def of(self, kind: str) -> list[Made]:
        """The cloud's resources of a type, by its last part, e.g. `Subnet`; components are not counted."""
        return [each for each in self.cloud if each.type.rpartition(":")[2] == kind]

    @property
    def asked(self) -> list[AskedResource]:
        """What rules look at: the cloud's resources, and the providers of its regions."""
        providers = {each.urn: each.inputs for each in self.made if each.type == PROVIDER}
        return [
            AskedResource(
                each.type,
                each.name,
                each.inputs,
                providers.get(each.provider.rpartition("::")[0], {}),
                each.protected,
                each.urn,
                each.needs,
            )
            for each in self.made
            if each.type.startswith(("aws:", "random:", PROVIDER))
        ]

    def one(self, kind: str, name: str = "") -> Made:
        """The only resource of a type (whose logical name ends in `name`)."""
        found = [each for each in self.of(kind) if each.name.endswith(name)]
        assert len(found) == 1, f"{len(found)} of {kind} {name}: {[each.name for each in found]}"
        return found[0]


def _answers(args: MockResourceArgs) -> dict[str, Any]:
    """Outputs that other resources take as inputs."""
    kind = args.typ.rpartition(":")[2]
    name = args.inputs.get("name") or args.inputs.get("bucket") or args.name
    special = ANSWERS.get(kind, lambda _args, _name: {})
    return {"arn": f"arn:aws:{kind.lower()}:::{name}", **special(args, name)}


def _proofs(args: MockResourceArgs, _name: str) -> dict[str, Any]:
    names = [args.inputs["domainName"], *args.inputs["subjectAlternativeNames"]]
    return {
        "domainValidationOptions": [
            {
                "domainName": each,
                "resourceRecordName": f"_proof.{each}",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": f"_{args.name}.acm",
            }
            for each in names
        ]
    }


def _secondary(args: MockResourceArgs) -> str:
    """The region of a provider whose URN names its stack: urn:pulumi:<environment>::…"""
    return "us-west-2" if args.provider.startswith(f"urn:pulumi:{TRADING}::") else "us-east-2"


ANSWERS: Mapping[str, Callable[[MockResourceArgs, str], dict[str, Any]]] = {
    "Alias": lambda args, _: {"invokeArn": f"arn:aws:apigateway:::invoke/{args.name}"},
    "Certificate": _proofs,
    "CertificateValidation": lambda args, _: {"certificateArn": args.inputs["certificateArn"]},
    "DomainName": lambda args, _: {"regionalDomainName": f"target-of-{args.name}"},
    "Function": lambda *_: {"version": "1"},
    "LoadBalancer": lambda _, name: {
        "dnsName": f"{name}-1234567890.elb.amazonaws.com",
        "arnSuffix": f"app/{name}/50dc6c495c0c9188",
    },
    "TargetGroup": lambda _, name: {"arnSuffix": f"targetgroup/{name}/6d0ecf831eec9f09"},
    "Key": lambda *_: {"keyId": "mrk-1", "arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/mrk-1"},
    "Queue": lambda _, name: {"url": f"https://sqs/{name}"},
    "RandomPassword": lambda args, _: {"result": f"generated-{args.name}"},
    "Record": lambda args, _: {"fqdn": args.inputs["name"]},
    "ReplicaKey": lambda args, _: {"keyId": "mrk-1", "arn": f"arn:aws:kms:{_secondary(args)}:{ACCOUNT}:key/mrk-1"},
    "RestApi": lambda args, _: {"rootResourceId": "root", "executionArn": f"arn:aws:execute-api:::{args.name}"},
    "Secret": lambda _, name: {"arn": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{name}-AbCdEf"},
    "Table": lambda _, name: {"arn": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{name}"},
    "VpcEndpoint": lambda args, _: {"prefixListId": f"pl-{args.name}"},
    "Zone": lambda *_: {"zoneId": "Z1", "nameServers": ["ns-1", "ns-2"]},
}


class _Monitor(MockMonitor):
    """Pulumi's, which does not tell its mocks what a resource depends on and ignores."""

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name in the engine's protocol
        names = (urn.rpartition("$")[2].rpartition("::") for urn in request.dependencies)
        after = frozenset(f"{kind.rpartition(':')[2]}:{name}" for kind, _, name in names)
        recorder = cast("Recorder", self.mocks)
        recorder.waits_for[request.type, request.name] = after
        recorder.ignored[request.type, request.name] = frozenset(request.ignoreChanges)
        recorder.deletes_within[request.type, request.name] = request.customTimeouts.delete
        recorder.more[request.type, request.name] = {
            "protected": request.protect,
            "left": request.retainOnDelete,
            "urn": self.make_urn(request.parent, request.type, request.name),
            "needs": {name: list(made_of.urns) for name, made_of in request.propertyDependencies.items()},
        }
        recorder.creates_within[request.type, request.name] = request.customTimeouts.create
        recorder.gone_with[request.type, request.name] = request.deletedWith
        recorder.deleted_first[request.type, request.name] = request.deleteBeforeReplace
        return super().RegisterResource(request)


@dataclass(frozen=True)
class Run:
    """What a program did: the resources it made, the stacks it read, and what it exports."""

    recorder: Recorder
    exports: Mapping[str, Any]


def run_component(
    stack: str,
    build: Callable[[], Any],
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    project: str = "project",
    preview: bool = False,
    recording: Callable[..., Recorder] = Recorder,
) -> Run:
    """Run `build` as the program of `stack`, to its end, with `outputs` of other stacks by full name."""
    recorder = recording(outputs or {})
    alone = patch.dict(os.environ, NOBODY_IS_ASKED)
    with alone, mocked(recorder, _Monitor(recorder), project=project, stack=stack, preview=preview) as loop:
        exports = loop.run_until_complete(_exports_of(build))
    return Run(recorder, exports)


def run_program(
    layer: str,
    stack: str,
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    preview: bool = False,
    recording: Callable[..., Recorder] = Recorder,
) -> Run:
    """Run `projects/<layer>/__main__.py` as it is deployed, for `stack`."""
    main = ROOT / "projects" / layer / "__main__.py"
    return run_component(
        stack,
        lambda: runpy.run_path(str(main), run_name="__main__"),
        outputs,
        project=layer,
        preview=preview,
        recording=recording,
    )


async def _exports_of(build: Callable[[], Any]) -> dict[str, Any]:
    def program() -> None:
        build()

    await run_in_stack(program)
    root = cast("Stack", get_root_resource())
    return {name: await pulumi.Output.from_input(value).future() for name, value in root.outputs.items()}


_AS_WRITTEN = Environment.load


@functools.cache
def run_environment(environment: str = PAYMENTS, recording: Callable[..., Recorder] = Recorder) -> dict[str, Run]:
    """Run every program of an environment in order, each with what the ones before export.

    Returns the runs by `<layer>/<stack>`. They are kept, so they are of the environment's file also where a test has
    put another one in its place.
    """
    runs: dict[str, Run] = {}
    outputs: dict[str, Mapping[str, Any]] = {}
    for stack in stacks_of(environment):
        layer, _, name = stack.partition("/")
        with patch.object(Environment, "load", _AS_WRITTEN):
            runs[stack] = run_program(layer, name, outputs, recording=recording)
        outputs[f"organization/{stack}"] = runs[stack].exports
    return runs


VAULT_REGIONS = {PAYMENTS: "us-west-2", TRADING: "us-east-2"}
"""Where the copies lie when an environment asks for them: with the witness."""


def with_vault(settings: Environment, **lock: Any) -> Environment:
    """An environment in production that asks for a vault; `lock`: what it says of the vault's lock."""
    there = {"region": VAULT_REGIONS[settings.name], "lock": settings.vault.lock.model_copy(update=lock)}
    return settings.model_copy(update={"production": True, "vault": settings.vault.model_copy(update=there)})


def run_vault(environment: str = PAYMENTS, **lock: Any) -> Run:
    """Run the program of the locked copy, for an environment that asks for it."""
    load, outputs = Environment.load, published(environment)
    with patch.object(Environment, "load", lambda name: with_vault(load(name), **lock)):
        return run_program("vault", environment, outputs)


def published(environment: str = PAYMENTS) -> dict[str, Mapping[str, Any]]:
    """What every stack of an environment exports, by its full name: the surroundings of a single program."""
    return {f"organization/{stack}": run.exports for stack, run in run_environment(environment).items()}
