"""Which regions go back, and on what: the rule alone, and the whole command against a cloud of aliases."""

from __future__ import annotations

import json
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backend import FileBackend
from orchestration import release_rules, rollback
from orchestration.choice import Choice
from orchestration.fingerprint import TAG, WITHDRAWN, Fingerprint, release_id
from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, make
from orchestration.releases import ALIAS, Release, Releases, Serving, record
from orchestration.rollback import RegionRelease, going_back
from orchestration.target import Target
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import ROLES
from shared.stack import Stack

ENVIRONMENT = Environment.load("payments")
STACKS = {role: Stack("compute", "payments", role) for role in ROLES}
GRAPH = Graph.of("payments")


def release(name, version):
    return Release(name, Serving({("pay", "live"): str(version), ("up", "live"): str(version)}, {}), 0.0)


A, B, C, Z = (release(name, version) for version, name in enumerate("abcz", 1))


def standing(role, known, *, live=None, withdrawn=False):
    live = (live or known.serving).serving if live or known.serving else None
    return RegionRelease(STACKS[role], ENVIRONMENT.region(role), known, withdrawn, live)


def going(secondary, primary, **options):
    found = going_back([standing("secondary", secondary, **options), standing("primary", primary)])
    return {stack.role: back for stack, back in found.items()}


def test_regions_that_serve_the_same_go_back_together():
    assert going(Releases(B, A), Releases(B, A)) == {"secondary": A, "primary": A}


def test_a_release_that_the_primary_never_got_is_taken_out_of_the_secondary_alone():
    assert going(Releases(B, A), Releases(A, Z)) == {"secondary": A}


def test_an_unfinished_release_is_taken_back_to_the_last_complete_one():
    assert going(Releases(A, Z), Releases(A, Z), live=B) == {"secondary": A}


def test_a_primary_whose_region_was_out_follows_later():
    assert going(Releases(A), Releases(B, A), withdrawn=True) == {"primary": A}


def test_a_second_rollback_goes_no_farther():
    assert going(Releases(A), Releases(A), withdrawn=True) == {}
    assert going(Releases(A), Releases(A, Z), withdrawn=True) == {}


@pytest.mark.parametrize("known", [Releases(), Releases(A)])
def test_without_a_release_before_it_is_refused(known):
    with pytest.raises(Problem, match="compute/payments-secondary has had no release before") as caught:
        going(known, known)
    assert "\n" not in str(caught.value)


def test_regions_without_a_release_in_common_are_refused_together():
    with pytest.raises(Problem, match="say --region"):
        going(Releases(C, B), Releases(A, Z))
    assert going_back([standing("primary", Releases(A, Z))]) == {STACKS["primary"]: Z}


RELEASES = st.sampled_from([A, B, C, Z])
KNOWN = st.builds(Releases, RELEASES, st.none() | RELEASES)


@given(KNOWN, KNOWN, st.booleans())
def test_together_regions_never_end_on_different_releases(secondary, primary, withdrawn):
    """Whatever is on record: either nothing is changed, or both serve the same release afterwards."""
    with suppress(Problem):
        found = going(secondary, primary, withdrawn=withdrawn)
        if found and (secondary.serving != primary.serving or secondary.before == primary.before):
            assert found.get("secondary", secondary.serving) == found.get("primary", primary.serving)


class AliasCloud:
    """Lambda of both regions; `out` is one that does not answer."""

    def __init__(self, version):
        self.versions = {(ENVIRONMENT.region(role), function): version for role in ROLES for function in ("pay", "up")}
        self.out, self.region = "", ""
        self.all = self

    def client(self, _service, region):
        there = AliasCloud.__new__(AliasCloud)
        there.__dict__ = {**self.__dict__, "region": region, "all": self}
        return there

    def _reach(self):
        if self.region == self.all.out:
            raise Problem(f"{self.region} does not answer")

    def get_alias(self, FunctionName, Name):  # noqa: N803
        assert Name == "live"
        self._reach()
        return {"FunctionVersion": self.versions[self.region, FunctionName]}

    def update_alias(self, FunctionName, Name, FunctionVersion):  # noqa: N803
        assert Name == "live"
        self._reach()
        self.versions[self.region, FunctionName] = FunctionVersion


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Two regions that serve version 2, of sources `parts`, after version 1."""
    backend = FileBackend(tmp_path / "backend")
    cloud = AliasCloud("2")
    parts = {"code": "bad"}
    aliases = [
        {"type": ALIAS, "outputs": {"functionName": name, "name": "live", "functionVersion": "2"}}
        for name in ("pay", "up")
    ]
    for stack in STACKS.values():
        backend.create(stack, {})
        book = tmp_path / "backend" / ".pulumi" / "stacks" / stack.layer / f"{stack.name}.json"
        book.write_text(json.dumps({"checkpoint": {"latest": {"resources": aliases}}}))
        Releases(release("good", 1)).write(backend, stack)
        record(backend, stack, release_id(parts), 5.0)
        backend.tag(stack, TAG, Fingerprint("u", parts).to_tag())
    target = Target(
        "test", SimpleNamespace(variables={}), backend, tmp_path, tmp_path / "stack.yaml", "1.0", where="a test"
    )
    monkeypatch.setattr(rollback, "choose", lambda *_: target)
    monkeypatch.setattr(rollback, "Aws", lambda _: cloud)
    tests = SimpleNamespace(failing="")

    def test(_, stack):
        if stack.role == tests.failing:
            raise Problem("GET /health answered 500")

    monkeypatch.setattr(rollback, "SmokeTest", lambda *_: SimpleNamespace(test=lambda stack: test(None, stack)))
    return SimpleNamespace(backend=backend, cloud=cloud, parts=parts, tests=tests)


def serving(system):
    return {role: {system.cloud.versions[ENVIRONMENT.region(role), name] for name in ("pay", "up")} for role in ROLES}


def test_both_regions_go_back_and_the_next_deployment_is_told(system, capsys):
    assert rollback.rollback(Choice()) == 0
    assert serving(system) == {"primary": {"1"}, "secondary": {"1"}}
    out = capsys.readouterr().out
    assert "smoke test passed" in out
    assert "--force" in out
    for stack in STACKS.values():
        assert system.backend.tags(stack)[TAG] == WITHDRAWN
        assert Releases.read(system.backend, stack).rolled_back == release_id(system.parts)
    assert rollback.rollback(Choice()) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert serving(system) == {"primary": {"1"}, "secondary": {"1"}}


def test_one_region_alone(system):
    assert rollback.rollback(Choice(region="primary")) == 0
    assert serving(system) == {"primary": {"1"}, "secondary": {"2"}}
    assert rollback.rollback(Choice()) == 0
    assert serving(system) == {"primary": {"1"}, "secondary": {"1"}}


@pytest.mark.parametrize("gone", ROLES)
def test_while_a_region_is_gone_the_other_one_goes_back_and_it_follows_later(system, gone, capsys):
    system.cloud.out = ENVIRONMENT.region(gone)
    assert rollback.rollback(Choice()) == 1
    (other,) = set(ROLES) - {gone}
    assert serving(system) == {gone: {"2"}, other: {"1"}}
    assert "not rolled back" in capsys.readouterr().out
    system.cloud.out = ""
    assert rollback.rollback(Choice()) == 0
    assert serving(system) == {gone: {"1"}, other: {"1"}}


def test_what_was_cut_off_after_the_record_is_completed(system):
    """A kill between the record and the alias leaves the bad release in service: it is not the one before."""
    for stack in STACKS.values():
        Releases.read(system.backend, stack).back_on(A.serving).write(system.backend, stack)
        system.backend.tag(stack, TAG, WITHDRAWN)
    assert rollback.rollback(Choice()) == 0
    assert serving(system) == {"primary": {"1"}, "secondary": {"1"}}


def test_a_release_before_that_fails_its_test_is_told(system, capsys):
    system.tests.failing = "primary"
    assert rollback.rollback(Choice(json=True)) == 1
    told = {row["stack"]: row for row in json.loads(capsys.readouterr().out)["stacks"]}
    assert told["compute/payments-primary"]["failed"]
    assert "fails its smoke test: GET /health answered 500" in told["compute/payments-primary"]["status"]
    assert not told["compute/payments-secondary"]["failed"]


def test_a_layer_without_functions_is_refused(system):
    system.backend.create(Stack("network", "payments", "primary"), {})
    with pytest.raises(Problem, match="has no function in a test that could be put back"):
        rollback.rollback(Choice(layer="network", region="primary"))


class TakenBackFingerprints:
    """Fingerprints of a backend, with these parts."""

    def __init__(self, backend, parts):
        self.backend, self._parts = backend, parts

    def parts(self, _):
        return self._parts

    def withdrawn(self, stack):
        return self.backend.tags(stack).get(TAG) == WITHDRAWN


def test_the_sources_that_were_rolled_back_are_not_released_again(system):
    rollback.rollback(Choice())
    plan = make(Operation.DEPLOY, GRAPH, STACKS.values(), lambda _: Judgement(Freshness.STALE, "rolled back"))
    with pytest.raises(Problem, match="rolled back from just these sources") as caught:
        release_rules.require_other_sources(plan, TakenBackFingerprints(system.backend, system.parts))
    assert "\n" not in str(caught.value)
    release_rules.require_other_sources(plan, TakenBackFingerprints(system.backend, {"code": "mended"}))
    for stack in STACKS.values():  # and once others were released, they may come again
        record(system.backend, stack, "mended", 9.0)
    release_rules.require_other_sources(plan, TakenBackFingerprints(system.backend, system.parts))
