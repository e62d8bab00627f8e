"""GitHub's workflows (docs/ownership.md): what starts each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.made_of import Sources
from orchestration.smoke import CHECKED_LAYER
from shared.contracts import layer_of
from shared.environment import Environment
from shared.root import ROOT
from tests.doubles.github import documents, events, started_by
from tools import workflows
from tools.workflows import OWNED

ENVIRONMENTS = sorted(ROOT.glob("environments/*.yaml"))


@pytest.mark.parametrize("layer", OWNED)
def test_a_layers_workflow_is_what_follows_from_contracts_and_imports(layer):
    there = (ROOT / workflows.WORKFLOWS / f"{layer}.yml").read_text(encoding="utf-8")
    assert there == workflows.text(layer), "run `.venv/bin/python -m tools.workflows`"


@pytest.mark.parametrize("layer", OWNED)
def test_a_pull_request_and_a_merge_start_it_by_the_same_paths(layer):
    document = documents()[f".github/workflows/{layer}.yml"]
    started = events(document)
    assert started["pull_request"]["paths"] == started["push"]["paths"] == list(workflows.patterns(layer))
    assert started["push"]["branches"] == ["main"]
    given = document["jobs"][layer]["with"]
    assert (given["layer"], given["regional"]) == (layer, layer_of(layer).regional)
    assert tuple(given["upstream"].split()) == workflows.upstream(layer)
    assert given["watched"] == (layer == CHECKED_LAYER)


def test_a_layer_waits_for_all_that_it_reads_directly_or_not():
    assert {layer: workflows.upstream(layer) for layer in OWNED} == {
        "network": (),
        "data": (),
        "compute": ("network", "data"),
        "edge": ("network", "data", "compute"),
        "observability": ("network", "data", "compute", "edge"),
        "vault": ("data",),
    }


@pytest.mark.parametrize(
    ("path", "layers"),
    [
        ("projects/network/vpc.py", {"network", "compute", "edge", "observability"}),
        ("projects/data/table.py", {"data", "compute", "edge", "observability", "vault"}),
        ("projects/vault/daily_copies.py", {"vault"}),
        ("projects/observability/alarms.py", {"observability"}),
        ("projects/observability/README.md", set()),
        ("lambdas/canary/main.py", {"observability"}),
        ("shared/contracts.py", set(OWNED)),
        ("policies/rules/README.md", set()),
        (".github/workflows/deploy.yml", set(OWNED)),
        (".github/workflows/edge.yml", {"edge"}),
        ("sandbox/clock.py", set()),
        ("environments/payments.yaml", set(OWNED)),
        ("environments/live.yaml", set(OWNED)),  # a variable says which one is deployed
    ],
)
def test_a_change_starts_the_workflows_of_those_that_it_may_concern(path, layers):
    assert {layer for layer in OWNED if started_by(Path(path), workflows.patterns(layer))} == layers


def test_all_tests_are_run_on_each_pull_request_and_merge_whatever_it_changes():
    document = documents()[".github/workflows/test.yml"]
    started = events(document)
    assert (started["pull_request"], started["push"]) == (None, {"branches": ["main"]})
    (job,) = document["jobs"].values()
    assert (job.get("if"), job["permissions"]) == (None, {"contents": "read"}), "forks included"


@pytest.mark.parametrize("layer", OWNED)
def test_the_same_files_start_it_whatever_environment_is_deployed(layer):
    found = {file.stem: Sources(ROOT, Environment.load(file.stem)).files(layer) for file in ENVIRONMENTS}
    assert len(found) > 1
    assert set(found.values()) == {found[workflows.ENVIRONMENT]}


def test_a_drill_is_played_on_each_pull_request_whatever_it_changes():
    assert events(documents()[".github/workflows/drill.yml"])["pull_request"] is None


def test_drift_is_looked_for_every_day():
    (entry,) = events(documents()[".github/workflows/drift.yml"])["schedule"]
    minute, hour, *days = entry["cron"].split()
    assert minute.isdecimal()
    assert hour.isdecimal()
    assert days == ["*", "*", "*"]
