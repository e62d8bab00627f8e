"""What the fork server learns from a program's sources, and has ready for all programs."""

from __future__ import annotations

import ast

import pulumi_random
import pytest
from pulumi import _types

from engine.plugins.fork_server import Libraries
from shared.packaging.imports import names_in


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("import os", {"os"}),
        ("import os.path as place\nplace.join('a')", {"os.path", "os.path.join"}),
        ("from json import loads", {"json", "json.loads"}),
        ("from . import sibling", set()),
        (
            "import pulumi_aws as aws\naws.ec2.Vpc('vpc', tags={}).id",
            {"pulumi_aws", "pulumi_aws.ec2", "pulumi_aws.ec2.Vpc"},
        ),
        ("import pulumi\nmake().attribute\nother.thing", {"pulumi"}),
    ],
)
def test_a_source_names_what_it_imports_and_what_it_uses_of_that(source: str, named: set[str]) -> None:
    assert set(names_in(ast.parse(source))) == named


def test_the_types_of_a_resources_properties_are_known_before_a_program_makes_one() -> None:
    known = _types._types_from_py_properties
    known.cache_clear()
    Libraries().load("pulumi_random.RandomUuid", "pulumi_random.nothing", "there.is.none")
    found = known.cache_info().misses
    assert found > 0
    assert "result" in _types.resource_types(pulumi_random.RandomUuid)
    assert known.cache_info().misses == found
