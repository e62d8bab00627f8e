from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine import find
from orchestration import commands, target
from orchestration.choice import Choice
from orchestration.graph import Graph
from orchestration.operate import _plan
from orchestration.plan import Freshness, Judgement, Operation
from orchestration.targets import aws as on_aws
from orchestration.targets import sandbox
from orchestration.targets.aws import DESTROYING
from shared.environment import Environment
from shared.errors import Problem

ENVIRONMENT = Environment.load("payments")


def forget(backend, generation):
    said = []
    sandbox._start_empty_with_the_cloud(backend, generation, said.append)
    return said


class TestLifeOfTheCloud:
    @pytest.fixture
    def stacks(self, tmp_path):
        folder = tmp_path / ".pulumi" / "stacks"
        folder.mkdir(parents=True)
        return folder

    def test_stacks_stay_while_the_cloud_lives(self, tmp_path, stacks):
        assert forget(tmp_path, "one") == []
        assert forget(tmp_path, "one") == []
        assert stacks.exists()

    def test_stacks_go_with_the_cloud_that_they_were_in(self, tmp_path, stacks):
        forget(tmp_path, "one")
        assert forget(tmp_path, "two") == [
            "the sandbox's cloud has started empty: its stacks are forgotten, and will be deployed anew"
        ]
        assert not stacks.exists()
        assert forget(tmp_path, "two") == []

    def test_an_empty_backend_has_nothing_to_forget(self, tmp_path):
        forget(tmp_path, "one")
        assert forget(tmp_path, "two") == []


@pytest.fixture
def aws(monkeypatch):
    """The environment of a user who is about to deploy to AWS."""
    for name in ("AWS_ENDPOINT_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_SECRETS_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "passphrase")
    return monkeypatch


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("delenv", "PULUMI_BACKEND_URL"), "PULUMI_BACKEND_URL is not set"),
        (("delenv", "PULUMI_CONFIG_PASSPHRASE_FILE"), "PULUMI_SECRETS_PROVIDER is not set: name the key"),
        (("setenv", "PULUMI_SECRETS_PROVIDER", "awskms://alias/a"), "add .region="),
        (("setenv", "PULUMI_SECRETS_PROVIDER", "gcpkms://a?region=b"), "names no key of AWS KMS"),
        (("setenv", "AWS_ENDPOINT_URL", "http://127.0.0.1:1"), "AWS_ENDPOINT_URL is set"),
    ],
)
def test_what_is_missing_for_aws_is_one_line(aws, change, expected):
    method, *arguments = change
    getattr(aws, method)(*arguments)
    with pytest.raises(Problem, match=expected):
        target.choose("aws", ENVIRONMENT, print)


def test_on_aws_the_users_settings_are_his_but_for_those_that_would_do_something_else(aws, monkeypatch, tmp_path):
    his = {"AWS_PROFILE": "corp", "https_proxy": "http://proxy:3128", "PULUMI_ACCESS_TOKEN": "pul-token"}
    others = {"PULUMI_OPTION_TARGET": "x", "PULUMI_DEBUG_PROVIDERS": "aws:1", "PULUMI_STACK": "x"}
    others["PULUMI_CLOUD_SECRET_OVERRIDE"] = "awskms://other"
    for name, value in {**his, **others}.items():
        aws.setenv(name, value)
    official = tmp_path / "pulumi"
    official.with_name("pulumi-language-python").touch()
    monkeypatch.setattr(find, "find", lambda _: find.Engine("3", official, "path", ""))
    monkeypatch.setattr(on_aws, "_account", lambda _: "123456789012")
    monkeypatch.setattr(on_aws, "_lost", lambda *_: "")
    monkeypatch.setattr(Environment, "require_own_domain", lambda _: None)
    given = on_aws.make(ENVIRONMENT, print).cli.variables
    assert given.items() >= his.items()
    assert not others.keys() & given.keys()


@pytest.mark.parametrize(
    "setting",
    [{"AWS_PROFILE": "none"}, {"AWS_MAX_ATTEMPTS": "x"}, {"AWS_RETRY_MODE": "x"}, {"AWS_CONFIG_FILE": "{}"}],
    ids=str,
)
def test_a_setting_of_the_sdk_that_is_none_is_one_line_on_aws(aws, tmp_path, setting):
    (tmp_path / "config").write_text("[profile\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        aws.delenv(name, raising=False)
    for name, value in {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path), **setting}.items():
        aws.setenv(name, value.format(tmp_path / "config"))
    with pytest.raises(Problem, match=r"^AWS does not accept the credentials \([^\n]*$"):
        on_aws._account(ENVIRONMENT)


def test_an_unknown_target_names_the_known_ones():
    with pytest.raises(Problem, match="unknown target 'azure': choose one of sandbox, aws"):
        target.choose("azure", ENVIRONMENT, print)


class TestConfirmation:
    @pytest.fixture(autouse=True)
    def place(self, monkeypatch):
        nothing = SimpleNamespace(checkpoint=lambda _: None)
        place = SimpleNamespace(asks_first=True, where="AWS account 123456789012", backend=nothing)
        monkeypatch.setattr(commands, "choose", lambda *_: place)
        self.operated = []
        monkeypatch.setattr(commands, "operate", lambda *arguments, **_: self.operated.append(arguments))

    def test_it_says_account_regions_and_stacks_and_changes_nothing_without_a_yes(self, monkeypatch, capsys):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr("builtins.input", lambda _: "n")
        with pytest.raises(Problem, match="not confirmed; nothing was changed"):
            commands.deploy(Choice(target="aws", layer="compute"))
        assert capsys.readouterr().err.splitlines() == [
            "deploy in AWS account 123456789012, regions us-east-1 and us-east-2:",
            "  compute/payments-secondary",
            "  compute/payments-primary",
        ]
        assert self.operated == []

    def test_an_end_of_input_is_no_yes(self, monkeypatch):
        def ended(_):
            raise EOFError

        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr("builtins.input", ended)
        with pytest.raises(Problem, match="not confirmed; nothing was changed"):
            commands.deploy(Choice(target="aws", layer="compute"))
        assert self.operated == []

    def test_nobody_there_to_ask(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
        with pytest.raises(Problem, match="add --yes to go ahead"):
            commands.destroy(Choice(target="aws"))
        assert self.operated == []


DEPLOYED = SimpleNamespace(checkpoint=lambda _: object())


@pytest.mark.parametrize(
    ("target", "code", "operations"),
    [
        ({"previews_new": True}, 0, [Operation.PREVIEW, Operation.DEPLOY]),
        ({"previews_new": True}, 1, [Operation.PREVIEW]),
        ({"previews_new": True, "backend": DEPLOYED}, 0, [Operation.DEPLOY]),
        ({"previews_new": False}, 0, [Operation.DEPLOY]),
    ],
)
def test_new_stacks_are_previewed_before_the_first_is_made_where_the_target_says_so(
    monkeypatch, capsys, target, code, operations
):
    new = SimpleNamespace(checkpoint=lambda _: None)
    cli = SimpleNamespace(variables={})
    place = SimpleNamespace(**{"asks_first": False, "cli": cli, "backend": new, **target})
    operated = []

    def operate(operation, **_):
        operated.append(operation)
        return SimpleNamespace(code=code, record={"operation": operation.value})

    monkeypatch.setattr(commands, "choose", lambda *_: place)
    monkeypatch.setattr(commands, "operate", operate)
    assert commands.deploy(Choice(target="aws", json=True)) == code
    assert operated == operations
    assert json.loads(capsys.readouterr().out) == {"operation": operations[-1].value}


def paying(choice=None, amount="1", key=None):
    return commands.pay(choice or Choice(), amount=amount, currency="USD", customer="c", key=key)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: commands.deploy(Choice("payment")), "unknown environment 'payment'"),
        (lambda: commands.deploy(Choice(layer="computer")), "unknown layer 'computer'"),
        (lambda: commands.preview(Choice(layer="data", region="primary")), "layer data is global"),
        (lambda: commands.outputs(Choice(layer="compute", region="east")), "unknown region 'east'"),
        (lambda: paying(Choice(region="east")), "unknown region 'east'"),
        (lambda: paying(amount="1_000"), "--amount '1_000' is no JSON number"),
        (lambda: paying(key=""), "--key '' is no header's value"),
    ],
)
def test_a_wrong_name_is_one_line_before_anything_starts(monkeypatch, call, expected):
    monkeypatch.setattr(commands, "choose", lambda *_: pytest.fail("the sandbox was started"))
    with pytest.raises(Problem, match=expected):
        call()


def test_destroying_the_network_on_aws_says_what_it_waits_for():
    """While it waits: for what a network's stack shows is nothing, for the better part of an hour."""
    graph = Graph.of("payments")
    plan = _plan(Operation.DESTROY, graph, graph.stacks, cast("Any", None), DESTROYING, force=False, refresh=False)
    said = {str(step.stack): step.judgement.reason for step in plan.steps}
    waiting = "waits 20 to 45 minutes until Lambda gives the functions' network interfaces back"
    assert said["network/payments-primary"] == said["network/payments-secondary"] == waiting
    assert {reason for stack, reason in said.items() if not stack.startswith("network/")} == {""}


@pytest.mark.parametrize("refresh", [False, True])
def test_a_refresh_looks_at_fresh_stacks_too(refresh):
    """What somebody changed in the cloud leaves the sources as they are: drift recommends it for such stacks."""
    graph = Graph.of("payments")
    fresh = cast("Any", SimpleNamespace(judge=lambda _: Judgement(Freshness.FRESH, "")))
    plan = _plan(Operation.DEPLOY, graph, graph.stacks, fresh, {}, force=False, refresh=refresh)
    assert [step.fresh for step in plan.steps] == [not refresh] * len(graph.stacks)
