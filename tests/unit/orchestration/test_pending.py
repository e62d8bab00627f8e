from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.backend import Checkpoint
from orchestration import pending
from shared.stack import Stack

NETWORK = Stack("network", "payments", "primary")
VPC = {"type": "creating", "resource": {"urn": "urn:pulumi:payments-primary::network::aws:ec2/vpc:Vpc::vpc"}}
UPDATE = {"type": "updating", "resource": {"urn": "urn:pulumi:payments-primary::network::aws:ec2/subnet:Subnet::a"}}


def recover(*operations, name="sandbox"):
    ran = []
    running = SimpleNamespace(run=lambda stack, *arguments: ran.append((stack, arguments)))
    backend = SimpleNamespace(checkpoint=lambda _: Checkpoint(pending=operations))
    target = SimpleNamespace(adopts_creates=name == "sandbox", where="AWS account 1", backend=backend)
    return pending.recover(target, running, NETWORK), ran


def test_nothing_pending_needs_nothing():
    assert recover() == ("", [])


@pytest.mark.parametrize(("operations", "remark"), [([VPC], "recovered (vpc)"), ([UPDATE], "recovered")])
def test_what_was_cut_off_is_settled_by_a_refresh(operations, remark):
    said, ran = recover(*operations)
    assert said == remark
    assert ran == [(NETWORK, ("refresh", "--yes", "--skip-preview", "--clear-pending-creates"))]


def test_on_aws_the_remark_says_what_to_look_for():
    assert recover(VPC, UPDATE, name="aws")[0] == (
        "recovered; look in AWS account 1 for what the earlier run may have made of: vpc"
    )
