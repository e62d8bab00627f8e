"""Every request and policy by which both profiles are deployed is one that AWS takes, judged by its own lists.

The programs run as they are deployed, against the sandbox's provider and cloud, without the engine between them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pulumi
import pytest
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret

from sandbox import variables
from sandbox.provider.clients import Access
from sandbox.provider.wire import ARCHIVE, SIGNATURE
from tests.doubles.api_models import judged
from tests.doubles.iam_judge import misjudged
from tests.sampling import sampled
from tests.sandbox.conftest import a_cloud
from tests.sandbox.provider_engine import Engine
from tests.unit.projects.mocked_programs import PAYMENTS, STACK_REFERENCE, TRADING, Recorder, Run, run_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs


@dataclass
class Deployment(Recorder):
    """Makes what the programs ask for in a running cloud, by one provider instance for each that they declare."""

    endpoint: ClassVar[str]
    number: int = field(default_factory=itertools.count().__next__)
    """Of the stack: a resource's URN is its own."""
    engines: dict[str, Engine] = field(default_factory=dict)
    random: Engine = field(default_factory=lambda: Engine(package="random"))

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        answer = super().new_resource(args)
        if args.typ == "pulumi:providers:aws":
            self.engines[f"{args.name}-id"] = Engine(
                self.endpoint,
                region=args.inputs["region"],
                default_tags=json.loads(args.inputs["defaultTags"])["tags"],
                credentials=variables.CREDENTIALS,
            )
        if args.typ == STACK_REFERENCE or not args.typ.startswith(("aws:", "random:")):
            return answer
        made = self._engine(args).make(args.typ, f"{args.name}-{self.number}", **_wired(args.inputs))
        return made.id, made.outputs

    def _engine(self, args: MockResourceArgs) -> Engine:
        if args.typ.startswith("random:"):
            return self.random
        return self.engines[args.provider.rpartition("::")[2]]

    def call(self, args: MockCallArgs) -> Any:
        engine = next(iter(self.engines.values()), None)
        if args.token.startswith("aws:") and engine is not None:
            return engine.invoke(args.token, **args.args)
        return super().call(args)


def _wired(value: Any) -> Any:
    """A value as the engine sends it."""
    if isinstance(value, pulumi.FileArchive):
        return {
            SIGNATURE: ARCHIVE,
            "path": value.path,
            "hash": hashlib.sha256(Path(value.path).read_bytes()).hexdigest(),
        }
    if is_rpc_secret(value):
        return _wired(unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {name: _wired(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_wired(each) for each in value]
    return value


class Judged(NamedTuple):
    """A deployment, and what was said of its requests."""

    runs: dict[str, Run]
    asked: Counter[str]
    refused: list[str]


@pytest.fixture(scope="module", params=sampled([PAYMENTS, TRADING]))
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    refused: list[str] = []
    asked: Counter[str] = Counter()
    call = Access.call

    def judging(self: Access, service: str, region: str, operation: str, arguments: dict[str, Any]) -> Any:
        name = self.client(service, region).meta.method_to_api_mapping[operation]
        asked[f"{service} {name}"] += 1
        refused.extend(judged(service, name, {key: each for key, each in arguments.items() if each is not None}))
        return call(self, service, region, operation, arguments)

    with a_cloud(tmp_path_factory.mktemp("judged")) as cloud, pytest.MonkeyPatch.context() as patched:
        patched.setattr(Access, "call", judging)
        patched.setattr(Deployment, "endpoint", cloud.endpoint, raising=False)
        runs = run_environment.__wrapped__(request.param, Deployment)
        yield Judged(runs, asked, refused)


def test_aws_takes_every_request(deployment: Judged) -> None:
    assert deployment.refused == []
    assert len(deployment.runs) == 8
    assert deployment.asked.total() > 600


def test_iam_takes_every_policy_and_each_part_of_it_can_apply(deployment: Judged) -> None:
    wrong = []
    policies = 0
    for stack, run in deployment.runs.items():
        for made in run.recorder.cloud:
            for key in ("policy", "assumeRolePolicy"):
                if text := made.get(key):
                    policies += 1
                    wrong += [
                        f"{stack} {made.type} {made.name}: {each}" for each in misjudged(text, trust=key != "policy")
                    ]
    assert "\n".join(sorted(wrong)) == ""
    assert policies > 50


@pytest.mark.parametrize(
    ("operation", "parameters", "why"),
    [
        (
            "lambda PutFunctionConcurrency",
            {"FunctionName": "a" * 200, "ReservedConcurrentExecutions": 1},
            "140 at most",
        ),
        ("lambda PutFunctionConcurrency", {"FunctionName": "a b", "ReservedConcurrentExecutions": 1}, "does not match"),
        (
            "lambda PutFunctionConcurrency",
            {"FunctionName": "a", "ReservedConcurrentExecutions": -1},
            "valid min value: 0",
        ),
        ("lambda PutFunctionConcurrency", {"FunctionName": "a"}, "Missing required parameter"),
        ("lambda PutFunctionConcurrency", {"FunctionName": 1, "ReservedConcurrentExecutions": 1}, "Invalid type"),
        ("dynamodb UpdateTable", {"TableName": "a", "BillingMode": "FREE"}, "none of PROVISIONED, PAY_PER_REQUEST"),
        ("route53 ChangeTagsForResource", {"ResourceType": "zone", "ResourceId": "Z"}, "none of healthcheck"),
        (
            "logs PutRetentionPolicy",
            {"logGroupName": "", "retentionInDays": 7},
            "Invalid length",
        ),
        (
            "cloudwatch PutMetricAlarm",
            {"AlarmName": "a", "EvaluationPeriods": 0, "ComparisonOperator": "Above"},
            "valid min value: 1",
        ),
    ],
)
def test_what_a_model_forbids_is_found(operation: str, parameters: dict[str, Any], why: str) -> None:
    service, name = operation.split()
    assert any(why in each for each in judged(service, name, parameters))


TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/payments"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, None),
        ({"Action": ["dynamodb:GetItem", "dynamodb:PutItem"]}, None),
        ({"Action": "dynamodb:Get*"}, None),
        ({"Resource": "*"}, None),
        ({"Resource": f"{TABLE[:-3]}*"}, None),
        ({"Resource": [TABLE, f"{TABLE}/index/unfinished"], "Action": ["dynamodb:GetItem", "dynamodb:Query"]}, None),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": "1"}}}, None),
        ({"Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["a*"]}}}, None),
        ({"Action": "dynamodb:GetItems"}, "dynamodb:GetItems is no action"),
        ({"Action": "dynamo:GetItem"}, "dynamo:GetItem is no action"),
        ({"Action": "GetItem"}, "GetItem is no action"),
        ({"Action": ["dynamodb:GetItem", "s3:GetObject"]}, "s3:GetObject is never about"),
        ({"Resource": "arn:aws:s3:::bucket"}, "never about arn:aws:s3:::bucket"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket"}, "never about arn:aws:s3:::bucket"),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket/*"}, None),  # a bucket's name may be anything
        (
            {"Resource": [TABLE, "arn:aws:sqs:us-east-1:123456789012:queue"]},
            "queue is a resource of none of its actions",
        ),
        ({"Action": "dynamodb:ListTables"}, "dynamodb:ListTables is never about"),
        ({"Condition": {"StringEqual": {"aws:PrincipalAccount": "1"}}}, "StringEqual is no operator"),
        ({"Condition": {"StringEquals": {"s3:prefix": "1"}}}, "dynamodb:GetItem has no condition s3:prefix"),
        ({"Effect": "allow"}, "neither Allow nor Deny"),
        ({"Sid": "not-one"}, "letters and digits"),
        ({"Resources": TABLE}, "Resources is no element"),
        ({"Resource": []}, "names no resource"),
    ],
)
def test_what_iam_refuses_or_never_matches_is_found(changed: dict[str, Any], why: str | None) -> None:
    statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE, **changed}
    found = misjudged({"Version": "2012-10-17", "Statement": [statement]})
    assert found == [] if why is None else any(why in each for each in found), found
