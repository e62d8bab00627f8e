"""What a stack's state is without a region that is gone: nothing of it, nothing that names it, and all the rest."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

from engine.backend import Checkpoint
from orchestration import fingerprint
from orchestration.forgetting import Loss, _forget, without
from shared.stack import Stack

LOSS = Loss("us-east-1", "us-east-2", "api.x7k2.pay.example.com")
URN = "urn:pulumi:payments::data::"
GONE, LEFT = f"{URN}pulumi:providers:aws::aws-primary", f"{URN}pulumi:providers:aws::aws-secondary"


def resource(kind, name, provider=LEFT, **more):
    return {"urn": f"{URN}{kind}::{name}", "custom": True, "type": kind, "provider": f"{provider}::id", **more}


def provider(urn, region):
    told = {"region": region, "version": "7.51.1"}
    return {"urn": urn, "custom": True, "type": "pulumi:providers:aws", "inputs": told, "outputs": {**told}}


STACK = {"urn": f"{URN}pulumi:pulumi:Stack::data", "custom": False, "type": "pulumi:pulumi:Stack"}
COMPONENT = {
    "urn": f"{URN}payments:data:Table::t",
    "custom": False,
    "type": "payments:data:Table",
    "parent": STACK["urn"],
}
TABLE = resource(
    "aws:dynamodb/table:Table", "t", GONE, id="t", outputs={"region": "us-east-1"}, parent=COMPONENT["urn"]
)
TAG = resource("aws:dynamodb/tag:Tag", "tag", outputs={"region": "us-east-2"}, dependencies=[TABLE["urn"], LEFT])
SILENT = resource("aws:x/y:Z", "silent", GONE, id="z", outputs={})
ROLE = resource("aws:iam/role:Role", "r", GONE, id="r", outputs={"name": "r"}, deletedWith=TABLE["urn"])
POLICY = resource(
    "aws:iam/rolePolicy:RolePolicy",
    "p",
    GONE,
    propertyDependencies={"policy": [TABLE["urn"], ROLE["urn"]], "role": [ROLE["urn"]]},
)
PASSWORD = {"urn": f"{URN}random:index/randomPassword:RandomPassword::p", "custom": True, "type": "random:index/x:X"}
ALL = [
    STACK,
    COMPONENT,
    provider(GONE, "us-east-1"),
    provider(LEFT, "us-east-2"),
    TABLE,
    TAG,
    SILENT,
    ROLE,
    POLICY,
    PASSWORD,
]


def parted(*resources):
    """(By URN what stays, the URNs of what was taken out); the state itself is left as it is."""
    deployment = {
        "manifest": {"magic": "m"},
        "resources": list(resources),
        "pending_operations": [{"type": "creating"}],
    }
    before = copy.deepcopy(deployment)
    found = without(deployment, LOSS)
    assert deployment == before
    assert found.deployment["manifest"] == {"magic": "m"}
    assert not found.deployment["pending_operations"]
    return {each["urn"]: each for each in found.deployment["resources"]}, {each["urn"] for each in found.resources}


def test_what_is_in_the_region_goes_and_what_is_the_accounts_asks_the_other():
    stays, gone = parted(*ALL)
    assert gone == {TABLE["urn"], SILENT["urn"]}
    assert stays.keys() == {each["urn"] for each in ALL} - gone
    for part in ("inputs", "outputs"):
        assert stays[GONE][part] == {"region": "us-east-2", "version": "7.51.1"}
    assert stays[ROLE["urn"]]["provider"] == f"{GONE}::id"


def test_nothing_that_stays_names_what_is_gone():
    stays, gone = parted(*ALL)
    assert not any(urn in str(each) for each in stays.values() for urn in gone)
    assert stays[TAG["urn"]]["dependencies"] == [LEFT]
    assert stays[POLICY["urn"]]["propertyDependencies"] == {"policy": [ROLE["urn"]], "role": [ROLE["urn"]]}


def record(name, kind="CNAME", **more):
    return resource("aws:route53/record:Record", name, outputs={"fqdn": name, "type": kind, **more})


def test_the_clients_name_its_proof_and_its_zone_stay_whoever_is_destroyed():
    own = record("use2-api.x7k2.pay.example.com")
    check = resource("aws:route53/healthCheck:HealthCheck", "gate", GONE, outputs={"fqdn": "api.x7k2.pay.example.com"})
    its = [
        record("api.x7k2.pay.example.com"),
        record("_a1b2.api.x7k2.pay.example.com"),
        record("x7k2.pay.example.com", "NS"),
        resource("aws:route53/zone:Zone", "zone", GONE, outputs={"name": "x7k2.pay.example.com"}),
    ]
    stays, gone = parted(provider(GONE, "us-east-1"), own, check, *its)
    assert gone == {each["urn"] for each in its}
    assert {own["urn"], check["urn"]} <= stays.keys()


def test_a_stack_that_forgets_is_fresh_no_more(tmp_path):
    """Whatever its fingerprint says of its sources, half of what they ask for is in no state."""
    stack, done = Stack("data", "payments"), []
    place: Any = SimpleNamespace(
        backend=SimpleNamespace(checkpoint=lambda _: Checkpoint(), tag=lambda *tag: done.append(tag)),
        cli=SimpleNamespace(edit_state=lambda *_: done.append("edited")),
    )
    _forget(place, stack, LOSS, tmp_path)
    assert done == [(stack, fingerprint.TAG, fingerprint.CUT), "edited"], "first what keeps it from being left out"
