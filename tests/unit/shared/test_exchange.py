"""Layers exchange typed outputs: what one publishes another consumes, and anything else is said in one line."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from shared.components.exchange import UNKNOWN_VALUE, consume, publish
from shared.contracts import PREVIEWED_OUTPUTS, ComputeOutputs, DataOutputs, EdgeOutputs, NetworkOutputs
from shared.roles import PerRole
from tests.unit.projects.mocked_programs import published, run_component

NETWORK: dict[str, Any] = {
    "vpc_id": "vpc-1",
    "private_subnet_ids": ["subnet-1", "subnet-2"],
    "function_security_group_id": "sg-1",
    "public": None,
    "contract": {"name": "network", "version": 2},
}


def consumed(outputs_type, outputs, *, stack="payments-primary", role=None, preview=False):
    """What a program that consumes `outputs_type` got, each field as a plain value."""

    def build():
        for name, value in vars(consume(outputs_type, role)).items():
            pulumi.export(name, vars(value) if isinstance(value, PerRole) else value)

    return run_component(stack, build, outputs, project="reader", preview=preview).exports


def test_what_is_published_is_consumed():
    def build():
        fields: dict[str, Any] = {
            name: pulumi.Output.from_input(NETWORK[name]) for name in NETWORK if name != "contract"
        }
        publish(NetworkOutputs(**fields))

    assert run_component("payments-primary", build).exports == NETWORK
    got = consumed(NetworkOutputs, {"organization/network/payments-primary": NETWORK})
    assert got == {name: value for name, value in NETWORK.items() if name != "contract"}


def test_nested_parts_keep_their_types():
    got = consumed(DataOutputs, published())
    assert got["key_arns"]["secondary"].startswith("arn:aws:kms:us-east-2:")

    def build():
        checks = consume(EdgeOutputs).health_check_ids
        pulumi.export("gate", checks.gate)

    assert run_component("payments", build, published()).exports == {"gate": "checks-gate-id"}


@pytest.mark.parametrize(
    ("environment", "rest_api", "load_balancer"),
    [
        ("payments", "payment-api-primary-x7k2", None),
        ("trading", None, "app/trading-use1-production-api-t9m4/50dc6c495c0c9188"),
    ],
)
def test_a_part_that_one_profile_has_is_none_in_the_other(environment, rest_api, load_balancer):
    def build():
        compute = consume(ComputeOutputs, "primary")
        pulumi.export("rest_api", compute.rest_api and compute.rest_api.name)
        pulumi.export("load_balancer", compute.load_balancer and compute.load_balancer.dimension)

    found = run_component(environment, build, published(environment), project="reader").exports
    assert found == {"rest_api": rest_api, "load_balancer": load_balancer}


def test_a_regional_reader_reads_its_own_role_and_a_global_one_says_which():
    outputs = {
        f"organization/network/payments-{role}": NETWORK | {"vpc_id": f"vpc-{role}"}
        for role in ("primary", "secondary")
    }
    assert consumed(NetworkOutputs, outputs, stack="payments-secondary")["vpc_id"] == "vpc-secondary"
    assert consumed(NetworkOutputs, outputs, stack="payments", role="primary")["vpc_id"] == "vpc-primary"
    with pytest.raises(ValueError, match="say which role to read"):
        consumed(NetworkOutputs, outputs, stack="payments")


@pytest.mark.parametrize(
    ("outputs", "line"),
    [
        (None, "stack network/payments-primary is not deployed: run `./invoke deploy --layer network` first"),
        ({}, "stack network/payments-primary publishes no contract, as it was never deployed to its end: run"),
        (
            NETWORK | {"contract": {"name": "network", "version": 3}},
            "stack network/payments-primary publishes network version 3, and reader reads network version 2: run",
        ),
        (
            {name: value for name, value in NETWORK.items() if name != "vpc_id"},
            "stack network/payments-primary has no output vpc_id: run `./invoke deploy --layer network`",
        ),
    ],
)
def test_an_upstream_that_will_not_do_is_told_in_one_line(outputs, line):
    stacks = {} if outputs is None else {"organization/network/payments-primary": outputs}
    with pytest.raises(pulumi.RunError) as caught:
        consumed(NetworkOutputs, stacks)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_another_failure_is_not_hidden(monkeypatch):
    def broken(*_):
        raise RuntimeError("the backend is on fire")

    monkeypatch.setattr(pulumi.runtime, "invoke", broken)
    with pytest.raises(RuntimeError, match="on fire"):
        consumed(NetworkOutputs, {})


@pytest.fixture
def previewed(tmp_path, monkeypatch):
    monkeypatch.setenv(PREVIEWED_OUTPUTS, str(tmp_path))
    outputs = {**published()["organization/compute/payments-primary"], "release": UNKNOWN_VALUE}
    (tmp_path / "compute.payments-primary.json").write_text(json.dumps(outputs), encoding="utf-8")


@pytest.mark.usefixtures("previewed")
def test_a_preview_sees_its_upstreams_preview():
    got = consumed(ComputeOutputs, {}, preview=True)
    assert got["payment_function_name"] == "payment-processor-primary-x7k2"
    assert got["release"] is None  # unknown until an update


@pytest.mark.usefixtures("previewed")
def test_an_update_never_reads_previewed_outputs():
    with pytest.raises(pulumi.RunError, match="stack compute/payments-primary is not deployed"):
        consumed(ComputeOutputs, {})


def test_unknowns_stay_unknown_at_any_depth(tmp_path, monkeypatch):
    monkeypatch.setenv(PREVIEWED_OUTPUTS, str(tmp_path))
    data = published()["organization/data/payments"]
    data = {**data, "key_arns": {"primary": UNKNOWN_VALUE, "secondary": "known"}}
    (tmp_path / "data.payments.json").write_text(json.dumps(data), encoding="utf-8")
    got = consumed(DataOutputs, {}, preview=True)
    assert got["key_arns"] in ({"primary": None, "secondary": "known"}, None)
    assert got["table_name"] == "payment-transactions-x7k2"
