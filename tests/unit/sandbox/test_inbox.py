"""The mail of topics, and how a person is shown it."""

from __future__ import annotations

import json

import pytest

from sandbox import inbox, mail
from sandbox.mail import Mail, Mailbox
from shared.environment import Environment
from shared.naming import NOTIFICATION_TOPIC
from shared.root import ROOT

ENVIRONMENT = Environment.load("payments", ROOT)


def topic(role: str, name: str | None = None) -> str:
    assert role in ("primary", "secondary")
    name = name or ENVIRONMENT.names.of(NOTIFICATION_TOPIC, role)
    return f"arn:aws:sns:{ENVIRONMENT.region(role)}:000000000000:{name}"


def alarm(to: str, arn: str, state: str = "ALARM", time: float = 1_800_000_000.4) -> Mail:
    message = json.dumps({"AlarmName": "latency", "NewStateValue": state, "NewStateReason": "3 of 3"})
    return Mail(time, to, arn, f'{state}: "latency"', message)


@pytest.fixture
def box(tmp_path, monkeypatch):
    class Here:
        mail = tmp_path / "mail.jsonl"
        pages = tmp_path / "pages.jsonl"

        def __init__(self, _root):
            pass

    monkeypatch.setattr(inbox, "Layout", Here)
    return Mailbox(Here.mail)


def test_nobody_got_mail(box, capsys):
    assert inbox.show("payments", as_json=False) == 0
    assert capsys.readouterr().out == "nobody was told anything\n"
    inbox.show("payments", as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_shows_what_the_environments_topics_sent_and_nothing_else(box, capsys):
    box.put(alarm("a@example.com", topic("primary")))
    box.put(alarm("a@example.com", topic("primary", "another")))
    box.put(Mail(1_800_000_060, "a@example.com", topic("secondary"), "Hello", "words"))
    inbox.show("payments", as_json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "time": "2027-01-15T08:00:00Z",
        "by": "mail",
        "to": "a@example.com",
        "topic": ENVIRONMENT.names.of(NOTIFICATION_TOPIC, "primary"),
        "region": ENVIRONMENT.region("primary"),
        "alarm": "latency",
        "state": "ALARM",
        "reason": "3 of 3",
    }
    assert (second["alarm"], second["reason"], second["region"]) == ("", "Hello", ENVIRONMENT.region("secondary"))
    inbox.show("payments", as_json=False)
    head, line, _ = capsys.readouterr().out.splitlines()
    assert head.split() == list(inbox.COLUMNS)
    assert line.split()[:6] == ["2027-01-15T08:00:00Z", "mail", "a@example.com", "us-east-1", "ALARM", "latency"]


def test_pages_and_mail_are_shown_in_the_order_in_which_they_came(box, tmp_path, capsys):
    Mailbox(tmp_path / "pages.jsonl").put(alarm("pager.example.com", topic("primary"), time=1_800_000_030))
    for time in (1_800_000_000, 1_800_000_060):
        box.put(alarm("a@example.com", topic("primary"), time=time))
    inbox.show("payments", as_json=True)
    assert [each["by"] for each in json.loads(capsys.readouterr().out)] == ["mail", "pager", "mail"]


def test_a_person_is_shown_the_newest_and_told_of_the_others(box, capsys):
    for number in range(inbox.SHOWN + 3):
        box.put(alarm(f"{number}@example.com", topic("primary")))
    inbox.show("payments", as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + inbox.SHOWN + 1
    assert "3@example.com" in lines[1]
    assert lines[-1].startswith("3 older ones")


def test_a_damaged_line_is_left_out(tmp_path):
    path = tmp_path / "mail.jsonl"
    Mailbox(path).put(alarm("me@example.com", topic("primary")))
    whole = json.loads(path.read_text())
    shapes = [1, None, [1], {}, whole | {"time": "now"}, whole | {"topic": "x"}, whole | {"message": 1}]
    shapes += [whole | {"to": None}, whole | {"subject": 1}, whole | {"time": 10**400}]
    more = [*(json.dumps(each).encode() for each in shapes), b"\xff\xfe", b"[" * 100_000]
    path.write_bytes(path.read_bytes() + b"\n".join(more) + b"\n")
    assert [mail.to for mail in Mailbox(path).read()] == ["me@example.com"]
    deep = Mail(**whole | {"message": "[" * 100_000})
    assert deep.alarm == {}


def test_a_line_that_was_cut_off_is_left_out_and_the_file_is_bounded(box, tmp_path, monkeypatch):
    box.put(alarm("a@example.com", topic("primary")))
    path = tmp_path / "mail.jsonl"
    path.write_text(path.read_text() + '{"time": 1, "to"\n[]\n')
    assert len(list(box.read())) == 1
    monkeypatch.setattr(mail, "LARGEST", 2000)
    for number in range(50):
        box.put(alarm(f"{number}@example.com", topic("primary")))
    assert path.stat().st_size < 2500
    assert list(box.read())[-1].to == "49@example.com"
