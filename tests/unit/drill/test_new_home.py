"""A new home: which two environments are one, what is asked where, and in which order payments end in the old one."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from drill import new_home, new_home_command
from drill.new_home import Removal
from drill.restored import WrongItem
from orchestration.api_keys import Copy, Keys, WrittenMeanwhile
from orchestration.choice import Choice
from shared import fence
from shared.environment import Environment, Regions, TakenName
from shared.errors import Problem

OLD = Environment.load("payments")
ZONE = "Z0123456789ABCDEFGHIJ"


def home(primary="us-east-2", secondary="us-west-2", **more):
    regions = Regions(primary=primary, secondary=secondary, witness="us-west-1")
    return OLD.model_copy(update={"name": "home", "suffix": "h8m3", "regions": regions, **more})


class Calls:
    """A cloud that notes (service, region, operation, arguments) of each call and answers from `answers`."""

    def __init__(self, **answers):
        self.made, self._answers = [], answers

    def client(self, service, region):
        def call(operation, **arguments):
            self.made.append((service, region, operation, arguments))
            answer = self._answers.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return _Client(call)


class _Client:
    def __init__(self, call):
        self._call = call

    def __getattr__(self, operation):
        return lambda **arguments: self._call(operation, **arguments)


def removal(new=None, aws=None, old=OLD):
    slept = []
    made = Removal.of(old, new or home(), aws or Calls(), lambda _: None)
    return Removal(**{**vars(made), "sleep": slept.append}), slept


@pytest.mark.parametrize(
    ("regions", "left", "lost", "was"),
    [
        (("us-east-2", "us-west-2"), "us-east-2", "us-east-1", "secondary"),
        (("us-west-2", "us-east-2"), "us-east-2", "us-east-1", "secondary"),
        (("us-east-1", "us-west-2"), "us-east-1", "us-east-2", "primary"),
    ],
)
def test_the_region_that_both_have_is_the_one_that_is_left(regions, left, lost, was):
    found, _ = removal(home(*regions))
    assert (found.left, found.lost, found.was) == (left, lost, was)


@pytest.mark.parametrize(
    "new",
    [
        home("us-east-1", "us-east-2"),
        home("eu-west-1", "eu-west-2"),
        home(name="payments"),
        home(profile="trading"),
    ],
)
def test_what_is_no_new_home_is_refused(new):
    with pytest.raises(Problem, match="is no new home of payments: it must be an environment of its own"):
        removal(new)


def taken(**more):
    name = TakenName(**{"name": "api.x7k2.pay.example.com", "zone_id": ZONE, "now": True, **more})
    return home(takes_over=name)


@pytest.mark.parametrize("new", [home(), taken(now=False), taken(name="api.a1b2.pay.example.com")])
def test_nobody_is_moved_to_a_home_that_does_not_take_the_name_over(new):
    found, _ = removal(new)
    with pytest.raises(Problem, match=r"takes_over must say name: api.x7k2.pay.example.com and now: true"):
        found.require_ready({})


@pytest.mark.parametrize("ill", ["use2-api.h8m3.pay.example.com", "usw2-api.h8m3.pay.example.com"])
def test_nor_to_one_that_does_not_serve_in_both_regions(monkeypatch, ill):
    asked = []

    def entry(_gateways, _region, host):
        asked.append(host)
        return SimpleNamespace(ask=lambda *_: SimpleNamespace(status=503 if host == ill else 200))

    monkeypatch.setattr(new_home, "entry", entry)
    found, _ = removal(taken())
    with pytest.raises(Problem, match=r"does not serve in .*: GET /health answered 503; nothing was changed"):
        found.require_ready({})
    assert ill in asked


def test_payments_end_in_both_regions_of_the_old_home_by_the_one_that_is_left():
    aws = Calls()
    found, slept = removal(aws=aws)
    found.stop(1_000.5)
    assert {region for _, region, _, _ in aws.made} == {"us-east-2"}, "the lost region is asked nothing"
    fences = [arguments for service, _, operation, arguments in aws.made if operation == "put_item"]
    assert {each["Item"]["sk"]["S"] for each in fences} == {"us-east-1", "us-east-2"}
    for each in fences:
        assert each["TableName"] == "payment-transactions-x7k2"
        assert each["Item"][fence.FROM] == {"N": "1000500"}
        assert int(each["Item"][fence.UNTIL]["N"]) > 50 * 365 * 86_400_000, "its clients never come back"
    assert aws.made[-1] == ("events", "us-east-2", "disable_rule", {"Name": "payment-sweep-secondary-x7k2"})
    assert slept == [found.quiet]
    assert found.quiet >= 5 + OLD.compute.audit.timeout, "a fence is read every 5 s, and a sweep ends with its function"


def test_a_short_sweep_leaves_the_time_of_a_lease():
    compute = OLD.compute.model_copy(update={"audit": OLD.compute.audit.model_copy(update={"timeout": 11})})
    found, _ = removal(old=OLD.model_copy(update={"compute": compute}))
    assert found.quiet == 20


@pytest.mark.parametrize("late", [0, 2])
@pytest.mark.parametrize("wrong", [(), (WrongItem(("pay_x", "v0"), "another payment"),)])
def test_what_came_while_the_name_was_released_is_brought_in_after_it(monkeypatch, capsys, late, wrong):
    """A fence protects nothing: who could not read it has acknowledged a payment in the old table alone."""
    order, rounds = [], [{"brought in": 5}, {"brought in": late, "there already": 5}]

    class Home:
        tables, left, lost = ("old", "new"), "us-east-2", "us-east-1"

        def __getattr__(self, name):
            return lambda *_, **__: order.append(name) or ("api" if name == "release_name" else False)

        def bring_in(self, *, unfinished, progress):
            order.append("bring_in")
            assert unfinished and progress  # noqa: PT018
            return SimpleNamespace(counts=rounds.pop(0), contradictions=() if len(rounds) == 1 else wrong)

    place = SimpleNamespace(gateways={}, now=lambda: 0.0, where="", cli=SimpleNamespace(variables={}))
    monkeypatch.setattr(new_home_command, "choose", lambda *_: place)
    monkeypatch.setattr(new_home_command, "go_ahead", lambda *_: None)
    monkeypatch.setattr(Removal, "of", lambda *_: Home())
    code = new_home_command.new_home(Choice(json=True), old="payments", move=True)
    assert order[-4:] == ["stop", "bring_in", "release_name", "bring_in"]
    told = json.loads(capsys.readouterr().out)
    assert told["items_after_release"] == {"brought in": late, "there already": 5}
    assert (code, len(told["another"])) == ((1, 1) if wrong else (0, 0))
    assert told["next"].startswith("./invoke deploy --layer edge")


def test_the_name_is_released_where_the_region_that_is_left_has_it():
    aws = Calls()
    found, _ = removal(aws=aws)
    assert found.release_name() == "api.x7k2.pay.example.com"
    assert aws.made == [("apigateway", "us-east-2", "delete_domain_name", {"domainName": "api.x7k2.pay.example.com"})]


def test_a_name_that_is_released_is_released_once():
    gone = ClientError({"Error": {"Code": "NotFoundException"}}, "DeleteDomainName")
    found, _ = removal(aws=Calls(delete_domain_name=gone))
    assert not found.release_name()
    refused = ClientError({"Error": {"Code": "AccessDeniedException"}}, "DeleteDomainName")
    found, _ = removal(aws=Calls(delete_domain_name=refused))
    with pytest.raises(Problem, match=r"cannot release api.x7k2.pay.example.com in us-east-2"):
        found.release_name()


def test_a_load_balancer_has_no_name_to_release():
    old = Environment.load("trading")
    regions = Regions(primary="us-west-2", secondary="us-east-2", witness="us-west-1")
    aws = Calls()
    found, _ = removal(old.model_copy(update={"name": "home", "regions": regions}), aws, old)
    assert not found.release_name()
    assert aws.made == []


RECORDED = {
    "clients": {"storefront": {"current": "old", "previous": None}, "canary": {"current": "c", "previous": None}}
}


class Secrets:
    """Both homes' keys; the new one's with the labels of its versions."""

    def __init__(self, monkeypatch):
        self.kept = {"old": RECORDED, "new": with_key("first")}
        self.labels = {"first-version": ["AWSCURRENT"]}
        self.written = {}
        monkeypatch.setattr(new_home, "KeySecret", lambda _aws, _region, name: _Secret(self, name))

    def put(self, value, token):
        if self.written.setdefault(token, value) != value:
            raise WrittenMeanwhile
        (before,) = (each for each, labels in self.labels.items() if "AWSCURRENT" in labels)
        self.labels = {before: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}
        self.kept["new"] = value


class _Secret:
    def __init__(self, secrets, name):
        self.secrets, self.name = secrets, name
        self._which = "old" if name.endswith("x7k2") else "new"

    def read(self):
        labels = self.secrets.labels
        (version,) = (each for each, said in labels.items() if "AWSCURRENT" in said)
        return Copy("us-east-2", version, Keys(self.secrets.kept[self._which]), labels, 0.0, "us-east-2", None)

    def write(self, keys, token):
        assert self._which == "new"
        assert 32 <= len(token) <= 64
        self.secrets.put(keys.value, token)


def with_key(key):
    return {"clients": {**RECORDED["clients"], "storefront": {"current": key, "previous": None}}}


def clients(keys):
    return keys.kept["new"]["clients"]


@pytest.fixture
def keys(monkeypatch):
    return Secrets(monkeypatch)


def given(new, *, move=False):
    said = []
    found = Removal.of(OLD, new, Calls(), said.append).give_keys(move=move)
    return found, said


@pytest.mark.parametrize("move", [False, True])
def test_keys_are_given_until_and_while_the_clients_are_moved(keys, move):
    assert given(home()) == (True, [])
    keys.kept["old"] = with_key("rotated in the old home")
    assert given(taken(), move=move) == (True, [])
    assert clients(keys) == keys.kept["old"]["clients"]
    assert given(taken(), move=move) == (False, [])


def test_keys_that_were_rotated_in_the_new_home_stay_whatever_is_brought_in_late(keys):
    """The kind: what may be repeated writes over what has become newer since. A revoked key would pay again."""
    given(taken(), move=True)
    keys.put({**keys.kept["new"], **with_key("rotated")}, "f" * 64)  # a rotation changes the client's keys alone
    assert given(taken()) == (False, ["home has other keys than payments for storefront, rotated there: they stay"])
    with pytest.raises(Problem, match=r"for storefront, rotated there: they stay, and .* nothing was changed"):
        given(taken(), move=True)
    assert clients(keys) == with_key("rotated")["clients"]


def test_a_rotation_at_the_same_moment_is_not_written_over(keys, monkeypatch):
    """The kind: two who change one thing both succeed, and the later one drops what the other has made."""
    read, there = _Secret.read, _Secret(keys, "new").read()
    monkeypatch.setattr(_Secret, "read", lambda self: there if self._which == "new" else read(self))
    keys.put(with_key("rotated"), there.token)
    with pytest.raises(Problem, match=r"somebody else has just written .*: run this again"):
        given(home())
    assert keys.kept["new"] == with_key("rotated")


def test_before_clients_come_the_old_homes_keys_count_whatever_was_tried_there(keys):
    keys.put(with_key("tried"), "f" * 64)
    assert given(taken(now=False)) == (True, [])
    assert clients(keys) == RECORDED["clients"]
