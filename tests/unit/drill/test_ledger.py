"""A ledger is read whole, or refused with its line."""

from __future__ import annotations

import json

import pytest

from drill import books, reading
from shared.errors import Problem

LINE = {
    "at": 1,
    "endpoint": "one.example.com",
    "key": "pay_1",
    "what": "approved",
    "reference": "ch_1",
    "amount": {"value": 100, "currency": "USD"},
    "customer": "c",
}
WRONG = ({"amount": 5}, {"amount": None}, {"amount": {"value": "x"}}, {"what": "refunded"}, {"at": "soon"})


def read(path, text, **options):
    path.write_text(text)
    return list(reading.ledger(path, **options))


def test_the_last_line_of_a_report_needs_no_end(tmp_path):
    text = json.dumps(LINE)
    assert len(read(tmp_path / "l", text)) == len(read(tmp_path / "l", text + "\n")) == 1


def test_the_last_line_of_a_growing_ledger_may_be_torn(tmp_path):
    assert len(read(tmp_path / "l", json.dumps(LINE) + "\n" + '{"at": 1, "endp', grows=True)) == 1


@pytest.mark.parametrize("what", ["charge", "cancel"])
def test_a_request_is_no_decision(what):
    assert books.charges([{**LINE, "what": what}]) == []


@pytest.mark.parametrize("wrong", ["x", "[]", "5", '{"at": 1}', *(json.dumps({**LINE, **each}) for each in WRONG)])
def test_what_is_no_line_is_refused_with_its_number(tmp_path, wrong):
    with pytest.raises(Problem, match=r"l:2: is no line of a ledger"):
        read(tmp_path / "l", json.dumps(LINE) + "\n" + wrong + "\n")


def test_none_is_none(tmp_path):
    assert list(reading.ledger(tmp_path / "nowhere")) == []
