"""What `./invoke health` says."""

from __future__ import annotations

import json

import pytest

from sandbox import control, health_commands
from sandbox.layout import Layout
from shared.errors import Problem

ENDPOINT = {
    "type": "HTTPS",
    "healthy": False,
    "in_dns": True,
    "since": 1700000000.0,
    "inverted": False,
    "disabled": False,
    "asks": "use1.example.com:443/health",
    "alarm": None,
    "children": [],
    "checkers": 16,
    "healthy_checkers": 2,
    "last_failure": "Failure: Connection refused",
}
CHECKS = [
    {**ENDPOINT, "id": "1", "name": "fast"},
    {
        **ENDPOINT,
        "id": "2",
        "name": "gate",
        "type": "CALCULATED",
        "in_dns": False,
        "asks": "",
        "last_failure": "",
        "children": ["1", "3"],
        "children_needed": 2,
        "healthy_children": 1,
        "checkers": 0,
    },
    {
        **ENDPOINT,
        "id": "3",
        "name": "errors",
        "type": "CLOUDWATCH_METRIC",
        "healthy": True,
        "last_failure": "",
        "alarm": {"region": "us-east-1", "name": "grey"},
        "alarm_state": "OK",
        "inverted": True,
    },
]
TOLD = {"speed": 10, "checks": CHECKS, "answers": {"api.example.com": "secondary"}, "trouble": ["no 127.4.0.1"]}


@pytest.fixture
def told(monkeypatch):
    def tell(answer):
        monkeypatch.setattr(control, "ask", lambda *_: answer)

    return tell


def test_children_are_below_what_counts_them(told, capsys):
    told(TOLD)
    assert health_commands.health() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9].rstrip() for line in lines[:4]] == ["check", "gate", "  fast", "  errors"]
    assert "1 of 2 checks, needs 2" in lines[1]
    assert "UNHEALTHY, DNS has yet to hear" in lines[2]
    assert "2 of 16 checkers" in lines[2]
    assert lines[2].endswith("Failure: Connection refused")
    assert "2023-11-14 22:13:20" in lines[2]
    assert "healthy, inverted" in lines[3]
    assert lines[3].endswith("grey in us-east-1")
    assert lines[4:] == [
        "api.example.com is answered with its record 'secondary'",
        "virtual time passes at 10 times the speed",
        "trouble: no 127.4.0.1",
    ]


def test_it_can_be_json(told, capsys):
    told(TOLD)
    health_commands.health(as_json=True)
    assert json.loads(capsys.readouterr().out) == TOLD


def test_without_any_check_it_says_so(told, capsys):
    told({"speed": 1, "checks": [], "answers": {}, "trouble": []})
    health_commands.health()
    assert capsys.readouterr().out == "no health check is declared; ./invoke deploy-all declares them\n"


def test_without_a_sandbox_it_says_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(health_commands, "Layout", lambda _: Layout(tmp_path))
    with pytest.raises(Problem, match=r"^the sandbox is not running; run ./invoke sandbox\.up$"):
        health_commands.health()
