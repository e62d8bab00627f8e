"""`./invoke` as a command among others."""

from __future__ import annotations

import subprocess

from shared.root import ROOT


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_reader_that_has_seen_enough_is_no_error():
    assert shell("./invoke graph | true").stderr == ""


def test_a_problem_is_one_line_and_exit_code_1():
    answer = shell("./invoke graph --environment nowhere")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
