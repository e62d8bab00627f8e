"""No command lets data go that the user has not named, whatever asks for it, and a program must come to its end."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.e2e.inventory import everything
from tests.e2e.states import files
from tests.sampling import sampled

pytestmark = pytest.mark.xdist_group("running")

ENVIRONMENT = "environments/payments.yaml"
REGIONS = ["us-east-1", "us-east-2", "us-west-2"]
MOVES = {
    "suffix": [("suffix: x7k2", "suffix: q9q9")],
    "both": [
        ("primary: us-east-1\n", "primary: us-east-2\n"),
        ("secondary: us-east-2\n", "secondary: us-east-1\n"),
        ("[use1-az1, use1-az2]", "[use2-az1, use2-az2]"),
        ("secondary: [use2-az1, use2-az2]", "secondary: [use1-az1, use1-az2]"),
    ],
    "consistency": [
        ("consistency: strong", "consistency: eventual"),
        ("secondary: us-east-2.processor.example.com", "secondary: us-east-1.processor.example.com"),
    ],
    "secondary": [
        ("secondary: us-east-2\n", "secondary: us-west-2\n"),
        ("witness: us-west-2", "witness: us-east-2"),
        ("[use2-az1, use2-az2]", "[usw2-az1, usw2-az2]"),
    ],
}
"""Edits of the environment file after which all that holds data would be made anew, or a region's part of it: also by
an update of what stays."""

SMALLER = [
    ("reserved_concurrency: 400", "reserved_concurrency: 330"),
    ("payments: {requests_per_second: 400", "payments: {requests_per_second: 200"),
]
"""Edits with which the account has room for two of it."""

EVERYTHING = {"bucket", "table", "secret"}

ENDS = {
    "exits": "import sys\nsys.exit(0)\n",
    "exits at once": "import os\nos._exit(0)\n",
    "is empty": "",
    "does nothing": "print('nothing')\n",
}
"""Programs that end early, and tell the interpreter that all is well."""


def cloud(checkout):
    return checkout.ok("sandbox.status", "--json").json["endpoint"]


def kept(checkout):
    """What exists, and what the engine has written of it."""
    return everything(cloud(checkout), REGIONS), dict(files(checkout, "stacks/*/*.json"))


def owner(checkout, layer, stack, *arguments, **environment):
    """Run Pulumi as a layer's owner does."""
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    script = f'eval "$(./invoke sandbox.env)" && cd projects/{layer} && {variables} pulumi {" ".join(arguments)} '
    command = ["sh", "-c", f"{script} --stack {stack} --non-interactive"]
    return subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False)


class Edits:
    """The environment file with some places replaced, until the block ends."""

    def __init__(self, checkout, edits):
        self._file = checkout.root / ENVIRONMENT
        self._text = self._file.read_text()
        self._edits = edits

    def __enter__(self):
        text = self._text
        for old, new in self._edits:
            assert text.count(old) == 1, old
            text = text.replace(old, f"\0{new}")
        self._file.write_text(text.replace("\0", ""))

    def __exit__(self, *_):
        self._file.write_text(self._text)


def listed(answer):
    """What a refusal lists: names with amounts, by the name of the region."""
    rows = re.findall(r"^  (\S+) +(us-\S+)  (.+)$", answer.err, re.MULTILINE)
    return {name: amount for name, _, amount in rows}


def named(answer):
    """What the last line of a refusal says to name."""
    return answer.err.splitlines()[-1].rpartition("--discard-data ")[2].split(",")


@pytest.mark.parametrize(
    ("move", "kinds"),
    [
        ("suffix", EVERYTHING),
        pytest.param("both", EVERYTHING, marks=pytest.mark.prove),
        pytest.param("secondary", {"bucket", "replica"}, marks=pytest.mark.prove),
        pytest.param("consistency", {"replica", "witness"}, marks=pytest.mark.prove),
    ],
)
def test_a_system_that_would_move_is_refused_before_anything_changes(running, move, kinds):
    paid = running.ok("pay", "--key", "before", "--json").json["answer"]
    before = kept(running)
    with Edits(running, MOVES[move]):
        refused = running.run("deploy-all")
        assert refused.code == 1
        assert kept(running) == before
        held = listed(refused)
        assert {name.partition("/")[0] for name in held} >= kinds, refused.err
        assert sorted(held) == sorted(named(refused))
        last = refused.err.splitlines()[-1]
        for word in ("error: ", "nothing was changed", "./invoke deploy-all --discard-data"):
            assert word in last
        assert ("is deployed with" in last) == (move != "consistency"), "what is deployed elsewhere is told as that"
        by_hand = owner(running, "data", "payments", "up", "--yes")
        assert by_hand.returncode != 0
        assert "stack data/payments is deployed with" in by_hand.stdout
        assert "Traceback" not in by_hand.stdout + by_hand.stderr
        assert kept(running)[0] == before[0]
    again = running.ok("pay", "--key", "before", "--json").json
    assert (again["answer"], again["replayed"]) == (paid, True)
    assert set(running.ok("deploy-all", "--json").statuses.values()) <= {"fresh", "unchanged"}


def test_whatever_command_it_is_and_it_says_how_much_would_go(running):
    running.ok("pay")
    before = kept(running)
    with Edits(running, MOVES["suffix"]):
        for command in ("deploy-all --force", "deploy-all --refresh", "deploy --layer data"):
            refused = running.run(*command.split())
            assert refused.code == 1
            for kind, unit in (("table", "items"), ("bucket", "versions? of objects"), ("secret", "versions?")):
                amounts = [amount for name, amount in listed(refused).items() if name.startswith(f"{kind}/")]
                # A canary's bucket is empty until its first run.
                assert any(re.fullmatch(rf"at least [1-9]\d* {unit}, as of \d\d:\d\d UTC", each) for each in amounts)
        other = running.run("deploy", "--layer", "network")
        assert other.code == 1
        assert "stack network/payments-secondary is deployed with suffix x7k2, not q9q9: " in other.complaint
        told = running.run("deploy-all", "--json").json["refused"]
        assert {row["stack"] for row in told} >= {"data/payments", "edge/payments"}
        assert kept(running) == before
        previewed = running.ok("preview-all").out
        assert re.search(r"^  ± aws:dynamodb/table:Table payments \(\S+\): .*; holds data$", previewed, re.MULTILINE)
        assert "deploy-all refuses this" in previewed
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


def test_a_name_that_would_not_go_is_refused(running):
    answer = running.run("deploy-all", "--discard-data", "table/payments")
    assert answer.code == 1
    assert "names table/payments, and what would go is nothing that holds data" in answer.complaint


def test_data_that_the_program_leaves_out_stays(running):
    """Not only a move: a component that somebody has deleted from the program."""
    before = kept(running)
    source = "projects/data/__main__.py"
    with running.edited(source, 'audit = AuditBuckets("audit", regions, settings.audit, key)', "audit = None"):
        text = (running.root / source).read_text()
        for old, new in (
            ('Parameters("parameters", regions, key, secrets)', ""),
            ('AuditAccessLogs("audit-access", regions, settings.audit.access_log_days, audit)', ""),
            ("audit_bucket_names=audit.names", "audit_bucket_names=table.arns"),
            ("audit_bucket_arns=audit.arns", "audit_bucket_arns=table.arns"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        (running.root / source).write_text(text)
        refused = running.run("deploy", "--layer", "data")
    assert refused.code == 1
    assert kept(running) == before
    assert [name.partition("/")[0] for name in named(refused)] == ["bucket"] * 4
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


@pytest.mark.parametrize("programs", sampled([2, 6]))
@pytest.mark.parametrize("plugins", sampled(["", "plain"]))
@pytest.mark.parametrize(
    ("layer", "stack"),
    [("data", "data/payments"), pytest.param("compute", "compute/payments-secondary", marks=pytest.mark.prove)],
)
def test_a_program_that_ends_early_is_a_failed_update_that_deletes_nothing(running, layer, stack, plugins, programs):
    before = everything(cloud(running), REGIONS), running.ok("outputs", "--json").json
    source = running.root / "projects" / layer / "__main__.py"
    text = source.read_text()
    early = text.replace("\npublish(", "\nimport sys\n\nsys.exit(0)\npublish(")
    swallowed = f"{text.partition(chr(10) + 'publish(')[0]}\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    pass\n"
    try:
        for program in [early, *ENDS.values(), swallowed][:programs]:
            source.write_text(program)
            failed = running.run("deploy-all", "--json", SANDBOX_PLUGINS=plugins)
            assert failed.code == 1, program
            assert failed.statuses[stack] == "failed", program
            assert "\n" not in failed.messages[stack]
            assert "ended before" in failed.messages[stack]
            assert "Traceback" not in failed.err
            assert before == (everything(cloud(running), REGIONS), running.ok("outputs", "--json").json)
    finally:
        source.write_text(text)
    assert set(running.ok("deploy-all", "--json").statuses.values()) <= {"fresh", "unchanged"}
    assert running.ok("drift")


@pytest.mark.parametrize("program", sampled(ENDS))
def test_the_same_by_hand(running, program):
    before = everything(cloud(running), REGIONS)
    source = running.root / "projects/network/__main__.py"
    text = source.read_text()
    source.write_text(ENDS[program])
    try:
        by_hand = owner(running, "network", "payments-primary", "up", "--yes", "--skip-preview")
    finally:
        source.write_text(text)
    assert by_hand.returncode != 0
    assert "ended before" in by_hand.stdout
    assert everything(cloud(running), REGIONS) == before
    running.ok("deploy-all")


@pytest.mark.prove
def test_what_is_named_goes_and_the_system_lives_on_under_its_new_suffix(checkout):
    checkout.ok("deploy-all")
    checkout.ok("pay", "--key", "before")
    with Edits(checkout, MOVES["suffix"]):
        first = checkout.run("deploy-all", "--discard-data", ",".join(named(checkout.run("deploy-all"))))
        assert first.code == 1
        assert "nothing was changed" in first.complaint, "the old functions keep what they have reserved until the end"
        assert "are unreserved" in first.complaint
    with Edits(checkout, [*MOVES["suffix"], *SMALLER]):
        first, *others = named(checkout.run("deploy-all"))
        some = checkout.run("deploy-all", "--discard-data", ",".join(others))
        assert some.code == 1
        assert first in listed(some)
        everything_named = checkout.ok("deploy-all", "--discard-data", ",".join([first, *others]), "--json")
        assert set(everything_named.statuses.values()) == {"changed"}
        assert checkout.ok("pay", "--key", "before", "--json").json["replayed"] is False
        assert set(checkout.ok("deploy-all", "--json").statuses.values()) <= {"fresh", "unchanged"}
        checkout.ok("drift")
        checkout.ok("destroy-all")
