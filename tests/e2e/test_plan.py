"""A plan is what a deployment does: over the five layers, after generated edits, and on an empty backend."""

from __future__ import annotations

import random
import re
import threading
import time

import pytest

from tests.e2e.conftest import new_checkout
from tests.sampling import sampled

pytestmark = pytest.mark.xdist_group("planned")

SOURCES = {
    "network": "projects/network/__main__.py",
    "data": "projects/data/__main__.py",
    "edge": "projects/edge/failover.py",
    "compute": "projects/compute/functions.py",
    "observability": "projects/observability/canary.py",
    "shared": "shared/naming.py",
    "health": "lambdas/health/main.py",
    "canary": "lambdas/canary/main.py",
    "failover": "lambdas/failover_control/main.py",
}
"""Sources of each layer, of all of them, and of functions of three layers; each is given another comment."""
SWAPS = {
    "a flow log is made anew": (
        "projects/network/flow_logs.py",
        "AGGREGATION_SECONDS = 60\n",
        "AGGREGATION_SECONDS = 600\n",
    ),
    "an alarm is not made": ("projects/observability/rules.py", "        _page_test(),\n", "        # _page_test(),\n"),
}
"""Lines of programs, and what stands there instead: a resource is replaced, or there is one more or one less."""
SETTINGS = {
    r"(  traces: )\w+": ("services", "endpoint"),  # an endpoint of the network more or less
    r"(  warm: \{primary: 0, secondary: )\d+": (0, 1, 2),  # provisioned concurrency of compute
    r"(  emails: \[)[^\]]*": ("on-call@example.com", "on-call@example.com, second@example.com"),
    r"(  pager: )\S+": ("/on-call/pager", "null"),  # subscriptions of edge
    r"(    managed: )\w+": ("count", "block"),
    r"(  payment: \{memory_mb: )\d+": (256, 320, 384, 512),
    r"(  health: \{memory_mb: )\d+": (128, 192, 256),
    r"(  recovery_days: )\d+": tuple(range(20, 36)),
    r"(  ttl: )\d+": (20, 25, 30),
    r"(    grace_minutes: )\d+": (10, 11, 12, 15),
    r"(  latency_ms: )\d+": (300, 400, 500, 600),
    r"(  health_latency_ms: )\d+": (100, 150, 200),
    r"(  least_failures: )\d+": (10, 11, 12),
    r"(  CostCenter: )\w+": ("payments", "cards", "treasury"),
    r"(payment: 90, debug: )\d+": (3, 5, 7, 14),
}
"""Settings of each layer and of all of them, with the values that they are given."""
OF_THE_ENGINE = "pulumi:providers:"
"""Default providers: the engine brings them along by itself."""


@pytest.fixture(scope="module")
def planned():
    """What a plan said of an empty backend is kept by the first test for the others' checkout."""
    return {}


@pytest.fixture(scope="module")
def system(tmp_path_factory, planned):
    """A checkout that was deployed by a plan."""
    with new_checkout(tmp_path_factory.mktemp("planned") / "checkout") as copy:
        planned["plan"] = copy.ok("plan", "--out", "all.plan", "--json").json
        planned["deployed"] = copy.ok("deploy-all", "--plan", "all.plan", "--json").json
        yield copy


def done(rows):
    """What was, or would be, done to each stack's resources."""
    return {
        row["stack"]: {
            (each["operation"], each["type"], each["name"])
            for each in row["resources"]
            if not each["type"].startswith(OF_THE_ENGINE)
        }
        for row in rows
    }


def of_the_plan(forecast):
    return {name: changes for name, changes in done(forecast["stacks"]).items() if changes}


def of_the_run(record):
    return {name: changes for name, changes in done(record["stacks"]).items() if changes}


def test_on_an_empty_backend_a_plan_is_what_is_done(system, planned):
    forecast, deployed = planned["plan"], planned["deployed"]
    assert of_the_plan(forecast) == of_the_run(deployed)
    assert len(forecast["stacks"]) == 8
    values, unknown = (sum(each[name] for each in forecast["stacks"]) for name in ("values", "unknown"))
    assert values > 3000
    assert 0 < unknown / values < 0.2  # what AWS assigns
    assert f"{100 * unknown / values:.0f} % of {values} values are known only then" in forecast["summary"]
    assert set(system.ok("status", "--json").json["stacks"][0]) >= {"commit", "why", "at", "by"}


def edit(system, chance):
    """Change one to three things; return what."""
    told = []
    for _ in range(chance.randint(1, 3)):
        kind = chance.random()
        if kind < 0.2:
            path, old, new = SWAPS[what := chance.choice(sorted(SWAPS))]
            file = system.root / path
            text = file.read_text()
            assert (old in text) != (new in text), what
            file.write_text(text.replace(old, new) if old in text else text.replace(new, old))
            told.append(what)
        elif kind < 0.4:
            file = system.root / SOURCES[chance.choice(sorted(SOURCES))]
            file.write_text(file.read_text() + f"# edit {chance.randrange(1_000_000)}\n")
            told.append(str(file.relative_to(system.root)))
        else:
            setting = chance.choice(sorted(SETTINGS))
            value = chance.choice(SETTINGS[setting])
            file = system.root / "environments/payments.yaml"
            text, found = re.subn(setting, rf"\g<1>{value}", file.read_text(), count=1)
            assert found, setting
            file.write_text(text)
            told.append(f"{setting}: {value}")
    return told


@pytest.mark.parametrize("seed", sampled(range(50), first=2))
def test_a_plan_of_generated_edits_is_what_is_done_and_nothing_else_moves(system, seed):
    told = edit(system, random.Random(seed))
    forecast = system.ok("plan", "--out", "edits.plan", "--json").json
    before = system.ok("outputs", "--json").json
    deployed = system.ok("deploy-all", "--plan", "edits.plan", "--json").json
    after = system.ok("outputs", "--json").json
    assert of_the_plan(forecast) == of_the_run(deployed), told
    foreseen = {each["stack"]: each for each in forecast["stacks"]}
    for name, each in foreseen.items():
        differing = {field for field in after[name] if after[name][field] != before[name].get(field)}
        certain = {field for field, how in each["outputs"].items() if "unknown" not in how}
        assert certain <= differing <= set(each["outputs"]), (told, name)
    # By brute force: nothing that the plan called fresh would have moved.
    everything = system.ok("deploy-all", "--force", "--json")
    assert set(everything.statuses.values()) == {"unchanged"}, told
    moved = {name for name, changes in of_the_run(deployed).items() if changes}
    moved |= {name for name in after if after[name] != before[name]}
    assert {name for name, each in foreseen.items() if each["state"] == "changes"} == moved, told
    assert [row["state"] for row in system.ok("status", "--json").json["stacks"]] == ["fresh"] * 8


def test_a_plan_is_refused_once_its_sources_have_moved(system):
    edit(system, random.Random("refused"))
    with system.edited("environments/payments.yaml", "    error_percent: 50 ", "    error_percent: 60 "):
        system.ok("plan", "--layer", "edge", "--out", "edge.plan")
    answer = system.run("deploy", "--plan", "edge.plan")
    assert answer.code == 1
    assert "edge/payments is no longer what was planned (its part of the environment changed: " in answer.err
    assert "edge.grey_failure.error_percent" in answer.err
    assert answer.err.strip().endswith("make the plan anew (./invoke plan --out edge.plan)")
    assert system.run("deploy-all", "--plan", "nothing.plan").complaint.startswith(
        "error: --plan nothing.plan: No such"
    )
    system.ok("deploy-all")


RENAMED = ("shared/contracts.py", "projects/network/__main__.py")
"""Where a producer says and publishes a field."""


def renamed(root, step):
    """The three releases of renaming a field of the network's contract that compute reads."""
    old, new = "private_subnet_ids", "function_subnet_ids"
    contracts, producer = root / "shared/contracts.py", root / "projects/network/__main__.py"
    declared, line = f"    {old}: Output[Sequence[str]]\n", re.compile(rf"\n( *){old}=(.*)")
    if step == "expand":
        contracts.write_text(contracts.read_text().replace(declared, f"{declared}    {new}: Output[Sequence[str]]\n"))
        producer.write_text(line.sub(rf"\n\1{old}=\2\n\1{new}=\2", producer.read_text(), count=1))
    elif step == "read":
        for file in (root / "projects/compute").iterdir():
            if file.suffix in {".py", ".json"}:
                file.write_text(file.read_text().replace(old, new))
    else:
        contracts.write_text(contracts.read_text().replace(declared, ""))
        producer.write_text(line.sub("", producer.read_text(), count=1))


@pytest.mark.prove
def test_a_field_is_renamed_in_phases_under_traffic_without_a_failed_payment(system):
    """Before its consumer's new release is deployed, the producer may not let go of it."""
    failed, paid, stop = [], [], threading.Event()

    def pay():
        while not stop.is_set():
            answer = system.run("pay", "--json")
            (paid if answer.code == 0 else failed).append(answer.out or answer.err)
            time.sleep(0.2)

    paying = threading.Thread(target=pay)
    paying.start()
    try:
        renamed(system.root, "expand")
        adding = system.ok("plan", "--json").json
        assert {each["layer"] for each in adding["stacks"] if each["state"] != "fresh"} == {"network"}
        system.ok("deploy-all")
        both = {path: (system.root / path).read_text() for path in RENAMED}
        renamed(system.root, "read")
        renamed(system.root, "contract")
        refused = system.run("deploy-all")
        assert refused.code == 1
        assert "network: private_subnet_ids is gone, and compute/payments-secondary as it is deployed" in refused.err
        assert system.run("plan", "--layer", "network").code == 1
        assert system.run("contracts").code == 1
        for path, text in both.items():
            (system.root / path).write_text(text)
        system.ok("deploy-all")
        renamed(system.root, "contract")
        system.ok("deploy-all")
    finally:
        stop.set()
        paying.join()
    assert failed == []
    assert len(paid) > 5
    fields = {each["name"] for each in system.ok("contracts", "--json").json["contracts"][0]["fields"]}
    assert "function_subnet_ids" in fields
    assert "private_subnet_ids" not in fields


@pytest.mark.prove
def test_what_is_dangerous_is_said_with_who_reads_it(system):
    """Another suffix makes everything anew: data, addresses, and ids that others read."""
    with system.edited("environments/payments.yaml", "suffix: x7k2", "suffix: x7k3"):
        forecast = system.run("plan", "--json").json
    dangers = [of["danger"] for each in forecast["stacks"] for of in each["resources"] if of["danger"]]
    assert any("holds data (table/payment-transactions-x7k2)" in each for each in dangers)
    assert any("clients come by its name" in each for each in dangers)
    assert any("reads its id as " in each for each in dangers)
    assert f"{len(dangers)} dangerous" in forecast["summary"]
