"""A plan over small programs, with the real engine: what it says, what it refuses, and that it is what is done."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestration.choice import Choice
from orchestration.execute import StepStatus
from orchestration.fingerprint import MADE_OF, MadeOf
from orchestration.foreseen import Forecast
from orchestration.operate import operate
from orchestration.plan import Operation
from orchestration.planning import foresee
from orchestration.promise import Promise
from shared.contracts import DataOutputs, typed_fields
from shared.errors import Problem
from tests.sandbox.house import COMPUTE_2, DATA, GRAPH, NETWORK_2, PUBLISHING, READING, FakeCheck

MAKING = """
import pulumi

from shared.contracts import DataOutputs
from shared.components.exchange import consume

class Thing(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("test:index:Thing", name)

consume(DataOutputs).table_name.apply(lambda name: Thing(f"thing-of-{name}"))
pulumi.export("release", "1")
"""
"""A resource that is made in an `apply`, by its upstream's value: a preview does not see it before that is known."""


@pytest.fixture
def layers(house):
    house.write("projects/data/__main__.py", PUBLISHING)
    house.write("projects/compute/__main__.py", READING)
    return house


def planned(house, **options):
    """A plan as it comes back from its file."""
    choice = Choice(**{"layer": "data", "target": "test", **options})
    forecast, result = foresee(house.target, house.environment, GRAPH, choice, root=house.root, check=FakeCheck())
    told = json.loads(json.dumps(forecast.to_json()))
    return Forecast.from_json(told), result


def promised(house, forecast, *stacks):
    return house.run(Operation.DEPLOY, stacks, promise=Promise(forecast, "plan.json"))[0]


def of(forecast, stack):
    return next(each for each in forecast.stacks if each.stack == str(stack))


def test_a_plan_says_what_changes_who_reads_it_and_who_would_be_stale(layers):
    layers.deploy(NETWORK_2, DATA, COMPUTE_2)
    layers.write("projects/data/part.py", "value = 2\n")
    forecast, _ = planned(layers)
    data, compute = of(forecast, DATA), of(forecast, COMPUTE_2)
    assert (data.planned, data.state, data.outputs) == (True, "changes", {"table_name": "changes"})
    assert data.readers["compute"] == ["table_name"]
    assert "projects/data/part.py" in data.why
    assert (compute.planned, compute.state) == (False, "changes")
    assert forecast.good
    assert "compute/payments-secondary" in forecast.summary()


def test_what_reads_nothing_of_what_changes_stays_fresh(layers):
    layers.deploy(DATA, COMPUTE_2, NETWORK_2)
    layers.write("projects/data/part.py", "value = 1  # the same\n")
    forecast, _ = planned(layers)
    assert of(forecast, DATA).state == "unchanged"
    assert of(forecast, COMPUTE_2).state == "fresh"
    assert "nobody else would be stale" in forecast.summary()


def test_a_plan_is_carried_out_as_it_says(layers):
    layers.deploy(NETWORK_2, DATA, COMPUTE_2)
    layers.write(
        "projects/data/__main__.py",
        PUBLISHING + "pulumi = __import__('pulumi')\npulumi.ComponentResource('test:index:Thing', 'more')\n",
    )
    forecast, _ = planned(layers)
    expected = {(each.operation, each.name) for each in of(forecast, DATA).resources}
    assert expected == {("create", "more")}
    done = promised(layers, forecast, DATA)[DATA]
    assert done.status is StepStatus.CHANGED
    assert {(each.operation, each.name) for each in done.resources} == expected
    assert layers.deploy(DATA)[DATA].status is StepStatus.FRESH


def test_a_plan_of_sources_that_have_moved_is_refused_before_anything(layers):
    layers.deploy(DATA)
    layers.write("projects/data/part.py", "value = 2\n")
    forecast, _ = planned(layers)
    layers.write("projects/data/part.py", "value = 3\n")
    with pytest.raises(
        Problem,
        match=r"^data/payments is no longer what was planned \(the program's code changed: "
        r"projects/data/part.py\); nothing was changed: make the plan anew",
    ):
        promised(layers, forecast, DATA)
    assert layers.target.backend.checkpoint(DATA).outputs["table_name"] == "payments-1"


def test_a_plan_whose_stack_was_updated_meanwhile_is_refused(layers):
    layers.deploy(DATA)
    layers.write("projects/data/part.py", "value = 2\n")
    forecast, _ = planned(layers)
    layers.deploy(DATA)
    with pytest.raises(Problem, match="data/payments was updated after the plan was made; nothing was changed"):
        promised(layers, forecast, DATA)


def test_a_plan_whose_upstream_has_moved_is_refused(layers):
    layers.deploy(NETWORK_2, DATA, COMPUTE_2)
    layers.write("projects/compute/part.py", "value = 2\n")
    forecast, _ = planned(layers, layer="compute", region="secondary")
    layers.write("projects/data/part.py", "value = 2\n")
    layers.deploy(DATA)
    with pytest.raises(Problem, match=r"\(outputs of data/payments changed: table_name\)"):
        promised(layers, forecast, COMPUTE_2)


def test_what_a_plan_does_not_say_is_refused_in_its_turn(layers):
    """The stack is looked at again with what its upstream really publishes, here other than was foreseen."""
    layers.write("projects/compute/__main__.py", MAKING)
    layers.deploy(NETWORK_2, DATA)
    forecast, _ = planned(layers, layer="compute", region="secondary")
    stack = of(forecast, COMPUTE_2)
    without = [each for each in stack.resources if each.type != "test:index:Thing"]
    assert len(without) < len(stack.resources)
    less = replace(forecast, stacks=[replace(stack, resources=without)])
    done = promised(layers, less, COMPUTE_2)[COMPUTE_2]
    assert done.status is StepStatus.FAILED
    assert done.message.startswith(
        f"{COMPUTE_2} would create test:index:Thing thing-of-payments-1, which the plan does"
    )
    assert "release" not in layers.target.backend.checkpoint(COMPUTE_2).outputs
    assert promised(layers, forecast, COMPUTE_2)[COMPUTE_2].status is StepStatus.CHANGED


def test_a_deployed_consumer_keeps_a_field_that_the_sources_no_longer_read(layers):
    layers.deploy(NETWORK_2, DATA, COMPUTE_2)
    backend = layers.target.backend
    read = {"data": {"table": "Output[str]", "table_name": typed_fields(DataOutputs)["table_name"]}}
    last = MadeOf.from_tag(backend.tags(COMPUTE_2)[MADE_OF])
    backend.tag(COMPUTE_2, MADE_OF, replace(last, reads=read).to_tag())
    layers.write("projects/data/part.py", "value = 2\n")
    line = (
        "data: table is gone, and compute/payments-secondary as it is deployed reads it: put it back, deploy a compute"
    )
    forecast, _ = planned(layers)
    assert not forecast.good
    assert [each.startswith(line) for each in forecast.broken] == [True]
    with pytest.raises(Problem, match=line):
        layers.deploy(DATA)
    assert backend.checkpoint(DATA).outputs["table_name"] == "payments-1"
    forecast, _ = planned(layers, layer="network", region="secondary")  # another layer's plan is none of its business
    assert forecast.good


def test_a_plan_during_which_sources_were_edited_is_none(layers, monkeypatch):
    """What was recorded as planned would be what nobody has previewed."""
    layers.deploy(DATA)
    layers.write("projects/data/part.py", "value = 2\n")

    def edited_meanwhile(*arguments, **options):
        result = operate(*arguments, **options)
        layers.write("projects/data/part.py", "value = 3\n")
        return result

    monkeypatch.setattr("orchestration.planning.operate", edited_meanwhile)
    with pytest.raises(Problem, match="data/payments was changed while it was planned: make the plan anew"):
        planned(layers)
