from __future__ import annotations

import json

import pytest

from engine.events import Events, RuleBroken
from shared.root import ROOT

URN = "urn:pulumi:payments::data::component:Audit$aws:s3/bucket:Bucket::audit-primary"
STACK = "urn:pulumi:payments::data::pulumi:pulumi:Stack::data-payments"


def log(*events):
    found = Events()
    found.read(json.dumps(event) for event in events)
    return found


def error(message, urn=""):
    return {"diagnosticEvent": {"severity": "error", "message": message, "urn": urn}}


def done(kind, outputs):
    return {"resOutputsEvent": {"metadata": {"type": kind, "new": {"outputs": outputs}}}}


def test_changes_leave_out_what_stays_the_same():
    summary = {"summaryEvent": {"resourceChanges": {"same": 4, "create": 2, "read": 1}}}
    assert log(summary).changes == {"create": 2}
    assert log({"summaryEvent": {"resourceChanges": None}}).changes == {}


def test_outputs_are_those_of_the_stack():
    events = log(done("aws:s3/bucket:Bucket", {"arn": "x"}), done("pulumi:pulumi:Stack", {"table": "payments"}))
    assert events.outputs == {"table": "payments"}
    assert events.finished == 2
    assert log().outputs is None


BUCKET = "aws:s3/bucket:Bucket audit-primary"


HEAD = "the program failed with an unhandled exception:\nTraceback (most recent call last):\n"
TOLD = f'{HEAD}  File "x", line 1, in y\nshared.errors.Problem: environments/a.yaml: edge.ttl is missing: add it\n'


def traceback(*files):
    """What a program says that failed in the last of these files."""
    frames = "".join(f'  File "{ROOT / file}", line 7, in f\n    x["y"]\n' for file in files)
    return f"{HEAD}{frames}KeyError: 'y'\n"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([error("<{%reset%}>bucket name\n  is taken<{%reset%}>\n", URN)], f"{BUCKET}: bucket name is taken"),
        ([error("audit-primary is taken", URN)], "audit-primary is taken"),
        ([error("update failed", STACK), error("the region is wrong", URN)], f"{BUCKET}: the region is wrong"),
        ([error("Traceback (most recent call last):\n  File x\nKeyError: 'y'\n", STACK)], "KeyError: 'y'"),
        ([error(traceback("projects/data/table.py"), STACK)], "projects/data/table.py:7: KeyError: 'y'"),
        (
            [error(traceback("projects/data/table.py", ".venv/lib/pulumi.py"), STACK)],
            "projects/data/table.py:7: KeyError: 'y'",
        ),
        ([error(traceback("shared/naming.py", "/usr/lib/json.py"), STACK)], "shared/naming.py:7: KeyError: 'y'"),
        ([error(traceback("/usr/lib/json.py"), STACK)], "KeyError: 'y'"),
        ([error(TOLD, STACK)], "environments/a.yaml: edge.ttl is missing: add it"),
        ([error("update failed", STACK)], "update failed"),
    ],
)
def test_a_failure_is_one_line_with_its_cause(events, expected):
    assert log(*events).failure("") == expected


def broken(rule, message, level="mandatory", urn=URN):
    said = {"policyName": rule, "message": message, "enforcementLevel": level, "resourceUrn": urn}
    return {"policyEvent": {**said, "color": "raw", "policyPackName": "pack", "policyPackVersion": "1"}}


def test_what_breaks_a_rule_is_a_line_with_resource_and_rule_and_what_only_warns_is_none():
    found = log(
        broken("lifetime", "<{%fg 1%}>everything can be destroyed\nforceDestroy is False:\n  say True<{%reset%}>\n"),
        broken("advice", "this\nis advice", level="advisory"),
        broken("plain", "without a demand", urn=""),
        error("resource is invalid", URN),
    )
    assert found.violations == [f"{BUCKET}: lifetime: forceDestroy is False: say True", "plain: without a demand"]
    assert str(RuleBroken(found.violations)) == f"{found.violations[0]}; 1 more violation"
    assert str(RuleBroken(found.violations[1:])) == "plain: without a demand"


def test_an_engine_that_does_not_begin_says_why_on_its_output():
    assert log().failure("warning: x\nerror: no stack named 'payments' found\n") == "no stack named 'payments' found"
    assert log().failure("") == "the engine said nothing"


def step(op, urn=URN, **metadata):
    return {"resourcePreEvent": {"metadata": {"op": op, "urn": urn, "type": "aws:s3/bucket:Bucket", **metadata}}}


def outcome(op, urn=URN, **metadata):
    return {"resOutputsEvent": {"metadata": {"op": op, "urn": urn, "type": "aws:s3/bucket:Bucket", **metadata}}}


DIFFERENT = {"keys": ["bucket"], "diffs": ["bucket", "tags"], "detailedDiff": {"bucket": {}, "tags.Owner": {}}}


@pytest.mark.parametrize(
    "steps",
    [
        [step("create-replacement", **DIFFERENT), step("replace", **DIFFERENT), step("delete-replaced")],
        [step("delete-replaced"), step("replace", **DIFFERENT), step("create-replacement", **DIFFERENT)],
    ],
)
def test_a_replacement_is_one_change_in_whatever_order_it_is_made(steps):
    (change,) = log(*steps).resources
    assert (change.operation, change.name, change.ends) == ("replace", "audit-primary", True)
    assert (change.properties, change.forcing) == (("bucket", "tags.Owner"), ("bucket",))


def test_what_stays_or_is_read_is_no_change():
    assert log(step("same"), step("read"), step("refresh"), outcome("same")).resources == ()


def test_two_copies_of_a_resource_end_each_by_itself():
    found = log(step("delete", old={"id": "a"}), step("delete", old={"id": "b"})).resources
    assert [change.before["id"] for change in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("op", "found"), [("same", []), ("refresh", []), ("update", ["update"]), ("delete", ["delete"])]
)
def test_a_refresh_tells_by_its_outcome_what_differs(op, found):
    assert [change.operation for change in log(step("refresh"), outcome(op)).refreshed] == found


def test_what_an_update_does_is_not_what_a_refresh_has_found():
    events = log(step("refresh"), outcome("same"), step("update", **DIFFERENT), outcome("update"))
    assert [change.operation for change in events.resources] == ["update"]
    assert events.refreshed == ()


def test_what_another_stack_publishes_is_not_the_clouds():
    reference = {"type": "pulumi:pulumi:StackReference"}
    assert log(step("refresh", **reference), outcome("update", **reference)).refreshed == ()
