"""Status tells of each stack who deployed what and when, and why it is stale, by the backend and the checkout alone."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from engine.backend import FileBackend
from orchestration import status as standing
from orchestration import target
from orchestration.choice import Choice
from orchestration.fingerprint import MADE_OF, TAG, Fingerprint, Fingerprints
from orchestration.graph import Graph
from orchestration.target import StackBooks
from shared.contracts import LAYERS
from shared.environment import Environment
from shared.root import ROOT
from shared.stack import Stack

GRAPH = Graph.of("payments")
HEAD = "0123456789abcdef0123456789abcdef01234567"
DATA, NETWORK = Stack("data", "payments"), Stack("network", "payments", "primary")


class Written:
    """A backend in which every stack was deployed by what the checkout says now."""

    def __init__(self, folder):
        self.folder = folder / ".pulumi"
        self.backend = FileBackend(folder)
        for stack in GRAPH.stacks:
            self.state(stack)
        for stack in GRAPH.stacks:
            self.deployed(stack, "1")

    def write(self, path, content):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(json.dumps(content))

    def state(self, stack, **outputs):
        kept = {"contract": {"name": stack.layer, "version": LAYERS[stack.layer].outputs.version}, **outputs}
        latest = {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": kept}, {"type": "x"}]}
        self.write(f"stacks/{stack.layer}/{stack.name}.json", {"checkpoint": {"latest": latest}})

    def deployed(self, stack, update, *, dirty="false", message=None):
        told = json.dumps({"update": update, "by": "ann@laptop"}) if message is None else message
        entry = {
            "kind": "update",
            "message": told,
            "result": "succeeded",
            "startTime": 1795764851,
            "environment": {"git.head": HEAD, "git.dirty": dirty, "git.author": "Ann", "git.committer": "Bob"},
        }
        self.write(f"history/{stack}/{stack.name}-179526781400000000{update}.history.json", entry)
        known = Fingerprints(ROOT, Environment.load("payments"), GRAPH, self.backend, generation="g.0")
        made_of = known.made_of(stack, update)
        self.backend.tag(stack, MADE_OF, made_of.to_tag())
        self.backend.tag(stack, TAG, Fingerprint(update, known.parts(stack)).to_tag())


@pytest.fixture
def written(tmp_path, monkeypatch):
    found = Written(tmp_path)
    opened = StackBooks(found.backend, "g.0", "a test's backend")
    monkeypatch.setattr(target, "module", lambda _: SimpleNamespace(books=lambda: opened))
    return found


def asked(capsys, **options):
    code = standing.status(Choice(json=True, **options))
    return code, {row["stack"]: row for row in json.loads(capsys.readouterr().out)["stacks"]}


def test_a_fresh_system_says_by_which_commit_by_whom_and_when(written, capsys):
    code, rows = asked(capsys)
    assert code == 0
    assert list(rows) == [str(stack) for stack in GRAPH.stacks]
    assert rows["network/payments-primary"] == {
        "stack": "network/payments-primary",
        "layer": "network",
        "role": "primary",
        "state": "fresh",
        "why": [],
        "follows": [],
        "commit": HEAD,
        "dirty": False,
        "author": "Ann",
        "committer": "Bob",
        "by": "ann@laptop",
        "at": "2026-11-27T07:34:11Z",
        "contract": {"name": "network", "version": 2},
    }


def test_an_upstream_output_that_has_moved_is_named_and_what_is_behind_follows(written, capsys):
    written.state(DATA, consistency="MREC")
    code, rows = asked(capsys)
    assert code == 1
    why = {name: row["why"] for name, row in rows.items() if row["why"]}
    assert why == {name: ["outputs of data/payments changed: consistency"] for name in why}
    readers = [stack for stack in GRAPH.stacks if DATA in GRAPH.reads[stack]]
    assert list(why) == [str(stack) for stack in readers]
    assert rows["edge/payments"]["follows"] == ["compute/payments-secondary", "compute/payments-primary"]
    assert rows["data/payments"]["state"] == "fresh"


def test_one_who_did_not_go_through_us_is_told_by_the_commit(written, capsys):
    written.deployed(NETWORK, "2", dirty="true", message="quick fix")
    code, rows = asked(capsys, layer="network", region="primary")
    assert (code, list(rows)) == (1, ["network/payments-primary"])
    row = rows["network/payments-primary"]
    assert (row["why"], row["by"], row["dirty"]) == (["it was updated by hand since"], "Bob", True)


def test_the_table_has_no_colours_for_a_file_and_says_what_its_sign_means(written, capsys):
    written.deployed(NETWORK, "2", dirty="true")
    assert standing.status(Choice()) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "network/payments-primary          fresh  0123456789+  ann@laptop  2026-11-27T07:34:11Z  v2" in said
    assert said.splitlines()[-1] == "+ the checkout held changes beside its commit"


def test_nothing_deployed_is_no_error_but_not_good(tmp_path, monkeypatch, capsys):
    opened = StackBooks(FileBackend(tmp_path), None, "an empty backend")
    monkeypatch.setattr(target, "module", lambda _: SimpleNamespace(books=lambda: opened))
    code, rows = asked(capsys)
    assert code == 1
    assert {row["state"] for row in rows.values()} == {"not deployed"}
    assert {(row["commit"], row["contract"]) for row in rows.values()} == {("", None)}
