"""What goes wrong in a deployed system: bad releases, bad input, a region or the whole sandbox gone."""

from __future__ import annotations

import signal

import psutil
import pytest

pytestmark = pytest.mark.xdist_group("running")

SKIPPED = {
    "compute/payments-primary",
    "edge/payments",
    "observability/payments-secondary",
    "observability/payments-primary",
}
ENVIRONMENT = "environments/payments.yaml"


def skipped(answer):
    return {stack for stack, status in answer.statuses.items() if status == "skipped"}


def updates_and_locks(checkout, stack):
    """The history of a stack, and who holds its lock."""
    books = checkout.root / ".sandbox" / "backend" / ".pulumi"
    return {path.name for kind in ("history", "locks/organization") for path in (books / kind / stack).glob("*")}


def test_a_broken_release_stops_at_the_secondary(running):
    before = running.ok("outputs", "--layer", "compute", "--region", "primary", "--json").json
    known = updates_and_locks(running, "compute/payments-primary")
    with running.edited("projects/compute/functions.py", "settings.payment.reserved_concurrency,", "5000,"):
        broken = running.run("deploy-all", "--json")
    assert broken.code == 1
    assert broken.statuses["compute/payments-secondary"] == "failed"
    message = broken.messages["compute/payments-secondary"]
    assert "\n" not in message
    assert "payment" in message
    assert skipped(broken) == SKIPPED
    assert all("compute/payments-secondary" in broken.messages[stack] for stack in SKIPPED)
    assert running.ok("outputs", "--layer", "compute", "--region", "primary", "--json").json == before
    assert updates_and_locks(running, "compute/payments-primary") == known
    reverted = running.ok("deploy-all", "--json")
    # fresh: the guard's preview has met the error, before an update began
    assert reverted.statuses["compute/payments-secondary"] in {"fresh", "unchanged", "changed"}
    assert running.ok("drift", "--json")


def test_a_release_that_cannot_pay_is_taken_back(running):
    with running.edited(
        "lambdas/payment/main.py", "@rehearsable(", "raise RuntimeError('bad release')\n\n\n@rehearsable("
    ):
        broken = running.run("deploy-all", "--json")
        assert broken.code == 1
        assert broken.statuses["compute/payments-secondary"] == "failed"
        assert skipped(broken) == SKIPPED
        assert running.ok("pay", "--region", "secondary", "--json").json["status"] == 201
        assert running.ok("pay", "--region", "primary", "--json").json["status"] == 201
    assert running.ok("deploy-all", "--json").statuses["compute/payments-secondary"] in {"unchanged", "changed"}
    assert running.ok("drift", "--json")


def test_the_secondary_is_released_while_the_primary_is_gone(running):
    running.ok("fault", "--region", "us-east-1", "--kind", "refuse")
    try:
        with running.edited("environments/payments.yaml", "ttl: 30", "ttl: 29"):
            for words in (("deploy-all",), ("deploy", "--layer", "edge")):
                refused = running.run(*words)
                assert refused.code == 1
                for word in ("us-east-2 (secondary), the only region that serves", "us-east-1 (primary)", "--force"):
                    assert word in refused.complaint
        answer = running.ok("deploy", "--layer", "compute", "--region", "secondary", "--force", "--json")
        assert answer.statuses == {"compute/payments-secondary": "unchanged"}
        assert running.run("pay", "--region", "primary").code == 1
        assert running.ok("pay", "--region", "secondary", "--json").json["status"] == 201
    finally:
        running.ok("heal")
    assert running.ok("pay", "--region", "primary", "--json").json["status"] == 201


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("secondary: 10.1.0.0/16", "secondary: 10.0.0.0/16", ("cidr", "10.0.0.0/16", "overlap")),
        ("secondary: us-east-2\n  witness", "secondary: us-east-1\n  witness", ("regions", "us-east-1")),
        ("suffix: x7k2", f"suffix: {'x' * 40}", ("suffix", "40")),
        ("failover: 120", "failover: 60", ("failover", "60", "94")),
        ("ttl: 30", "tll: 30", ("edge.tll",)),
        ("ttl: 30", "ttl: soon", ("ttl", "soon")),
    ],
)
def test_a_bad_environment_is_one_line_and_changes_nothing(running, old, new, words):
    with running.edited(ENVIRONMENT, old, new):
        answer = running.run("deploy-all")
    assert answer.code == 1
    assert answer.out == ""
    for word in words:
        assert word.lower() in answer.complaint.lower()
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("deploy-all", "--environment", "nowhere"), ("nowhere", "payments")),
        (("deploy", "--layer", "nothing"), ("nothing", "network")),
        (("deploy", "--layer", "compute", "--region", "third"), ("third", "primary")),
        (("deploy", "--layer", "data", "--region", "primary"), ("data", "--region")),
        (("deploy",), ("--layer",)),
        (("deploy-all", "--target", "moon"), ("moon", "sandbox")),
        (("fault", "--kind", "refuse", "--region", "mars"), ("mars", "us-east-1")),
        (("fault", "--kind", "refuse"), ("--region",)),
        (("fault", "--region", "primary"), ("--kind",)),
        (("fault", "--region", "primary", "--kind", "melt"), ("melt", "refuse")),
        (("fault", "--region", "primary", "--kind", "function", "--part", "nothing"), ("nothing", "payment")),
        (("fault", "--region", "primary", "--kind", "lossy", "--probability", "2"), ("--probability", "2")),
        (("heal", "--number", "99"), ("99",)),
        (("pay", "--region", "third"), ("third",)),
    ],
)
def test_a_bad_word_is_one_line(running, arguments, words):
    answer = running.run(*arguments)
    assert answer.code in {1, 2}
    for word in words:
        assert word in answer.complaint


def test_a_payment_that_is_refused_says_why(running):
    answer = running.run("pay", "--amount", "-5", "--json")
    assert answer.code == 1
    assert answer.json["status"] == 422


@pytest.mark.prove
def test_a_killed_sandbox_is_there_again_with_what_it_acknowledged(running):
    paid = running.ok("pay", "--key", "before-the-kill", "--json").json["answer"]
    for pid in running.ok("sandbox.status", "--json").json["pids"].values():
        psutil.Process(pid).send_signal(signal.SIGKILL)
    assert running.run("sandbox.status").code == 3
    assert set(running.ok("deploy-all", "--json").statuses.values()) <= {"fresh", "unchanged"}
    again = running.ok("pay", "--key", "before-the-kill", "--region", "secondary", "--json").json
    assert (again["answer"], again["replayed"]) == (paid, True)


def test_a_wrong_passphrase_changes_nothing(running):
    passphrase = running.root / ".sandbox" / "passphrase"
    right = passphrase.read_text()
    passphrase.write_text("not the one")
    try:
        answer = running.run("deploy-all", "--force")
    finally:
        passphrase.write_text(right)
    assert answer.code == 1
    assert "passphrase" in answer.complaint
    assert set(running.ok("deploy-all", "--force", "--json").statuses.values()) == {"unchanged"}
