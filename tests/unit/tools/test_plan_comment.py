"""A plan as a comment on a pull request: what changes, what goes, who reads it, and what is no plan at all."""

from __future__ import annotations

import json

import pytest

from orchestration.foreseen import Forecast, ForeseenResource, ForeseenStack
from tools import plan_comment

REPLACED = ForeseenResource(
    "replace",
    "urn:pulumi:payments::data::aws:dynamodb/table:Table::payments",
    "aws:dynamodb/table:Table",
    "payments",
    forced_by=["hashKey"],
    danger="holds data (table)",
)


def stack(layer, state="fresh", **said):
    return ForeseenStack(
        f"{layer}/payments", layer, **{"planned": True, "why": "its sources have changed", **said}, state=state
    )


def forecast(*stacks, broken=()):
    return Forecast("payments", "aws", "", "", "ana@laptop", "2026-11-25T08:00:00Z", list(stacks), list(broken))


def test_a_plan_says_what_changes_what_goes_who_reads_it_and_who_else_would_run():
    made = forecast(
        stack("network"),
        stack(
            "data",
            "changes",
            resources=[REPLACED],
            outputs={"table_name": "changes", "kms_key_arn": "changes"},
            readers={"compute": ["table_name"], "edge": ["table_name"]},
            update="1",
        ),
        stack("edge", "unchanged", planned=False),
    )
    said = plan_comment.comment("data", made)
    assert "| **data/payments** | changes | ±1 | its sources have changed |" in said
    assert "| edge/payments | stale (unchanged) |" in said
    assert "network/payments" not in said
    assert "- data/payments: replace aws:dynamodb/table:Table `payments`: hashKey, **holds data (table)**" in said
    assert "- data/payments: `table_name` changes, read by compute, edge" in said
    assert "kms_key_arn" not in said
    assert made.summary() in said
    assert plan_comment.changes("data", made)
    assert not plan_comment.changes("network", made)
    assert not plan_comment.changes("edge", made), "it is not this plan's to deploy"


def test_all_outputs_of_a_new_stack_are_new_and_not_listed():
    new = stack("data", "changes", outputs={"table_name": "is new"}, readers={"compute": ["table_name"]})
    assert "table_name" not in plan_comment.comment("data", forecast(new))


def test_a_policy_that_is_violated_and_a_contract_that_is_broken_are_said():
    made = forecast(
        stack("data", "refused", refused=["policy violated: a | b\nopen to all"]), broken=["compute reads data.x"]
    )
    said = plan_comment.comment("data", made)
    assert "- data/payments: policy violated: a \\| b open to all\n- compute reads data.x\n" in said


def test_a_layer_that_the_environment_does_not_have_is_said():
    said = plan_comment.comment("vault", forecast(stack("data", "changes")))
    assert "Environment payments has no vault" in said
    assert "| data/payments | changes |" in said


def test_nothing_to_do_is_said():
    assert "Nothing of this layer would change." in plan_comment.comment("data", forecast(stack("data")))


def test_a_plan_is_read_as_it_was_printed(tmp_path):
    made = forecast(stack("data", "changes", resources=[REPLACED]))
    path = tmp_path / "told.json"
    path.write_text(json.dumps(made.to_json()))
    assert plan_comment.read(path).to_json() == json.loads(path.read_text())


def test_a_plan_that_never_came_is_said_and_deploys_nothing(tmp_path, capsys):
    path = tmp_path / "plan.json"
    path.write_text("")
    assert plan_comment.main(["data", str(path), "--outputs"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("changes=false\ntext<<end-")
    assert "the log of this run says why" in told


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"format": 1}', '{"format": 1, "stacks": [7]}', "\xff", "[" * 100_000, None],
    ids=range(8),
)
def test_what_is_no_plan_is_one_line(tmp_path, capsys, content):
    path = tmp_path / "plan.json"
    path.mkdir() if content is None else path.write_bytes(content.encode("latin-1"))
    assert plan_comment.main(["data", str(path)]) == 1
    said = "holds no plan" if content is not None else "Is a directory"
    assert capsys.readouterr().err == f"error: {path}: {said}; write it with ./invoke plan --json\n"


def test_a_comment_is_never_longer_than_github_takes():
    made = forecast(stack("data", "changes", resources=[REPLACED] * 2_000))
    assert len(plan_comment.comment("data", made)) <= plan_comment.LONGEST + 1
