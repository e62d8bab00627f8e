"""Every input, nested ones too, is one that the AWS SDK knows, and none that it requires is missing.

Nested inputs are plain dictionaries, which neither Python nor the mocks check: a slip would show on AWS only.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re

import pytest

from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment, stacks_of

MODULES = {"lambda": "lambda_"}


@functools.cache
def module_of(resource_type):
    name = resource_type.split(":")[1].partition("/")[0]
    return importlib.import_module(f"pulumi_aws.{MODULES.get(name, name)}")


@functools.cache
def fields_of(arguments):
    """A type's fields by their name on the wire: the annotation, and whether it is required."""
    parameters = inspect.signature(arguments.__init__).parameters
    return {
        getattr(member.fget, "_pulumi_name", None) or name: (
            str(member.fget.__annotations__.get("return", "")),
            name in parameters and parameters[name].default is inspect.Parameter.empty,
        )
        for name, member in inspect.getmembers(arguments)
        if isinstance(member, property)
    }


def arguments_of(resource_type):
    """The SDK's type of a resource's inputs; nested types may have taken the plain name."""
    name = resource_type.rpartition(":")[2]
    found = [getattr(module_of(resource_type), f"{name}{tail}", None) for tail in ("Args", "InitArgs")]
    return next(each for each in found if each is not None and not each.__module__.endswith("_inputs"))


def wrong(module, arguments, given, path=""):
    known = fields_of(arguments)
    yield from (f"{path}{name} is missing" for name, (_, required) in known.items() if required and name not in given)
    for name, value in given.items():
        if name not in known:
            yield f"{path}{name} is unknown"
            continue
        nested = re.search(r"\b(\w+Args)\b", known[name][0])
        if nested:
            inner = getattr(importlib.import_module(f"{module.__name__}._inputs"), nested[1])
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict):  # a policy may also be text
                    yield from wrong(module, inner, each, f"{path}{name}.")


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
@pytest.mark.parametrize("number", range(len(stacks_of(PAYMENTS))))
def test_the_sdk_knows_every_input(environment, number):
    for resource in run_environment(environment)[stacks_of(environment)[number]].recorder.cloud:
        if resource.type.startswith("aws:"):
            found = list(wrong(module_of(resource.type), arguments_of(resource.type), resource.inputs))
            assert not found, (resource.type, resource.name, found)


@pytest.mark.parametrize(
    ("resource_type", "given", "found"),
    [
        ("aws:sqs/queue:Queue", {"nam": "x"}, ["nam is unknown"]),
        ("aws:lambda/alias:Alias", {"functionName": "f"}, ["functionVersion is missing"]),
        (
            "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
            {
                "bucket": "b",
                "role": "r",
                "rules": [
                    {"status": "Enabled", "destination": {"bucket": "c", "replicationTime": {"status": "Enabled"}}}
                ],
            },
            ["rules.destination.replicationTime.time is missing"],
        ),
    ],
)
def test_a_slip_is_found(resource_type, given, found):
    assert list(wrong(module_of(resource_type), arguments_of(resource_type), given)) == found
