from __future__ import annotations

import json

import pytest

from engine.events import Events
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


def test_an_engine_that_does_not_begin_says_why_on_its_output():
    assert log().failure("warning: x\nerror: no stack named 'payments' found\n") == "no stack named 'payments' found"
    assert log().failure("") == "the engine said nothing"
