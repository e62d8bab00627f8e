"""What rules read of an environment's file."""

from __future__ import annotations

import pytest

from policies.facts import Facts
from shared.errors import Problem

FILE = """
suffix: x7k2
regions: {primary: us-east-1, secondary: us-east-2, witness: us-west-2}
tags: {Service: payments}
"""


def facts(folder, text, stack="example-primary"):
    (folder / "environments").mkdir()
    (folder / "environments" / "example.yaml").write_text(text)
    return Facts.of(stack.removesuffix("-primary"), folder)


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ("", "production", False),
        ("production: true", "production", True),
        ("production: false", "production", False),
        ("", "runbooks", None),
        ("runbooks: https://a.example/", "runbooks", "https://a.example/"),
        ("observability: {runbooks: https://b.example/}", "runbooks", "https://b.example/"),
        ("observability: {latency_ms: 500}", "runbooks", None),
        ("", "tags", {"Service": "payments", "Environment": "example"}),
        ("environment: live", "tags", {"Service": "payments", "Environment": "live"}),
    ],
)
def test_a_field_is_what_the_file_says(tmp_path, more, field, value):
    assert getattr(facts(tmp_path, FILE + more), field) == value


def test_a_region_has_the_role_that_serves_in_it(tmp_path):
    found = facts(tmp_path, FILE)
    assert [found.role(region) for region in ("us-east-1", "us-east-2", "us-west-2")] == ["primary", "secondary", None]


@pytest.mark.parametrize("left_out", ["suffix", "regions", "tags"])
def test_a_file_that_lacks_what_rules_need_is_one_line(tmp_path, left_out):
    text = "\n".join(line for line in FILE.splitlines() if not line.startswith(left_out))
    with pytest.raises(
        Problem, match=f"environments/example.yaml: policies need suffix, regions and tags: '{left_out}'"
    ):
        facts(tmp_path, text)
