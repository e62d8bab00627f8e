from __future__ import annotations

import json

from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from tests.doubles.payments import START, ManualClock

SETTINGS = Settings("payments", "x7k2", "secondary", "us-east-2", "r1", strong=True)


def test_a_line_is_json_with_its_context(capsys):
    journal = LogJournal.of(SETTINGS, ManualClock())
    journal.correlate(request_id="r")
    journal.tell("happened", detail="a\nb", nothing=None)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "time": START,
        "event": "happened",
        "detail": "a\nb",
        "request_id": "r",
        "region": "us-east-2",
        "release": "r1",
    }


def test_what_a_line_says_itself_is_not_what_the_request_is_about(capsys):
    journal = LogJournal.of(SETTINGS, ManualClock())
    journal.correlate(request_id="r", payment_id="pay_of_the_request")
    journal.tell("happened", payment_id="pay_of_the_line")
    line = json.loads(capsys.readouterr().out)
    assert (line["payment_id"], line["request_id"]) == ("pay_of_the_line", "r")


def test_metrics_are_in_the_embedded_format(capsys):
    """Amazon CloudWatch user guide, "Specification: Embedded metric format"."""
    LogJournal.of(SETTINGS, ManualClock()).measure("request", {"FailoverTraffic": 1, "Latency": 12.5}, status=201)
    line = json.loads(capsys.readouterr().out)
    assert line["_aws"] == {
        "Timestamp": START,
        "CloudWatchMetrics": [
            {
                "Namespace": "Payments",
                "Dimensions": [["Environment", "Suffix", "Role"]],
                "Metrics": [
                    {"Name": "FailoverTraffic", "Unit": "Count", "StorageResolution": 1},
                    {"Name": "Latency", "Unit": "Milliseconds"},
                ],
            }
        ],
    }
    for dimension_or_metric in ("Environment", "Suffix", "Role", "FailoverTraffic", "Latency"):
        assert dimension_or_metric in line, "each must be a member of the line itself"


def test_without_metrics_it_is_a_plain_line(capsys):
    LogJournal.of(SETTINGS, ManualClock()).measure("request", {}, status=401)
    assert "_aws" not in json.loads(capsys.readouterr().out)
