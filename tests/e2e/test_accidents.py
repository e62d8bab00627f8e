"""What happens while a release works, or before it: one line each, nothing cut off, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil
import pytest

from tests.e2e.conftest import Answer
from tests.sampling import sampled
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")

BROKEN = {
    "projects/network/flow_logs.py": b"\n\ndef (:\n",
    "projects/edge/__main__.py": b"\nname = '\xe9'\n",
    "lambdas/payment/fields.py": b"\nif True:\nnothing\n",
    "lambdas/health/main.py": b"\0",
    "shared/components/iam.py": b"\n\n\nx = (1,\n",
}


@pytest.mark.parametrize("file", sampled(BROKEN, 2))
def test_a_source_that_is_no_python_is_one_line_with_file_and_line(running, file):
    path = running.root / file
    text = path.read_bytes()
    path.write_bytes(BROKEN[file])
    try:
        answer = running.run("deploy-all")
    finally:
        path.write_bytes(text)
    assert answer.code == 1
    assert answer.out == ""
    assert answer.complaint.startswith(f"error: {file}:")


def test_a_program_that_fails_says_in_which_line(running):
    with running.edited("projects/network/flow_logs.py", "class FlowLogs(", "nothing.at_all\n\n\nclass FlowLogs("):
        answer = running.run("deploy", "--layer", "network", "--region", "secondary", "--json")
    assert answer.code == 1
    (message,) = answer.messages.values()
    assert message.startswith("projects/network/flow_logs.py:")
    assert message.endswith("NameError: name 'nothing' is not defined")
    running.ok("deploy-all")


@pytest.mark.parametrize("plugins", ["", pytest.param("plain", marks=pytest.mark.prove)])
def test_what_would_break_a_rule_is_one_line_and_nothing_is_changed(running, plugins):
    source, queue = "shared/components/queues.py", "aws:sqs/queue:Queue"
    with running.edited(source, "sqs_managed_sse_enabled=True", "sqs_managed_sse_enabled=False"):
        # By force: a primary that a busy machine keeps from answering would refuse the run before the rule does.
        refused = running.run("deploy-all", "--force", SANDBOX_PLUGINS=plugins)
        previewed = running.run("preview-all", "--json", SANDBOX_PLUGINS=plugins)
    said = f"error: compute/payments-secondary: {queue} functions-dead-letters: encryption: kmsMasterKeyId is not set"
    assert refused.code == 1
    assert refused.complaint.startswith(said)
    assert "; nothing was changed; " in refused.complaint
    assert previewed.code == 1
    assert previewed.statuses["compute/payments-secondary"] == "failed"
    assert previewed.messages["compute/payments-secondary"].startswith(f"{queue} functions-dead-letters: encryption:")
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


@pytest.mark.parametrize("reader", sampled(["head -1", "true"]))
def test_a_reader_that_leaves_cuts_nothing_off(running, reader):
    command = f"(./invoke deploy-all --force --json 2>&1; echo $? >code) | {reader}"
    subprocess.run(["sh", "-c", command], cwd=running.root, stdout=subprocess.PIPE, check=True)
    until(lambda: (running.root / "code").exists() and (running.root / "code").read_text(), seconds=120)
    assert (running.root / "code").read_text() == "0\n"
    (running.root / "code").unlink()
    newest = max((running.root / ".sandbox" / "orchestration" / "runs").iterdir())
    assert '"exit_code": 0' in (newest / "run.json").read_text()
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


@pytest.mark.prove
def test_a_cloud_that_is_killed_under_a_release_is_one_line_and_the_next_run_goes_on(running):
    process = running.start("deploy-all", "--refresh")
    books = running.root / ".sandbox" / "backend" / ".pulumi" / "locks"
    until(lambda: any(books.rglob("*.json")), seconds=60)
    psutil.Process(running.ok("sandbox.status", "--json").json["pids"]["cloud"]).send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    answer = Answer(process.returncode, out, err)
    assert answer.code == 1
    assert "Traceback" not in out + err
    assert "the sandbox's cloud has ended" in out
    assert max(len(line) for line in (out + err).splitlines()) < 240
    assert len((out + err).splitlines()) < 40
    recovered = running.ok("deploy-all", "--json")
    assert set(recovered.statuses.values()) <= {"fresh", "unchanged", "changed"}
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


def test_an_idle_cloud_that_was_killed_has_lost_nothing(running):
    running.ok("deploy-all")
    running.ok("pay")
    time.sleep(5)  # idle, on a busy machine too: nothing is left to save
    psutil.Process(running.ok("sandbox.status", "--json").json["pids"]["cloud"]).send_signal(signal.SIGKILL)
    running.ok("pay")
    again = running.ok("deploy-all")
    assert "Nothing to do" in again.out
    assert [line for line in again.out.splitlines() if line != line.rstrip()] == []  # a table for a file is not padded


@pytest.mark.parametrize(
    "what", ["gone", *(pytest.param(each, marks=pytest.mark.prove) for each in ("empty", "another"))]
)
def test_a_passphrase_that_is_not_the_stacks_says_what_to_do(running, what):
    passphrase = running.root / ".sandbox" / "passphrase"
    right = passphrase.read_text()
    passphrase.unlink()
    if what != "gone":
        passphrase.write_text("" if what == "empty" else "another")
    try:
        answer = running.run("deploy-all", "--force")
    finally:
        passphrase.write_text(right)
    assert answer.code == 1
    assert ".sandbox/passphrase" in answer.complaint
    assert "put that one back" in answer.complaint
    assert "./invoke sandbox.down --wipe" in answer.complaint
    assert set(running.ok("deploy-all", "--force", "--json").statuses.values()) == {"unchanged"}


@pytest.mark.parametrize("words", [("pay",), ("deploy", "--layer", "network", "--region", "primary", "--force")])
def test_a_region_that_was_taken_out_is_named_with_the_way_back(running, words):
    running.ok("fault", "--region", "us-east-1", "--kind", "refuse")
    try:
        answer = running.run(*words)
    finally:
        running.ok("heal")
    assert answer.code == 1
    assert "us-east-1 has a fault" in answer.out + answer.err
    assert "./invoke heal --number" in answer.out + answer.err
    running.ok("deploy-all")


@pytest.mark.parametrize("after", sampled([1.5, 0.5, 3.0]))
def test_ctrl_c_during_a_release_ends_it_in_order_with_a_word(running, after):
    process = running.start("deploy-all", "--force")
    time.sleep(after)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    if process.returncode != 0:  # else the release was quicker
        assert process.returncode == 130
        assert "nterrupted" in (out + err).splitlines()[-1]
    assert "Traceback" not in out + err
    running.ok("deploy-all")
