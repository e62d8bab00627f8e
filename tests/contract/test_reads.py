"""Consumers say what they read, and mean it: a producer whose contract lacks it fails here, by the consumer's name."""

from __future__ import annotations

from collections import defaultdict

import pulumi
import pytest

from shared import reads
from shared.components import exchange
from shared.contracts import LAYERS, DataOutputs, typed_fields
from shared.errors import Problem
from shared.root import ROOT
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, published, run_component, run_program, stacks_of

CONSUMERS = [layer.name for layer in LAYERS.values() if layer.consumes]


@pytest.mark.parametrize("producer", LAYERS)
def test_a_producer_keeps_what_its_consumers_read(producer):
    contract = LAYERS[producer].outputs
    missed = {name: reads.broken(reads.of(ROOT, name).get(producer, {}), contract) for name in CONSUMERS}
    assert {name: fields for name, fields in missed.items() if fields} == {}


@pytest.mark.parametrize("layer", CONSUMERS)
def test_a_consumer_declares_just_what_its_program_reads(layer, monkeypatch):
    """In whichever profile: what one of them alone reads counts too."""
    read = defaultdict(set)
    around = {environment: published(environment) for environment in (PAYMENTS, TRADING)}
    monkeypatch.setattr(exchange, "require_declared", lambda _, producer, path, __: read[producer].add(path))
    for environment, outputs in around.items():
        for stack in stacks_of(environment):
            if stack.startswith(f"{layer}/"):
                run_program(layer, stack.partition("/")[2], outputs)
    said = reads.declared(ROOT, layer)
    assert said is not None
    assert {producer: set(fields) for producer, fields in said.items()} == read
    assert set(said) == {contract.project for contract in LAYERS[layer].consumes}


@pytest.mark.parametrize(
    ("fields", "missed"),
    [
        ({"table_name": "Output[str]"}, []),
        ({"table": "Output[str]"}, ["table is gone"]),
        ({"table_name": "Output[int]"}, ["table_name is Output[str], not Output[int]"]),
    ],
)
def test_what_a_reader_would_miss(fields, missed):
    assert reads.broken(fields, DataOutputs) == missed


def taking(name):
    return lambda: getattr(exchange.consume(DataOutputs), name)


def declaring(monkeypatch, fields):
    published()  # by the programs as they are
    monkeypatch.setattr(exchange, "declared", lambda *_: {"data": fields})


def test_a_program_gets_what_it_declares_and_nothing_else(monkeypatch):
    declaring(monkeypatch, {"table_name": "Output[str]"})
    run_component("payments-primary", taking("table_name"), published(), project="compute")
    with pytest.raises(pulumi.RunError, match="projects/compute reads key_arns of data, which projects/compute/reads"):
        run_component("payments-primary", taking("key_arns"), published(), project="compute")


def test_a_program_whose_producer_took_a_field_away_ends_in_one_line(monkeypatch):
    declaring(monkeypatch, {"table": "Output[str]"})
    with pytest.raises(pulumi.RunError, match=r"contract of data does not have \(table is gone\): put it back, or let"):
        run_component("payments-primary", taking("table_name"), published(), project="compute")


def test_what_is_not_read_need_not_be_there(monkeypatch):
    """Adding a field is free: consumers need not wait until it is deployed."""
    outputs = {name: dict(of) for name, of in published().items()}
    del outputs["organization/data/payments"]["table_arns"]
    declaring(monkeypatch, {"table_name": "Output[str]"})
    run_component("payments-primary", taking("table_name"), outputs, project="compute")
    declaring(monkeypatch, {"table_arns": "PerRole[Output[str]]"})
    with pytest.raises(pulumi.RunError, match="stack data/payments has no output table_arns"):
        run_component("payments-primary", taking("table_arns"), outputs, project="compute")


def test_a_part_counts_by_its_fields_and_itself_by_whether_it_is_there():
    fields = {"part": "Part | None", "part.name": "Output[str]", "other": "Output[str]"}
    found = reads.values(fields, {"part": {"name": "a", "unread": "b"}, "other": ["x"], "unread": 1})
    assert found == {"part": True, "part.name": "a", "other": ["x"]}
    assert reads.values(fields, {"part": None}) == {"part": False, "part.name": None, "other": None}


def test_a_layer_without_a_file_may_read_all_that_it_consumes(tmp_path):
    assert reads.declared(tmp_path, "compute") is None
    assert reads.of(tmp_path, "compute") == {each.project: typed_fields(each) for each in LAYERS["compute"].consumes}
    file = tmp_path / "projects/compute/reads.json"
    file.parent.mkdir(parents=True)
    file.write_text('["data"]')
    with pytest.raises(Problem, match=r"^projects/compute/reads.json: .*: it maps a producer to its fields"):
        reads.of(tmp_path, "compute")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b'{"network": 1}',
        b'{"network": null}',
        b'{"network": ["vpc_id"]}',
        b'{"network": {"vpc_id": 1}}',
        '{"network": {"é": "x"}}'.encode("latin-1"),
        '{"network": {}}'.encode("utf-16"),
        pytest.param(b"[" * 100_000, id="deep"),
        None,
    ],
)
def test_a_declaration_that_is_none_is_one_line_with_its_path(tmp_path, content):
    path = tmp_path / "projects" / "compute" / "reads.json"
    path.parent.mkdir(parents=True)
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(Problem, match=r"^projects/compute/reads\.json: [^\n]*it maps a producer to its fields"):
        reads.declared(tmp_path, "compute")
