"""When the cloud itself is the trouble, a failed step says that, and not what an SDK makes of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestration.driver import Blaming
from orchestration.execute import Work
from orchestration.plan import Freshness, Judgement, Step
from orchestration.targets import sandbox
from sandbox.faults.fault import InjectedFault
from shared.environment import Environment
from shared.errors import Problem
from shared.stack import Stack

ENVIRONMENT = Environment.load("payments")
SDK = Problem('aws:dynamodb/table:Table payments: Could not connect to the endpoint URL: "http://127.0.0.1:20000/"')


def blaming(fails, **status):
    """A driver whose work fails or not, in a sandbox with this status."""
    told = SimpleNamespace(**{"endpoint": "http://127.0.0.1:20000", "faults": [], **status})
    box = SimpleNamespace(status=lambda: told, layout=SimpleNamespace(run=Path("/checkout/.sandbox/run")))

    def run(_):
        if fails:
            raise SDK
        return Work({})

    target = SimpleNamespace(trouble=lambda regions, failed: sandbox._trouble(box, regions, failed))
    return Blaming(SimpleNamespace(run=run), target, ENVIRONMENT)


def step(role):
    return Step(Stack("compute", "payments", role), frozenset(), Judgement(Freshness.STALE, ""))


def said(driver, role="primary"):
    with pytest.raises(Problem) as caught:
        driver.run(step(role))
    return str(caught.value)


def test_a_cloud_that_has_ended_is_one_line_that_says_what_to_do():
    line = said(blaming(fails=True, endpoint=""))
    assert line.startswith("the sandbox's cloud has ended")
    assert "run the same command again" in line
    assert "\n" not in line


@pytest.mark.parametrize("role", ["primary", "secondary", None])
@pytest.mark.parametrize("state", ["refuse", "hang", "5xx"])
def test_a_region_that_is_out_is_named_with_the_way_back(role, state):
    region = ENVIRONMENT.region(role or "secondary")
    line = said(blaming(fails=True, faults=[InjectedFault(state, region, number=7).told()]), role)
    assert line.startswith(f"{region} has a fault")
    assert state in line
    assert "./invoke heal --number 7" in line
    assert line.endswith(str(SDK)), "a fault need not be the reason"


def test_a_region_that_has_nothing_to_do_with_it_is_not_blamed():
    secondary = ENVIRONMENT.region("secondary")
    assert said(blaming(fails=True, faults=[InjectedFault("refuse", secondary).told()]), "primary") == str(SDK)


def test_where_the_cloud_is_well_the_error_stays_and_work_that_goes_well_asks_nobody():
    assert said(blaming(fails=True)) == str(SDK)
    assert blaming(fails=False, endpoint="").run(step("primary")) == Work({})
