"""The pack by Pulumi's own SDK and the analyzer that the sandbox lends say the same of the same resources."""

from __future__ import annotations

import os
import subprocess
import sys

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from policies import rules
from policies.asked import PROVIDER
from sandbox.plugins import analyzer
from sandbox.provider.wire import SIGNATURE
from shared.errors import Problem
from shared.root import ROOT

STACK = {"PULUMI_PROJECT": "data", "PULUMI_STACK": "payments"}
TAGS = '{"tags":{"Service":"payments","Owner":"payments-team","CostCenter":"payments","Environment":"payments",'
REGION = {"region": "us-east-1", "defaultTags": TAGS + '"Region":"us-east-1","DR-Role":"primary"}}'}
SECRET = {SIGNATURE: analyzer.SECRET, "value": "payment-audit-logs"}
BUCKET, POLICY = "aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy"


@pytest.fixture(scope="module")
def official():
    """Started as an engine's language plugin starts it, in the pack's folder."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", "."]
    variables = {**os.environ, **STACK}
    with subprocess.Popen(command, cwd=ROOT / "policies", env=variables, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        process.kill()


@pytest.fixture(scope="module")
def lent():
    server, port = analyzer.serve(STACK)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield analyzer_pb2_grpc.AnalyzerStub(channel)
    server.stop(grace=None)


def struct(properties):
    made = struct_pb2.Struct()
    made.update(properties)
    return made


def analyzed(kind, properties, provider=REGION, **more):
    name = f"aws-{provider.get('region')}"
    given = {"urn": f"urn:pulumi:payments::data::{PROVIDER}::{name}", "type": PROVIDER, "name": name}
    return {
        "type": kind,
        "name": "audit-primary",
        "urn": f"urn:pulumi:payments::data::{kind}::audit-primary",
        "properties": struct(properties),
        "provider": analyzer_pb2.AnalyzerProviderResource(**given, properties=struct(provider)),
        **more,
    }


RIGHT = {"bucket": "payment-audit-logs-x7k2", "forceDestroy": True}
ASKED = {
    "right": (analyzed(BUCKET, RIGHT), []),
    "wrong": (analyzed(BUCKET, {"bucket": "payment-audit-logs"}), ["suffix", "lifetime"]),
    "in a secret": (analyzed(BUCKET, {**RIGHT, "bucket": SECRET}), ["suffix"]),
    "not known yet": (analyzed(BUCKET, {**RIGHT, "bucket": UNKNOWN}), []),
    "not known in part": (analyzed(BUCKET, {**RIGHT, "tags": {"Owner": UNKNOWN, "Service": "other"}}), ["tags"]),
    "in no region": (analyzed(BUCKET, RIGHT, provider={}), ["tags"]),
    "protected": (analyzed(BUCKET, RIGHT, options={"protect": True}), ["lifetime"]),
    "text": (analyzed(POLICY, {"policy": '{"Statement":{"Effect":"Allow","Action":"*"}}'}), ["public", "wildcard"]),
    "a component": (analyzed("payments:data:Audit", {}), []),
}


def told(answer):
    return [(each.policyName, each.message, each.enforcementLevel) for each in answer.diagnostics]


@pytest.mark.parametrize("what", ASKED)
def test_both_say_the_same_of_a_resource(official, lent, what):
    request, expected = ASKED[what]
    said = told(lent.Analyze(analyzer_pb2.AnalyzeRequest(**request)))
    assert said == told(official.Analyze(analyzer_pb2.AnalyzeRequest(**request)))
    assert [name.removeprefix("no-").removesuffix("-access") for name, *_ in said] == expected
    assert {level for *_, level in said} <= {analyzer_pb2.MANDATORY}


def test_both_say_the_same_of_a_stack(official, lent):
    made_of = analyzer_pb2.AnalyzerPropertyDependencies(urns=[f"urn:pulumi:payments::data::{BUCKET}::audit-primary"])
    resources = [
        analyzer_pb2.AnalyzerResource(**analyzed(BUCKET, RIGHT)),
        analyzer_pb2.AnalyzerResource(**analyzed(POLICY, {}, propertyDependencies={"bucket": made_of})),
    ]
    request = analyzer_pb2.AnalyzeStackRequest(resources=resources)
    said = told(lent.AnalyzeStack(request))
    assert said == told(official.AnalyzeStack(request))
    assert len(said) == 4
    assert not [message for _, message, _ in said if "BucketPolicy" in message]


def test_both_say_the_same_of_a_stranger_by_the_arn_of_a_role_that_is_there(official, lent):
    role = {"arn": "arn:aws:iam::123456789012:role/a", "name": "a"}
    stranger = {"principal": "events.amazonaws.com", "sourceAccount": "999999999999"}
    resources = [
        analyzer_pb2.AnalyzerResource(**analyzed("aws:iam/role:Role", role)),
        analyzer_pb2.AnalyzerResource(**analyzed("aws:lambda/permission:Permission", stranger)),
    ]
    request = analyzer_pb2.AnalyzeStackRequest(resources=resources)
    ((name, message, _),) = said = told(lent.AnalyzeStack(request))
    assert said == told(official.AnalyzeStack(request))
    assert name == "one-account"
    assert "it names account 999999999999, and the stack's is 123456789012" in message


def test_both_have_the_same_rules(official, lent):
    ours, theirs = (each.GetAnalyzerInfo(struct_pb2.Struct()) for each in (lent, official))
    for one in (ours, theirs):
        assert one.name == rules.PACK
        assert {each.name for each in one.policies} == {rule.name for rule in (*rules.RULES, *rules.STACK_RULES)}
    described = [{(each.name, each.description, each.policy_type) for each in one.policies} for one in (ours, theirs)]
    assert described[0] == described[1]


def test_nothing_is_mended_behind_a_programs_back(lent):
    assert not lent.Remediate(analyzer_pb2.AnalyzeRequest(**ASKED["wrong"][0])).remediations


def test_a_stack_without_an_environment_is_one_line():
    with pytest.raises(Problem, match=r"environments/nowhere.yaml: cannot be read"):
        analyzer.serve({"PULUMI_PROJECT": "data", "PULUMI_STACK": "nowhere-primary"})
