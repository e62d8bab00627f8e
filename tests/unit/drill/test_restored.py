"""A restored table is compared with an original that goes on: what differs is found, and what may differ is not."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drill.restored import IN_DOUBT, compare

MOMENT = 1_000_000
CANARY = "canary"


def payment(key, version, updated, **attributes):
    return {
        "pk": {"S": key},
        "sk": {"S": "payment"},
        "client": {"S": "storefront"},
        "minor_units": {"N": "100"},
        "created": {"N": str(attributes.pop("created", updated))},
        "updated": {"N": str(updated)},
        "version": {"N": str(version)},
        **attributes,
    }


@st.composite
def histories(draw):
    """A payment's writes: each with when it says that it was made, and when it reached the table."""
    writes, at = [], draw(st.integers(0, 2 * MOMENT))
    for _ in range(draw(st.integers(1, 4))):
        writes.append((at, at + draw(st.integers(0, IN_DOUBT - 1))))
        at = writes[-1][1] + draw(st.integers(0, MOMENT))
    return writes


def tables(found):
    """The original as it is at the end, and as it was at the moment."""
    original, then = {}, {}
    for number, writes in enumerate(found):
        for version, (said, landed) in enumerate(writes, 1):
            item = payment(f"p{number}", version, said, created=writes[0][0])
            original[number] = item
            if landed <= MOMENT:
                then[number] = item
    return list(original.values()), copy.deepcopy(list(then.values()))


@given(st.lists(histories(), max_size=6), st.randoms(use_true_random=False))
def test_what_was_there_at_the_moment_is_the_same_whatever_was_written_since_and_in_whatever_order(found, random):
    original, then = tables(found)
    random.shuffle(then)
    result = compare(original, then, MOMENT)
    assert result.same
    assert result.hashes[0] == result.hashes[1]
    assert sum(result.counts.values()) == len(original)


@given(st.lists(histories(), min_size=1, max_size=6), st.data())
def test_no_item_that_nobody_has_touched_can_go_or_change_unnoticed(found, data):
    original, then = tables(found)
    untouched = [
        at for at, item in enumerate(then) if item in original and int(item["updated"]["N"]) < MOMENT - IN_DOUBT
    ]
    if not untouched:
        return
    at = data.draw(st.sampled_from(untouched))
    match data.draw(st.sampled_from(["goes", "amount", "version", "more"])):
        case "goes":
            then.pop(at)
        case "amount":
            then[at]["minor_units"] = {"N": "101"}
        case "version":
            then[at]["version"] = {"N": str(int(then[at]["version"]["N"]) - 1)}
        case _:
            then[at]["reason"] = {"S": "another"}
    result = compare(original, then, MOMENT)
    assert not result.same
    assert result.hashes[0] != result.hashes[1]
    assert len(result.differences) == 1


OLD, SINCE = MOMENT - IN_DOUBT - 1, MOMENT + IN_DOUBT + 1


@pytest.mark.parametrize(
    ("original", "then", "what"),
    [
        ([], payment("p", 1, OLD), "no longer|not in the original"),
        ([payment("p", 3, SINCE, created=OLD)], payment("p", 2, SINCE, created=OLD), "newer in the restored"),
        ([payment("p", 3, SINCE, created=OLD)], payment("p", 4, OLD), "newer in the restored"),
        ([payment("p", 3, SINCE, created=OLD)], payment("p", 3, OLD), "one version, with two contents"),
        ([payment("p", 3, SINCE, created=OLD)], payment("p", 2, OLD, minor_units={"N": "7"}), "who pays whom what"),
        ([payment("p", 3, OLD)], payment("p", 2, OLD - 1, created=OLD), "is an older version"),
    ],
)
def test_what_cannot_be_is_said(original, then, what):
    (difference,) = compare(original, [then], MOMENT).differences
    assert difference.key == ("p", "payment")
    assert re.search(what, difference.what)


def test_what_a_canary_paid_is_swept_after_a_day():
    swept = payment("c", 3, OLD, client={"S": CANARY})
    result = compare([], [swept], MOMENT)
    assert result.same
    assert result.counts == {"swept since": 1}


def test_what_is_no_payment_may_come_and_go_but_a_charge_of_play_money_never_changes():
    def charge(outcome):
        return {"pk": {"S": "canary-charge#1"}, "sk": {"S": "charge"}, "outcome": {"S": outcome}}

    fence = {"pk": {"S": "fence"}, "sk": {"S": "us-east-1"}, "from": {"N": "1"}}
    assert compare([fence, charge("approved")], [], MOMENT).same
    assert compare([], [fence, charge("approved")], MOMENT).same
    assert compare([fence], [{**fence, "from": {"N": "2"}}], MOMENT).same
    assert not compare([charge("approved")], [charge("declined")], MOMENT).same


def test_within_the_doubt_both_are_right():
    late = payment("p", 2, MOMENT - 1, created=OLD)
    assert compare([late], [late], MOMENT).counts == {"same": 1}
    assert compare([late], [payment("p", 1, OLD)], MOMENT).counts == {"in doubt": 1}
    assert compare([payment("p", 1, MOMENT - 1)], [], MOMENT).counts == {"in doubt": 1}
