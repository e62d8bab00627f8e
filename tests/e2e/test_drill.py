"""A drill passes, can fail, and can say that it does not know. Its kinds of fault are played one after another."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Sandbox
from tests.e2e.conftest import as_deployed, new_checkout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.e2e.conftest import Checkout

pytestmark = pytest.mark.prove

SPEED = "3"
PLAYED = ("--rate", "1", "--speed", SPEED, "--duration", "120", "--seed", "7")
LONGEST = 1500
"""Real seconds of one drill."""


def played(checkout: Checkout, *words: str, code: int | None = 0) -> dict[str, Any]:
    """What a drill tells. `code`: None for one that may miss an objective, and comes to a verdict all the same."""
    found = checkout.run("drill", "--json", *words, seconds=LONGEST)
    assert found.code in ({0, 1} if code is None else {code}), f"{found.code}\n{found.out[-3000:]}\n{found.err}"
    told: dict[str, Any] = found.json
    return told


def figure(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in told["figures"]["figures"] if each["name"].startswith(name))
    return found


def outage(checkout: Checkout, name: str, faults: Sequence[Mapping[str, Any]]) -> str:
    """A file with an outage of our own."""
    path = checkout.root / f"{name}.json"  # JSON is YAML
    told = {"says": name, "source": f"assumed: {name}"}
    about = {"name": name, "begins": "2026-01-01T00:00:00Z", "source": f"assumed: {name}"}
    path.write_text(json.dumps({**about, "faults": [{**told, **each} for each in faults]}))
    return str(path)


@pytest.mark.parametrize("fault", ["refuse", "hang", "5xx", "slow", "lossy", "data", "name", "partition"])
def test_a_primary_that_is_lost_is_left_in_time_and_no_payment_is_lost_or_doubled(fresh: Checkout, fault: str) -> None:
    told = played(fresh, "--fault", fault, *PLAYED)
    assert 0 < figure(told, "RTO, worst")["measured"] <= 120
    assert figure(told, "payments lost")["measured"] == figure(told, "payments doubled")["measured"] == 0
    assert told["figures"]["notifications"]


@pytest.mark.parametrize("rate", ["0.5", "20"])
def test_a_grey_failure_fails_over_within_its_own_objective(fresh: Checkout, rate: str) -> None:
    """By the rate of errors; where that is too low to be a rate, by each minute's probes."""
    fresh.ok("drill.calibrate")
    told = played(fresh, "--fault", "grey", "--rate", rate, "--speed", "1" if rate == "20" else SPEED)
    assert 120 < figure(told, "RTO, worst")["measured"] <= 300


def test_an_evacuation_with_a_fence_leaves_nobody_behind(fresh: Checkout) -> None:
    fenced = played(fresh, "--fault", "evacuate", *PLAYED)
    as_deployed(fresh)
    unfenced = played(fresh, "--fault", "unfenced", *PLAYED)
    name = "keep-alive clients paid at the primary for"
    assert figure(fenced, name)["measured"] < 110 < figure(unfenced, name)["measured"]


def test_with_nothing_broken_nothing_fails_and_nobody_moves(fresh: Checkout) -> None:
    told = played(fresh, "--fault", "none", "--rate", "2", "--speed", SPEED, "--duration", "600")
    assert figure(told, "failovers")["measured"] == figure(told, "attempts that failed")["measured"] == 0
    assert told["figures"]["acknowledged"] > 1000


def test_a_published_outage_is_played_step_by_step(fresh: Checkout) -> None:
    file = fresh.root / "drill" / "incidents" / "2025-10-20-us-east-1.yaml"
    told = played(fresh, "--incident", str(file), "--rate", "1", "--speed", SPEED)
    steps = told["figures"]["steps"]
    assert len(steps) == len(told["plan"]["steps"]) > 5
    assert steps[0]["failed"] > 0
    assert steps[-1]["failed"] == 0


def test_a_primary_that_comes_and_goes_is_left_once(fresh: Checkout) -> None:
    """One switch, and no return until somebody decides: the latch looks at what is there, and not at what was."""
    faults = [{"at": minute, "until": minute + 2, "kind": "refuse"} for minute in (0, 3, 6)]
    told = played(fresh, "--incident", outage(fresh, "flapping", faults), "--compress", "1", *PLAYED)
    assert figure(told, "clients stayed away")["measured"] == "yes"


def test_every_other_kind_of_fault_loses_and_doubles_nothing(fresh: Checkout) -> None:
    """Each for half a minute, one after another; too short and too many for any objective of time."""
    dependencies = ("secrets", "parameters", "keys", "logs", "bucket", "table", "processor")
    kinds: list[dict[str, Any]] = [
        {"kind": "function", "part": "payment", "how": "crash", "probability": 0.5},
        {"kind": "function", "part": "payment", "how": "timeout", "probability": 0.5},
        {"kind": "operation", "part": "dynamodb:UpdateItem", "probability": 0.5},
        *(
            {"kind": "dependency", "part": part, "how": how}
            for part, how in zip(dependencies, ("refuse", "hang", "refuse-cold", "hang-cold") * 2, strict=False)
        ),
        *({"kind": "throttle", "part": part, "probability": 0.5} for part in ("api", "functions", "table")),
        {"kind": "zone", "part": "use1-az1"},
        {"kind": "partition", "part": "peer", "how": "outbound"},
        {"kind": "partition", "part": "witness", "how": "inbound"},
        {"kind": "partition", "part": "each"},
    ]
    faults = [{**each, "at": number * 0.75, "until": number * 0.75 + 0.5} for number, each in enumerate(kinds)]
    file = outage(fresh, "others", faults)
    told = played(fresh, "--incident", file, "--compress", "1", *PLAYED, code=None)
    assert len(told["figures"]["steps"]) == 2 * len(kinds)
    for name in ("payments lost", "payments doubled", "other disagreements", "payments still unknown"):
        assert figure(told, name)["measured"] == 0


def test_without_a_standby_the_objective_is_missed(fresh: Checkout) -> None:
    """The failed drill of README: nobody is served until a region is back, and the books agree all the same."""
    told = played(fresh, "--incident", "drill/incidents/no-standby.yaml", "--compress", "1", *PLAYED, code=1)
    assert told["outcome"]["status"] == "missed"
    assert figure(told, "RTO, worst")["measured"] > 120
    assert figure(told, "payments lost")["measured"] == figure(told, "payments doubled")["measured"] == 0


def test_too_slow_a_failover_is_missed(tmp_path: Any) -> None:
    """30 s × 3 with a TTL of 60 s, past the validation that would refuse it: at least 60 + 0 + 60."""
    with (
        new_checkout(tmp_path / "checkout") as slow,
        slow.edited("environments/payments.yaml", "  ttl: 30 ", "  ttl: 60 "),
        slow.edited(
            "environments/payments.yaml",
            "standard: {interval: 30, threshold: 2}",
            "standard: {interval: 30, threshold: 3}",
        ),
        slow.edited(
            "environments/payments.yaml", "fast: {interval: 10, threshold: 3}", "fast: {interval: 30, threshold: 3}"
        ),
        slow.edited("shared/environment.py", "if longest.total > self.objectives.failover:", "if longest.total < 0:"),
        slow.edited("shared/environment.py", "if grey.total > self.objectives.grey_failure:", "if grey.total < 0:"),
    ):
        slow.ok("deploy-all")
        told = played(slow, "--fault", "refuse", *PLAYED, code=1)
    assert told["outcome"]["status"] == "missed"
    assert figure(told, "RTO, worst")["measured"] > 120
    assert figure(told, "payments lost")["measured"] == 0


def test_where_failback_is_automatic_clients_go_back_by_themselves(tmp_path: Any) -> None:
    with (
        new_checkout(tmp_path / "checkout") as checkout,
        checkout.edited("environments/payments.yaml", "failback: manual ", "failback: automatic "),
    ):
        checkout.ok("deploy-all")
        told = played(checkout, "--fault", "refuse", *PLAYED)
    assert figure(told, "clients went back by themselves")["measured"] == "yes"
    assert figure(told, "payments lost")["measured"] == figure(told, "payments doubled")["measured"] == 0


def test_payments_that_are_made_twice_are_seen(tmp_path: Any) -> None:
    """Replication has stopped, and the primary pays so slowly that clients give up and pay again in the secondary.

    With eventual consistency, and a processor that knows the regions apart: past the validation that would refuse it.
    """
    cut, slow = {"at": 0, "kind": "partition"}, {"at": 0, "kind": "slow", "seconds": 7}
    with (
        new_checkout(tmp_path / "checkout") as checkout,
        checkout.edited("environments/payments.yaml", "consistency: strong", "consistency: eventual"),
        checkout.edited(
            "shared/environment.py",
            'if self.data.consistency == "eventual" and processor.primary',
            "if not processor.primary and processor.primary",
        ),
    ):
        checkout.ok("deploy-all")
        file = outage(checkout, "twice", [{**each, "until": 4} for each in (cut, slow)])
        told = played(checkout, "--incident", file, "--compress", "1", *PLAYED, code=1)
    assert told["outcome"]["status"] == "missed"
    assert figure(told, "payments doubled")["measured"] > 0


def test_a_sandbox_that_ends_in_the_middle_leaves_no_verdict(fresh: Checkout) -> None:
    cloud = Sandbox(fresh.root).status().pids["cloud"]
    with fresh.start("drill", "--fault", "refuse", *PLAYED) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "outage" in line:
                os.kill(cloud, signal.SIGKILL)
                break
        out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 3, (said, out, err)
    assert "INCONCLUSIVE" in out
    fresh.ok("sandbox.up")
    fresh.ok("heal")
    fresh.ok("restore", "--even-if-unhealthy")
