from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.backend import Checkpoint
from orchestration import pending
from orchestration.pending import AGAIN, NAMED
from shared.stack import Stack
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment

NETWORK = Stack("network", "payments", "primary")
SAID = '{"update": "u1"}'
REFRESH = ("refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--message", SAID)


def creating(kind, called, **inputs):
    urn = f"urn:pulumi:payments-primary::network::payments:network:Vpc${kind}::{called}"
    return {"type": "creating", "resource": {"urn": urn, "inputs": inputs}}


VPC = creating("aws:ec2/vpc:Vpc", "vpc")
TABLE = creating("aws:dynamodb/table:Table", "payments", name="payments-x7k2")
TOPIC = creating("aws:sns/topic:Topic", "topic", name="topic-x7k2")
NAMELESS = creating("aws:dynamodb/table:Table", "other", name={"secret": "hidden"})
UPDATE = {"type": "updating", "resource": {"urn": "urn:pulumi:payments-primary::network::aws:ec2/subnet:Subnet::a"}}


def recover(*operations, name="sandbox"):
    ran = []
    running = SimpleNamespace(run=lambda stack, *arguments: ran.append((stack, arguments)))
    backend = SimpleNamespace(checkpoint=lambda _: Checkpoint(pending=operations))
    edited = []
    before = {"resources": [{"urn": "stack"}], "pending_operations": list(operations)}
    cli = SimpleNamespace(edit_state=lambda _, edit: edited.append(edit(before)))
    target = SimpleNamespace(adopts_creates=name == "sandbox", where="AWS account 1", backend=backend, cli=cli)
    said = pending.recover(target, running, NETWORK, SAID)
    assert ran in ([], [(NETWORK, REFRESH)])
    return said, edited


def test_nothing_pending_needs_nothing():
    assert recover() == ("", [])


@pytest.mark.parametrize(
    ("operations", "remark"), [([VPC, TABLE], "recovered (vpc, payments)"), ([UPDATE], "recovered")]
)
def test_what_was_cut_off_is_settled_by_a_refresh(operations, remark):
    assert recover(*operations) == (remark, [])


def test_on_aws_what_a_name_identifies_is_taken_over_and_the_rest_is_to_be_looked_for():
    said, edited = recover(VPC, TABLE, TOPIC, NAMELESS, UPDATE, name="aws")
    assert said == (
        "recovered (payments, topic); look in AWS account 1 for what the earlier run may have made of: vpc, other"
    )
    taken = {**TABLE["resource"], "id": "payments-x7k2", "outputs": {}}
    left = [VPC, TOPIC, NAMELESS, UPDATE]
    assert edited == [{"resources": [{"urn": "stack"}, taken], "pending_operations": left}]


def test_on_aws_nothing_is_to_be_looked_for_where_all_is_known():
    assert recover(TABLE, name="aws")[0] == "recovered (payments)"
    assert recover(VPC, name="aws")[0].startswith("recovered; look in AWS account 1")


def test_each_type_is_one_of_the_programs_and_has_the_input_that_names_it():
    made = [
        each for name in (PAYMENTS, TRADING) for run in run_environment(name).values() for each in run.recorder.cloud
    ]
    types = {each.type for each in made}
    beside = {"aws:backup/vault:Vault"}  # of the vault, which neither has
    assert types >= (NAMED.keys() | AGAIN) - beside
    assert not NAMED.keys() & AGAIN
    for each in made:
        if each.type in NAMED:
            assert isinstance(each[NAMED[each.type]], str), each.type
