"""What a stack's state is without a region that is gone: nothing of it, nothing that names it, and all the rest."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from engine.backend import Checkpoint
from orchestration import fingerprint, forgetting, report
from orchestration.forgetting import ASKED, PAUSE, ROUNDS, Loss, _forget, without
from shared.errors import Problem
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


LOST, LEFT_REGION = "us-east-1", "us-east-2"
SILENT_HOST = EndpointConnectionError(endpoint_url="https://there")


class Regions:
    """Both regions: what their services raise, by service, region and round."""

    def __init__(self, monkeypatch):
        self.raises: Any = lambda service, region, _: SILENT_HOST if region == LOST else None
        self.round, self.said = 0, []
        monkeypatch.setattr(forgetting, "Aws", lambda _: self)
        monkeypatch.setattr(report, "tell", self.said.append)

    def client(self, service, region):
        def ask():
            if error := self.raises(service, region, self.round):
                raise error
            return {}

        return SimpleNamespace(**{ASKED[service]: ask})

    def sleep(self, seconds):
        assert seconds == PAUSE
        self.round += 1

    def require_gone(self, *, on_aws=True):
        place: Any = SimpleNamespace(cli=SimpleNamespace(variables={}), asks_first=on_aws)
        forgetting._require_gone(place, LOST, LEFT_REGION, sleep=self.sleep)


@pytest.fixture
def regions(monkeypatch):
    return Regions(monkeypatch)


def test_a_region_is_gone_when_nothing_of_it_answers_for_minutes_and_what_was_asked_is_told(regions):
    regions.require_gone()
    assert regions.round == ROUNDS - 1
    assert (ROUNDS - 1) * PAUSE >= 120
    assert len(regions.said) == ROUNDS
    for service in ASKED:
        assert f'{service}: unknown: Could not connect to the endpoint URL: "https://there"' in regions.said[0]
    # What is left may miss a service that leans on the lost region.
    regions.raises = lambda service, region, _: SILENT_HOST if region == LOST or service == "s3" else None
    regions.round = 0
    regions.require_gone(on_aws=False)
    assert regions.round == 0


def refused(code):
    return ClientError({"Error": {"Code": code}}, "Any")


@pytest.mark.parametrize("answers", ["sts", "s3", "dynamodb"])
@pytest.mark.parametrize("answer", [None, refused("AccessDenied"), refused("ServiceUnavailable")], ids=str)
@pytest.mark.parametrize("late", [0, ROUNDS - 1])
def test_a_region_of_which_anything_answers_is_not_gone(regions, answers, answer, late):
    """The kind: that one question failed is taken for an answer. An endpoint, a proxy or a right is this machine's."""

    def raises(service, region, at):
        if region == LEFT_REGION or (service == answers and at == late):
            return answer if region == LOST else None
        return SILENT_HOST

    regions.raises = raises
    with pytest.raises(Problem, match=rf"^{LOST} answers \({answers}: .*nothing was changed$"):
        regions.require_gone()


def test_who_reaches_no_region_knows_nothing_of_one(regions):
    regions.raises = lambda *_: SILENT_HOST
    with pytest.raises(Problem, match=rf"^nothing is known of {LOST}, as {LEFT_REGION} does not answer either \(sts: "):
        regions.require_gone()


def test_a_stack_that_forgets_is_fresh_no_more(tmp_path):
    """Whatever its fingerprint says of its sources, half of what they ask for is in no state."""
    stack, done = Stack("data", "payments"), []
    place: Any = SimpleNamespace(
        backend=SimpleNamespace(checkpoint=lambda _: Checkpoint(), tag=lambda *tag: done.append(tag)),
        cli=SimpleNamespace(edit_state=lambda *_: done.append("edited")),
    )
    _forget(place, stack, LOSS, tmp_path)
    assert done == [(stack, fingerprint.TAG, fingerprint.CUT), "edited"], "first what keeps it from being left out"
