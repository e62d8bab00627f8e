"""The stand-in processor's memory: one outcome for each key of each endpoint, whatever happens to its process."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.processor import protocol
from sandbox.processor.ledger import LATE, ChargeConflict, Ledger, read
from shared.errors import Problem

USD = {"value": 100, "currency": "USD"}
ENDPOINTS, KEYS = ("east", "west"), ("pay_1", "pay_2")
ACTIONS = st.tuples(
    st.sampled_from(["charge", "find", "cancel"]),
    st.sampled_from(ENDPOINTS),
    st.sampled_from(KEYS),
    st.sampled_from(["decline-1", "timeout-1", "late-1", "twice-1", "x"]),
    st.sampled_from([0, 1, LATE]),
)


def act(ledger, action):
    what, endpoint, key, customer, _ = action
    try:
        return ledger.charge(endpoint, key, USD, customer) if what == "charge" else getattr(ledger, what)(endpoint, key)
    except ChargeConflict:
        return "conflict"


@given(actions=st.lists(ACTIONS, max_size=20), torn=st.binary(max_size=20).filter(lambda text: b"\n" not in text))
@settings(max_examples=50, deadline=None)
def test_a_process_that_is_killed_after_each_answer_is_missed_by_nobody(tmp_path_factory, actions, torn):
    """The same answers as one that lives; a line that it did not finish counts for nothing."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    time = [0]
    living = Ledger(now=lambda: time[0])
    for action in actions:
        time[0] += action[-1]
        killed = Ledger(path, now=lambda: time[0])
        assert act(killed, action) == act(living, action)
        with path.open("ab") as file:
            file.write(torn)
    assert list(read(path)) == living.lines
    decided = [(line["endpoint"], line["key"]) for line in living.lines if line["what"] in {"approved", "declined"}]
    assert len(decided) == len(set(decided)), "two outcomes for one key at one endpoint"


@given(st.lists(ACTIONS, max_size=20))
def test_an_outcome_never_changes_and_endpoints_share_nothing(actions):
    time, told = [0], {}
    ledger, alone = Ledger(now=lambda: time[0]), {each: Ledger(now=lambda: time[0]) for each in ENDPOINTS}
    for action in actions:
        time[0] += action[-1]
        answer = act(ledger, action)
        assert answer == act(alone[action[1]], action)
        if isinstance(answer, dict) and answer["status"] != "unknown":
            assert told.setdefault(action[1:3], answer) == answer


@pytest.mark.parametrize("line", [b"{", b"null", b"[1]", b"\xff", b"[" * 100_000], ids=range(5))
def test_a_damaged_line_is_one_line_with_its_place(tmp_path, line):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(Problem, match=rf"^{path}:1: [^\n]*$"):
        list(read(path))


@pytest.mark.parametrize(
    ("method", "path", "key", "body", "status"),
    [
        ("GET", "/", "", b"", 404),
        ("GET", "/charges", "", b"", 404),
        ("PUT", "/charges/pay_1", "", b"", 404),
        ("POST", "/charges/pay_1/cancel", "", b"", 400),
        ("POST", "/charges/pay_1/cancel", "pay_2", b"", 400),
        ("POST", "/charges", "", json.dumps({"amount": USD, "customer": "x"}).encode(), 400),
        ("POST", "/charges", "pay_1", b"{", 400),
        ("POST", "/charges", "pay_1", b"[]", 400),
        ("POST", "/charges", "pay_1", b'{"amount": {"value": 1.5, "currency": "USD"}, "customer": "x"}', 400),
        ("POST", "/charges", "pay_1", b'{"amount": {"value": 0, "currency": "USD"}, "customer": "x"}', 400),
        ("POST", "/charges", "pay_1", b'{"amount": {"value": true, "currency": "USD"}, "customer": "x"}', 400),
        ("POST", "/charges", "pay_1", b'{"amount": {"value": 1, "currency": "USD"}}', 400),
    ],
)
def test_what_is_not_the_protocol_s_is_refused_and_not_recorded(method, path, key, body, status):
    ledger = Ledger()
    answer = protocol.answer(ledger, method, path, {"host": "east", "idempotency-key": key}, body)
    assert answer is not None
    assert answer[0] == status
    assert ledger.lines == []


def test_a_ledger_is_read_by_its_lines(tmp_path):
    path = tmp_path / "ledger.jsonl"
    assert list(read(path)) == []
    Ledger(path, now=lambda: 5).charge("east", "pay_1", USD, "x")
    asked = {"at": 5, "endpoint": "east", "key": "pay_1", "amount": USD, "customer": "x"}
    first, second = read(path)
    assert first == {**asked, "what": "charge"}
    assert {name: second[name] for name in asked} == asked
    assert second["what"] == "approved"
    assert second["reference"].startswith("ch_")
