"""The checker of one payment's history, on small histories and against trying all orders."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.linearizability import ABSENT, INFINITY, Told, _after, is_linearizable


def post(answer: str, invoked: int, returned: int = INFINITY, payload: str = "100") -> Told:
    return Told("POST", payload, answer, invoked, returned)


def get(answer: str, invoked: int, returned: int, payload: str = "100") -> Told:
    return Told("GET", payload, answer, invoked, returned)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([post("paid", 0, 1), post("paid", 2, 3), get("paid", 4, 5)], id="replay"),
        pytest.param([get("absent", 0, 1), post("paid", 2, 3)], id="not there yet"),
        pytest.param([post("paid", 0, 5), post("busy", 1, 2), post("reused", 3, 4, "250")], id="seen while it is made"),
        pytest.param([post("silence", 0), get("absent", 1, 2), get("declined", 3, 4)], id="unheard, and late"),
        pytest.param(
            [post("pending", 0, 1), get("pending", 2, 3), get("paid", 4, 5)], id="resolved by nobody's request"
        ),
        pytest.param([post("paid", 0, 9), get("absent", 1, 2), get("paid", 3, 4)], id="visible before its answer"),
        pytest.param(
            [post("silence", 0, 1, "250"), post("reused", 2, 3), post("paid", 4, 5, "250")], id="the other won"
        ),
        pytest.param([], id="nothing"),
    ],
)
def test_histories_of_one_payment_are_accepted(history):
    assert is_linearizable(history)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([post("paid", 0, 1), post("declined", 2, 3)], id="two outcomes"),
        pytest.param([post("paid", 0, 1), get("absent", 2, 3)], id="lost"),
        pytest.param([post("paid", 0, 1), get("pending", 2, 3)], id="undone"),
        pytest.param([post("paid", 0, 1), post("busy", 2, 3)], id="busy with what is final"),
        pytest.param([post("paid", 0, 1), post("paid", 2, 3, "250")], id="another payload replayed"),
        pytest.param([get("paid", 0, 1), post("paid", 2, 3)], id="answered before it was asked for"),
        pytest.param([post("reused", 0, 1, "250"), post("paid", 2, 3)], id="refused for a payment to come"),
        pytest.param([post("paid", 0, 1), get("paid", 2, 3, "250")], id="another amount"),
        pytest.param([post("pending", 0, 1), get("absent", 2, 3)], id="known, then unknown"),
    ],
)
def test_histories_of_no_single_payment_are_refused(history):
    assert not is_linearizable(history)


def by_trying_all(history: list[Told]) -> bool:
    """All orders of the definite answers, with an opening by any POST at any place where it may be."""
    definite = [told for told in history if told.answer != "silence"]
    openers = [told for told in history if told.method == "POST" and told.answer in {"silence", "paid", "declined"}]
    for order in permutations(definite):
        if any(later.returned < earlier.invoked for place, earlier in enumerate(order) for later in order[place + 1 :]):
            continue
        for opener in [None, *openers]:
            for at in range(len(order) + 1) if opener else [0]:
                state = ABSENT
                for place, told in enumerate(order):
                    if opener and place == at and state == ABSENT:
                        if any(rest.returned < opener.invoked for rest in order[place:]):
                            break
                        state = (opener.payload, "open")
                    following = _after(state, told)
                    if following is None:
                        break
                    state = following
                else:
                    return True
    return False


@st.composite
def histories(draw):
    moments = draw(st.permutations(range(8)))
    told = []
    for begin, end in zip(moments[::2], moments[1::2], strict=True):
        invoked, returned = min(begin, end), max(begin, end)
        method = draw(st.sampled_from(["POST", "POST", "GET"]))
        answers = ["paid", "declined", "pending"] + (["busy", "reused", "silence"] if method == "POST" else ["absent"])
        answer = draw(st.sampled_from(answers))
        told.append(Told(method, draw(st.sampled_from(["100", "250"])), answer, invoked, returned))
    return told


@settings(max_examples=400, deadline=None)
@given(histories())
def test_the_checker_agrees_with_trying_all_orders(history):
    assert is_linearizable(history) is by_trying_all(history)
