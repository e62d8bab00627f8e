"""A system's whole life in the sandbox, as its user types it."""

from __future__ import annotations

import subprocess

from tests.e2e.inventory import everything
from tests.e2e.read_back import told_otherwise

REGIONS = ["us-east-1", "us-east-2", "us-west-2"]
STACKS = {
    "network/payments-secondary",
    "network/payments-primary",
    "data/payments",
    "compute/payments-secondary",
    "compute/payments-primary",
    "edge/payments",
    "observability/payments-secondary",
    "observability/payments-primary",
}


def changes(answer):
    return {row["stack"]: row["changes"] for row in answer.json["stacks"]}


def in_shell(checkout, folder, command):
    """Run a command as a layer's owner does, with the sandbox's settings and nothing else of ours."""
    script = f'eval "$(./invoke sandbox.env)" && cd {folder} && {command}'
    return subprocess.run(["sh", "-c", script], cwd=checkout.root, capture_output=True, text=True, check=False)


def test_a_system_lives(checkout):
    root = checkout.root
    for command in ("init -q", "add -A", "-c user.name=owner -c user.email=owner@localhost commit -qm all"):
        subprocess.check_call(["git", *command.split()], cwd=root)
    checkout.ok("sandbox.up")
    cloud = checkout.ok("sandbox.status", "--json").json["endpoint"]
    empty = everything(cloud, REGIONS)

    assert checkout.ok("drift").out.splitlines()[-1].startswith("Nothing is deployed in the sandbox. Next: ")
    planned = checkout.ok("preview-all", "--json")
    deployed = checkout.ok("deploy-all", "--json")
    assert set(deployed.statuses) == STACKS
    assert set(deployed.statuses.values()) == {"changed"}
    assert changes(planned) == changes(deployed)
    assert len(everything(cloud, REGIONS) - empty) > 150
    assert told_otherwise(checkout, cloud) == {}

    first = checkout.ok("pay", "--key", "order-1", "--json").json
    assert (first["status"], first["served_by"], first["replayed"]) == (201, "us-east-1 (primary)", False)
    again = checkout.ok("pay", "--key", "order-1", "--region", "secondary", "--json").json
    assert (again["status"], again["served_by"], again["replayed"]) == (201, "us-east-2 (secondary)", True)
    assert again["answer"] == first["answer"]
    other = checkout.ok("pay", "--key", "order-2", "--region", "secondary", "--json").json
    assert other["answer"]["paymentId"] != first["answer"]["paymentId"]

    assert set(checkout.ok("deploy-all", "--json").statuses.values()) == {"fresh"}
    forced = checkout.ok("deploy-all", "--force", "--json")
    assert set(forced.statuses.values()) == {"unchanged"}
    assert not list((root / ".sandbox" / "backend").rglob("*.attrs"))  # a reader would trip over a half-written one
    assert set(checkout.ok("drift", "--json").statuses.values()) == {"unchanged"}
    assert "No drift" in checkout.ok("drift").out

    for layer in ("network", "data", "compute", "edge", "observability"):
        bare = in_shell(checkout, f"projects/{layer}", "pulumi preview --expect-no-changes --non-interactive")
        assert bare.returncode == 0, bare.stdout + bare.stderr
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=root, text=True) == ""

    destroyed = checkout.ok("destroy-all", "--yes", "--json")
    data = {row["name"].partition("/")[0]: row["holds"] for row in destroyed.json["data"]}
    assert data.keys() == {"table", "bucket", "key", "replica-key", "secret", "queue", "log"}
    assert data["table"].startswith("at least ")
    for row in destroyed.json["data"]:  # and says so before
        assert f"  {row['name']} " in destroyed.err
    assert destroyed.err.index("table/") < destroyed.err.index("observability/payments-primary")
    assert set(destroyed.statuses.values()) == {"changed"}
    assert everything(cloud, REGIONS) == empty
