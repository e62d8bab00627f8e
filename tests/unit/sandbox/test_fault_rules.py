"""What faults do to requests: pure rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.faults import fault, rules
from sandbox.faults.book import Book
from sandbox.faults.fault import DEPENDENCIES, KINDS
from sandbox.faults.fault import InjectedFault as Fault
from sandbox.faults.network import Network, cuts
from sandbox.faults.rules import ANSWERED, GATEWAY, HANGS, REFUSED, Asked

ONE, TWO, WITNESS = "us-east-1", "us-east-2", "us-west-2"
EVERYTHING = [Asked(ONE, GATEWAY), Asked(ONE, "dynamodb", "PutItem"), Asked(ONE, "s3", "GetObject")]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "[1]", "{}", '{"faults": 1, "next": 1}', '{"faults": [1], "next": 1}'),
        *('{"faults": [{"cut": 1}], "next": 1}', '{"faults": [], "next": Infinity}', "[" * 100_000, "\xff"),
    ],
    ids=range(11),
)
def test_a_damaged_book_is_an_empty_one(tmp_path, text):
    (tmp_path / "faults.json").write_bytes(text.encode("latin-1"))
    book = Book(tmp_path / "faults.json")
    book.refresh()
    assert book.faults == ()


def never():
    return 0.999999


def always():
    return 0.0


def act(fault, asked, chance=never):
    return rules.consequence((fault,), asked, chance).act


@pytest.mark.parametrize("asked", EVERYTHING)
@pytest.mark.parametrize(("kind", "becomes"), [("refuse", "refuse"), ("hang", "hang"), ("5xx", "fail")])
def test_a_region_that_is_out_is_out_for_all_and_no_other_is(asked, kind, becomes):
    assert act(Fault(kind, ONE), asked) == becomes
    assert act(Fault(kind, TWO), asked) == "answer"
    assert act(Fault(kind, ONE), Asked("", "route53")) == "answer"


@pytest.mark.parametrize("kind", ["refuse", "hang", "5xx"])
def test_a_part_of_a_region_is_its_gateway_or_its_api(kind):
    assert act(Fault(kind, ONE, "gateway"), Asked(ONE, GATEWAY)) != "answer"
    assert act(Fault(kind, ONE, "gateway"), Asked(ONE, "s3")) == "answer"
    assert act(Fault(kind, ONE, "aws"), Asked(ONE, GATEWAY)) == "answer"
    assert act(Fault(kind, ONE, "aws"), Asked(ONE, "s3")) != "answer"


def test_slow_answers_come_late_and_add_up():
    faults = (
        Fault("slow", ONE, seconds=3),
        Fault("slow", ONE, "gateway", seconds=2),
        Fault("slow", TWO, seconds=9),
    )
    assert rules.consequence(faults, Asked(ONE, GATEWAY), never).seconds == 5
    assert rules.consequence(faults, Asked(ONE, "s3"), never).seconds == 3


def test_of_what_is_lost_half_is_lost_on_the_way_back():
    fault = Fault("lossy", ONE, probability=0.3)
    assert rules.consequence((fault,), Asked(ONE, GATEWAY), iter([0.29, 0.49]).__next__) == HANGS
    back = rules.consequence((fault,), Asked(ONE, GATEWAY), iter([0.29, 0.5]).__next__)
    assert (back.act, back.loses_answer) == ("answer", True)
    assert rules.consequence((fault,), Asked(ONE, GATEWAY), iter([0.3]).__next__) == ANSWERED


def test_the_data_layer_alone():
    for how, becomes in (("5xx", "fail"), ("refuse", "refuse"), ("hang", "hang")):
        fault = Fault("data", ONE, how=how)
        assert act(fault, Asked(ONE, "dynamodb", "GetItem")) == becomes
        assert act(fault, Asked(TWO, "dynamodb", "GetItem")) == "answer"
        assert act(fault, Asked(ONE, "s3", "GetObject")) == "answer"


@pytest.mark.parametrize(
    ("code", "status"),
    [("InternalServerError", 500), ("ServiceUnavailable", 503), ("ConditionalCheckFailedException", 400)],
)
def test_one_operation_fails_with_its_code_and_the_status_of_it(code, status):
    fault = Fault("operation", ONE, "dynamodb:PutItem", code, probability=0.5)
    found = rules.consequence((fault,), Asked(ONE, "dynamodb", "PutItem"), always)
    assert (found.act, found.status, found.code) == ("fail", status, code)
    assert act(fault, Asked(ONE, "dynamodb", "PutItem"), never) == "answer"
    assert act(fault, Asked(ONE, "dynamodb", "GetItem"), always) == "answer"
    assert act(fault, Asked(ONE, "s3", "PutItem"), always) == "answer"


@pytest.mark.parametrize(("part", "service"), DEPENDENCIES.items())
@pytest.mark.parametrize("how", ["refuse", "hang", "refuse-cold", "hang-cold"])
def test_a_dependency_is_kept_from_functions_and_from_nobody_else(part, service, how):
    fault = Fault("dependency", ONE, part, how)
    assert act(fault, Asked(ONE, service, origin=ONE)) == how.removesuffix("-cold")
    assert act(fault, Asked(ONE, service)) == "answer"
    assert act(fault, Asked(TWO, service, origin=TWO)) == "answer"
    assert act(fault, Asked(ONE, "events", origin=ONE)) == "answer"


def test_a_table_is_throttled_as_dynamodb_does():
    found = rules.consequence((Fault("throttle", ONE, "table"),), Asked(ONE, "dynamodb", "PutItem"), always)
    assert (found.status, found.code) == (400, "ProvisionedThroughputExceededException")
    assert act(Fault("throttle", ONE, "api"), Asked(ONE, "dynamodb", "PutItem"), always) == "answer"
    assert rules.throttled((Fault("throttle", ONE, "api"),), ONE, "api", always)
    assert not rules.throttled((Fault("throttle", ONE, "api"),), ONE, "functions", always)
    assert not rules.throttled((Fault("throttle", ONE, "api", probability=0.5),), ONE, "api", never)


def test_a_name_resolves_to_nothing_however_it_is_written():
    faults = (Fault("name", ONE, "API.example.com."),)
    assert not rules.resolves(faults, "api.example.com")
    assert rules.resolves(faults, "www.api.example.com")
    assert act(Fault("name", ONE, f"dynamodb.{ONE}.amazonaws.com"), Asked(ONE, "dynamodb")) == "refuse"
    assert act(Fault("name", ONE, f"dynamodb.{ONE}.amazonaws.com"), Asked(TWO, "dynamodb")) == "answer"


def test_functions_fail_by_region_name_and_chance():
    faults = (
        Fault("function", ONE, "pays", "crash", probability=0.5),
        Fault("grey", TWO, "pays", "error"),
    )
    assert rules.function_failure(faults, ONE, "pays", always) == "crash"
    assert rules.function_failure(faults, ONE, "pays", never) == ""
    assert rules.function_failure(faults, TWO, "pays", never) == "error"
    assert rules.function_failure(faults, TWO, "other", always) == ""


def test_a_partition_loses_what_functions_ask_over_it_and_answers_everybody_else():
    fault = Fault("partition", ONE, cut=cuts(ONE, (TWO,), "both"))
    assert rules.lasting((fault,), Asked(TWO, GATEWAY, origin=ONE)) == HANGS
    assert rules.lasting((fault,), Asked(ONE, GATEWAY, origin=TWO)) == HANGS
    assert rules.lasting((fault,), Asked(ONE, GATEWAY, origin=ONE)) == ANSWERED
    assert rules.lasting((fault,), Asked(ONE, GATEWAY, origin=WITNESS)) == ANSWERED
    assert rules.lasting((fault,), Asked(ONE, GATEWAY)) == ANSWERED


@pytest.mark.parametrize("how", ["outbound", "inbound"])
def test_a_partition_in_one_direction_lets_the_other_through_but_no_question_is_answered(how):
    network = Network((Fault("partition", ONE, cut=cuts(ONE, ("*",), how)),))
    assert network.delivers(ONE, TWO) == (how == "inbound")
    assert network.delivers(TWO, ONE) == (how == "outbound")
    assert not network.reaches(ONE, TWO)
    assert network.reaches(TWO, WITNESS)
    assert network.delivers(ONE, ONE)


def test_a_region_that_is_out_is_cut_off_and_one_that_answers_errors_is_not():
    for kind in ("refuse", "hang"):
        assert not Network((Fault(kind, ONE),)).delivers(ONE, TWO)
        assert not Network((Fault(kind, ONE),)).delivers(TWO, ONE)
        assert Network((Fault(kind, ONE, "gateway"),)).reaches(ONE, TWO)
    assert Network((Fault("5xx", ONE),)).reaches(ONE, TWO)
    assert not Network((Fault("data", ONE),)).reaches(ONE, TWO, "dynamodb")
    assert Network((Fault("data", ONE),)).reaches(ONE, TWO, "s3")


def test_what_lasts_is_told_before_what_is_drawn():
    assert (
        rules.consequence((Fault("lossy", ONE, probability=1), Fault("refuse", ONE)), Asked(ONE, "s3"), always)
        == REFUSED
    )


def test_a_book_keeps_its_faults_and_gives_no_number_twice(tmp_path):
    book = Book(tmp_path / "faults.json")
    first = book.begin(Fault("partition", ONE, cut=cuts(ONE, (TWO,), "both")))
    second = book.begin(Fault("slow", TWO, seconds=2.5))
    assert (first.number, second.number) == (1, 2)
    reader = Book(tmp_path / "faults.json")
    assert reader.refresh()
    assert not reader.refresh()
    assert list(reader.faults) == [first, second]
    assert book.end(number=2) == (second,)
    assert reader.refresh()
    assert list(reader.faults) == [first]
    assert reader.begin(Fault("hang", ONE)).number == 3
    assert [each.number for each in reader.end(region=ONE)] == [1, 3]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"faults": [{"kind": 1, "moon": 2}], "next": 3}'])
def test_a_book_that_cannot_be_read_is_empty(tmp_path, content):
    (tmp_path / "faults.json").write_text(content)
    book = Book(tmp_path / "faults.json")
    book.refresh()
    assert book.faults == ()


def test_the_document_has_every_kind_and_all_that_may_be_said_of_it():
    document = (Path(fault.__file__).with_name("README.md")).read_text()
    rows = dict(re.findall(r"^\| `([\w]+)` \|(.*)$", document, re.MULTILINE))
    assert rows.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        said = set(re.findall(r"`([\w-]+)`", rows[name]))
        words = {*kind.parts, *kind.hows} - {"", "*"}
        if "the same" not in rows[name]:
            assert words <= said, name
        assert ("--probability" in said) == (kind.probability is not None), name
        assert ("--seconds" in said) == (kind.seconds is not None), name
