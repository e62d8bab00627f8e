"""The orchestration with the real engine, over small programs that need no cloud."""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import replace

import pytest

from engine.cli import Cli, CliBackend
from engine.workspace import Workspace
from orchestration.execute import StepStatus
from orchestration.fingerprint import TAG
from orchestration.plan import Freshness, Operation
from shared.errors import Problem
from tests.sandbox.house import COMPUTE_2, DATA, NETWORK_1, NETWORK_2, PUBLISHING, READING, FakeCheck


def statuses(outcomes):
    return {outcome.status for outcome in outcomes.values()}


def test_a_stack_is_deployed_skipped_forced_and_destroyed(house):
    first = house.deploy(DATA)[DATA]
    assert (first.status, first.changes) == (StepStatus.CHANGED, {"create": 2})
    assert house.deploy(DATA)[DATA].status is StepStatus.FRESH
    assert house.deploy(DATA, force=True)[DATA].status is StepStatus.UNCHANGED
    assert house.deploy(DATA)[DATA].status is StepStatus.FRESH
    assert [
        path for path in house.root.rglob("Pulumi.*.yaml") if "projects" in path.parts and "init" not in path.parts
    ] == []
    gone = house.run(Operation.DESTROY, [DATA])[0][DATA]
    assert (gone.status, gone.changes) == (StepStatus.CHANGED, {"delete": 2})
    assert house.target.backend.checkpoint(DATA) is None
    assert house.run(Operation.DESTROY, [DATA])[0][DATA].message == "was not deployed"


def test_both_backends_tell_the_same_and_the_cli_understands_what_is_written_without_it(house):
    files, cli = house.target.backend, CliBackend(house.target.cli)
    assert (cli.checkpoint(DATA), cli.newest_update(DATA), cli.tags(DATA)) == (None, None, {})
    house.deploy(NETWORK_2, DATA)
    for stack in (NETWORK_2, DATA):
        assert cli.tags(stack) == files.tags(stack) != {}
        assert cli.newest_update(stack) == files.newest_update(stack)
        assert cli.checkpoint(stack).outputs == files.checkpoint(stack).outputs != {}
        assert cli.checkpoint(stack).secrets_provider == files.checkpoint(stack).secrets_provider
    cli.tag(DATA, "owner", "data team")
    files.tag(DATA, "more", "x")
    assert cli.tags(DATA) == files.tags(DATA)
    assert {"owner", "more", TAG} <= cli.tags(DATA).keys()
    other = replace(house.target, backend=cli)
    assert house.run(Operation.DEPLOY, [DATA], target=other)[0][DATA].status is StepStatus.FRESH
    assert house.run(Operation.DESTROY, [NETWORK_2, DATA], target=other)[1].code == 0
    assert files.checkpoint(DATA) is None


def test_a_failed_update_and_its_revert_both_run_again(house):
    house.deploy(DATA)
    house.write("projects/data/part.py", "value = 1 / 0\n")
    failed = house.deploy(DATA)[DATA]
    assert failed.status is StepStatus.FAILED
    assert failed.message == "ZeroDivisionError: division by zero"
    house.write("projects/data/part.py", "value = 1\n")
    assert house.deploy(DATA)[DATA].status is StepStatus.UNCHANGED
    assert house.deploy(DATA)[DATA].status is StepStatus.FRESH


@pytest.mark.prove
def test_a_program_that_raises_after_a_change_and_its_revert_both_run_again(house):
    house.deploy(DATA)
    working = (house.root / "projects/data/__main__.py").read_text()
    house.write("projects/data/__main__.py", working + "pulumi.ComponentResource('test:index:Thing', 'other')\n1 / 0\n")
    assert house.deploy(DATA)[DATA].status is StepStatus.FAILED
    house.write("projects/data/__main__.py", working)
    assert house.deploy(DATA)[DATA].status in {StepStatus.CHANGED, StepStatus.UNCHANGED}


@pytest.mark.prove
def test_an_update_by_hand_makes_a_stack_stale(house):
    house.deploy(DATA)
    by_hand = ["up", "--yes", "--skip-preview", "--stack", DATA.reference]
    house.target.cli.call(*by_hand, folder=house.root / "projects/data")
    judged = house.judge(DATA)[DATA]
    assert (judged.freshness, judged.reason) == (Freshness.STALE, "it was updated by hand since")


def test_another_life_of_the_cloud_makes_a_stack_stale_and_refreshes_it(house):
    house.deploy(DATA)
    house.target = replace(house.target, generation="1.1")
    judged = house.judge(DATA)[DATA]
    assert (judged.freshness, judged.reason) == (Freshness.STALE, "the cloud was replaced or restored since")
    house.deploy(DATA)
    assert house.refreshed(DATA)
    assert house.deploy(DATA)[DATA].status is StepStatus.FRESH


def test_a_missing_upstream_stack_is_one_line(house):
    outcome = house.deploy(COMPUTE_2)[COMPUTE_2]
    assert outcome.status is StepStatus.FAILED
    assert outcome.message in {
        f"{COMPUTE_2} reads {missing}, which is not deployed; run ./invoke deploy --layer {missing.layer}"
        for missing in (DATA, NETWORK_2)
    }
    assert house.target.backend.checkpoint(COMPUTE_2) is None


def test_a_wrong_passphrase_changes_nothing_and_the_right_one_works_afterwards(house):
    house.deploy(DATA)
    cli = Cli(house.target.cli.executable, {**house.variables, "PULUMI_CONFIG_PASSPHRASE": "wrong"})
    with pytest.raises(Problem, match="the passphrase is not the one that the stacks were made with"):
        house.deploy(NETWORK_2, DATA, target=replace(house.target, cli=cli), force=True)
    assert house.target.backend.checkpoint(NETWORK_2) is None
    assert house.deploy(DATA)[DATA].status is StepStatus.FRESH
    assert house.deploy(NETWORK_2)[NETWORK_2].status is StepStatus.CHANGED


def test_stacks_made_at_once_share_the_salt_that_the_first_ones_engine_makes(house):
    house.deploy(DATA, NETWORK_2, NETWORK_1)
    kept = [house.target.backend.checkpoint(stack).secrets_provider for stack in (DATA, NETWORK_2, NETWORK_1)]
    assert {provider["type"] for provider in kept} == {"passphrase"}
    (salt,) = {provider["state"]["salt"] for provider in kept}
    assert house.target.configuration.read_text() == f"encryptionsalt: {salt}\n"


def test_a_first_stack_that_fails_leaves_the_salt_to_the_next(house):
    house.write("projects/data/__main__.py", "raise SystemExit(3)\n")
    outcomes = house.deploy(DATA, NETWORK_2)
    assert (outcomes[DATA].status, outcomes[NETWORK_2].status) == (StepStatus.FAILED, StepStatus.CHANGED)
    assert house.target.configuration.exists()


def test_a_passphrase_file_is_tried_again_only_when_it_has_changed(house, tmp_path):
    file = tmp_path / "passphrase"
    file.write_text("right")
    variables = {name: value for name, value in house.variables.items() if name != "PULUMI_CONFIG_PASSPHRASE"}
    cli = Cli(house.target.cli.executable, {**variables, "PULUMI_CONFIG_PASSPHRASE_FILE": str(file)})
    house.deploy(DATA, target=replace(house.target, cli=cli))
    workspace = Workspace(cli, house.target.backend, house.target.configuration, [DATA])
    workspace.verify_passphrase()
    unused = Cli(tmp_path / "missing", cli.variables)
    Workspace(unused, house.target.backend, house.target.configuration, [DATA]).verify_passphrase()
    file.unlink()
    file.write_text("wrong")
    with pytest.raises(Problem, match="the passphrase is not the one"):
        workspace.verify_passphrase()


def test_a_stack_in_a_file_backend_is_made_without_a_process_that_nobody_could_find(house, tmp_path):
    house.deploy(DATA)
    house.run(Operation.DESTROY, [DATA])
    missing = Cli(tmp_path / "missing", house.target.cli.variables)
    backend = house.target.backend
    Workspace(missing, backend, house.target.configuration, [DATA, NETWORK_2]).ensure(NETWORK_2)
    salt = backend.checkpoint(NETWORK_2).secrets_provider["state"]["salt"]
    assert house.target.configuration.read_text() == f"encryptionsalt: {salt}\n"
    assert house.deploy(NETWORK_2)[NETWORK_2].status is StepStatus.CHANGED


@pytest.mark.parametrize("finishes", [False, True])
def test_a_stack_that_somebody_else_is_making_is_waited_for(house, finishes):
    held = house.lock(DATA)
    cli = CliBackend(house.target.cli)
    workspace = Workspace(house.target.cli, cli, house.target.configuration, [DATA])

    def end():
        if finishes:
            house.target.backend.create(DATA, {})
        held.unlink()

    ending = threading.Timer(1, end)
    ending.start()
    workspace.ensure(DATA)
    ending.join()
    assert cli.checkpoint(DATA) is not None


def test_a_locked_stack_names_who_holds_it(house):
    house.deploy(DATA)
    house.lock(DATA)
    holder = rf"another run is changing {DATA} \(ci@{socket.gethostname()}, process {os.getpid()}, "
    with pytest.raises(Problem, match=holder):
        house.deploy(DATA, force=True)


@pytest.mark.prove
def test_a_lost_configuration_file_comes_back_from_a_stack(house):
    house.deploy(DATA)
    salt = house.target.configuration.read_text()
    house.target.configuration.unlink()
    house.deploy(NETWORK_2)
    assert house.target.configuration.read_text() == salt


def test_previews_reach_across_layers_on_an_empty_backend(house):
    house.write("projects/data/__main__.py", PUBLISHING)
    house.write("projects/compute/__main__.py", READING)
    outcomes, result = house.run(Operation.PREVIEW, (NETWORK_2, DATA, COMPUTE_2))
    assert statuses(outcomes) == {StepStatus.CHANGED}
    previewed = json.loads((result.folder / "previewed" / "compute.payments-secondary.json").read_text())
    assert previewed["release"] == "uses payments-1"
    assert house.target.backend.checkpoint(DATA) is None
    assert not house.target.configuration.exists()


def test_changed_outputs_reach_the_stacks_that_read_them_and_no_others(house):
    everything = (NETWORK_2, DATA, COMPUTE_2)
    house.write("projects/data/__main__.py", PUBLISHING)
    house.write("projects/compute/__main__.py", READING)
    house.deploy(*everything)
    house.write("projects/data/part.py", "value = 1  # the same\n")
    unchanged = house.deploy(*everything)
    assert [unchanged[stack].status for stack in everything] == [
        StepStatus.FRESH,
        StepStatus.UNCHANGED,
        StepStatus.FRESH,
    ]
    house.write("projects/data/part.py", "value = 2\n")
    changed = house.deploy(*everything)
    assert changed[NETWORK_2].status is StepStatus.FRESH
    assert changed[COMPUTE_2].status in {StepStatus.CHANGED, StepStatus.UNCHANGED}
    assert house.target.backend.checkpoint(COMPUTE_2).outputs["release"] == "uses payments-2"


def test_a_release_that_does_not_serve_stops_before_the_primary_and_is_refreshed_next(house):
    check = FakeCheck(NETWORK_2)
    assert house.deploy(NETWORK_2, check=check)[NETWORK_2].message == "serves"
    assert check.calls == [("before", False), ("after", "what served")]
    house.write("projects/network/part.py", "value = 2\n")
    broken = FakeCheck(NETWORK_2, Problem("GET /health answered 503"))
    outcomes = house.deploy(NETWORK_2, NETWORK_1, check=broken)
    assert broken.calls[0] == ("before", True)
    assert (outcomes[NETWORK_2].status, outcomes[NETWORK_2].message) == (StepStatus.FAILED, "GET /health answered 503")
    assert outcomes[NETWORK_1].status is StepStatus.SKIPPED
    house.write("projects/network/part.py", "value = 1\n")
    mended = FakeCheck(NETWORK_2)
    assert house.deploy(NETWORK_2, check=mended)[NETWORK_2].status is not StepStatus.FRESH
    assert house.refreshed(NETWORK_2)
    assert mended.calls == [("before", False), ("after", "what served")]


@pytest.mark.prove
def test_a_release_without_a_change_is_not_checked_again(house):
    check = FakeCheck(NETWORK_2)
    house.deploy(NETWORK_2, check=check)
    house.deploy(NETWORK_2, check=check, force=True)
    assert [call[0] for call in check.calls] == ["before", "after", "before"]


def test_another_account_is_refused_before_its_emptiness_is_taken_for_drift(house):
    place = {"account": "111111111111", "suffix": "x7k2", "regions": {}}
    house.write("projects/data/__main__.py", f"import pulumi\npulumi.export('deployed_as', {place!r})\n")
    house.deploy(DATA)
    state = house.target.backend.checkpoint(DATA)
    other = replace(house.target, account="222222222222", generation="222222222222")
    for operation in Operation:
        with pytest.raises(Problem, match="deployed in account 111111111111, not 222222222222: log in to that account"):
            house.run(operation, [DATA], target=other)
    assert house.target.backend.checkpoint(DATA) == state
    assert house.deploy(DATA, target=replace(house.target, account="111111111111"))[DATA].status is StepStatus.FRESH
