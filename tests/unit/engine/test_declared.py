"""A program's resources are known without an engine: what it gives them, as far as a preview knows it."""

from __future__ import annotations

import asyncio
import textwrap
from typing import Any, cast

import pytest
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.stack import run_in_stack

from engine.declared import declared, mocked
from shared.errors import Problem

PROGRAM = """
import pulumi
import pulumi_aws as aws

east = aws.Provider("east", region="us-east-1")
options = pulumi.ResourceOptions(provider=east)
queue = aws.sqs.Queue("letters", name="letters", opts=options)
topic = aws.sns.Topic("news", name=queue.name.apply("{}-news".format), display_name=queue.url, opts=options)
pulumi.ComponentResource("ours:Thing", "thing")
secret = pulumi.Output.secret("hidden")
aws.ssm.Parameter("secret", type="SecureString", value=secret, opts=options)
aws.sns.TopicSubscription("s", topic=topic.arn, protocol="sqs", endpoint=queue.arn, opts=options)
pulumi.export("id", queue.id)
pulumi.export("later", queue.url)
"""


def run(tmp_path, text, functions=None):
    main = tmp_path / "__main__.py"
    main.write_text(textwrap.dedent(text), encoding="utf-8")
    return declared(main, "project", "stack", functions or {})


@pytest.fixture
def program(tmp_path):
    return run(tmp_path, PROGRAM)


def test_resources_have_what_they_are_given_and_their_providers_inputs(program):
    found = {each.name: each for each in program.resources}
    assert set(found) == {"letters", "news", "secret", "s"}  # neither components nor providers
    assert found["letters"].type == "aws:sqs/queue:Queue"
    assert found["letters"].provider["region"] == "us-east-1"


def test_what_is_known_goes_on_and_what_is_not_is_left_out(program):
    found = {each.name: each.inputs for each in program.resources}
    assert found["news"] == {"name": "letters-news"}  # a URL only AWS knows
    assert found["secret"] == {"type": "SecureString"}
    assert found["s"]["topic"] == next(each.arn for each in program.resources if each.name == "news")


def test_outputs_are_as_the_engine_writes_them(program):
    from pulumi.runtime.rpc import UNKNOWN

    assert dict(program.outputs) == {"id": "letters-id", "later": UNKNOWN}


def test_a_function_of_a_provider_answers_what_it_was_told(tmp_path):
    asks = """
        import pulumi, pulumi_aws as aws
        pulumi.export("account", aws.get_caller_identity().account_id)
    """
    token = "aws:index/getCallerIdentity:getCallerIdentity"
    assert run(tmp_path, asks, {token: {"accountId": "42"}}).outputs == {"account": "42"}
    with pytest.raises(Exception, match=f"nothing is known of {token}"):
        run(tmp_path, asks)


def test_an_error_of_the_program_is_a_problem(tmp_path):
    with pytest.raises(Problem, match="project/stack: no such thing"):
        run(tmp_path, 'import pulumi\nraise pulumi.RunError("no such thing")')


def test_what_is_on_its_way_when_a_program_ends_is_waited_for(tmp_path, monkeypatch):
    """As a stack's outputs are on a busy machine, of which Pulumi does not know yet when it looks for what is left."""
    told = []

    async def ends_early(program):
        async def on_its_way():
            await asyncio.sleep(0.05)
            told.append("outputs")

        asyncio.ensure_future(on_its_way())  # noqa: RUF006 - nobody holds it, as Pulumi's

    monkeypatch.setattr("engine.declared.run_in_stack", ends_early)
    run(tmp_path, "")
    assert told == ["outputs"]


def test_a_program_has_one_stack_so_that_no_others_outputs_come_after_its_own():
    """Calls of the engine run side by side, and on a busy machine they end in any order."""
    asked = []

    class Monitor(MockMonitor):
        def RegisterResource(self, request):  # noqa: N802 - the name in the engine's protocol
            asked.append(request.type)
            return super().RegisterResource(request)

    mocks = cast("Any", None)  # nothing but the stack is asked for
    with mocked(mocks, Monitor(mocks), project="project", stack="stack", preview=True) as loop:
        loop.run_until_complete(run_in_stack(lambda: None))
    assert asked == ["pulumi:pulumi:Stack"]


def test_a_program_leaves_nothing_to_the_next(tmp_path):
    first = run(tmp_path, PROGRAM)
    assert run(tmp_path, PROGRAM) == first
