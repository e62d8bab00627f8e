"""Every command that the documents tell people to type is one: read here, run in tests/e2e/test_manual.py."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import botocore.session
import pytest
from botocore import xform_name
from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.parser.context import ParserContext

from shared.root import ROOT
from tasks import namespace
from tools import manual

TYPED = manual.everything()
AWS = botocore.session.get_session()
OPTIONS_OF_THE_CLI = {"region", "query", "output", "profile", "cli-binary-format"}
OF_THE_CLI = {("logs", "tail"): {"follow", "region", "since"}}
"""Commands that the CLI has beside the API's operations, with their options."""
FILLED = {"HEAD": "0" * 64, "SEED": "7", "SPEED": "3", "N": "1"}
NUMBER = re.compile(r"\b(HEAD|SEED|SPEED|N)\b")


def block(text):
    return manual.TypedCommand("README.md", text, block=True)


def tasks(text):
    """(Words after ./invoke) of each call of a task in a text; forms filled in."""
    for command in block(text).commands:
        for call in re.findall(r"\./invoke ([^;|&)#]+)", re.sub(r"\[[^\]]*\]", "", command)):
            yield shlex.split(NUMBER.sub(lambda found: FILLED[found[1]], call.replace("<", "").replace(">", "")))


def operations(text):
    """(Service, operation, options) of each call of the AWS CLI in a text."""
    for command in block(text).commands:
        for call in re.findall(r"(?:^|[;&|(=] *)aws ((?:'[^']*'|\"[^\"]*\"|[^;|&'\"])+)", command):
            service, operation, *words = shlex.split(re.sub(r"<[^>]*>", "x", call))
            yield service, operation, [word.removeprefix("--") for word in words if word.startswith("--")]


def wrong_task(words):
    """What the parser of ./invoke says against a call; empty for nothing."""
    if words[0] == "--help":
        words = ["--list"] if words[1] == "TASK" else words[1:2]
    if words == ["--list"]:
        return ""
    parser = Parser(contexts=namespace.to_contexts(), initial=ParserContext(), ignore_unknown=False)
    try:
        parser.parse_argv(words)
    except (ParseError, ValueError) as error:
        return str(error)
    return ""


def wrong_operation(service, operation, options):
    """What AWS's own model has against a call; empty for nothing."""
    if (service, operation) in OF_THE_CLI:
        return ", ".join(f"no option {each}" for each in options if each not in OF_THE_CLI[service, operation])
    name = {"s3api": "s3"}.get(service, service)
    if name not in AWS.get_available_services():
        return f"no service {service}"
    model = AWS.get_service_model(name)
    known = {xform_name(each, "-"): each for each in model.operation_names}
    if operation not in known:
        return f"no operation {operation} of {service}"
    shape = model.operation_model(known[operation]).input_shape
    members = {xform_name(each, "-") for each in (shape.members if shape else ())}
    missing = {xform_name(each, "-") for each in (shape.required_members if shape else ())} - set(options)
    unknown = set(options) - members - OPTIONS_OF_THE_CLI - {f"no-{each}" for each in members}
    return ", ".join([*(f"no option {each}" for each in unknown), *(f"{each} is missing" for each in missing)])


@pytest.mark.parametrize("typed", TYPED, ids=lambda typed: f"{typed.document}: {typed.commands[0][:60]}")
def test_it_is_a_command(typed):
    if typed.block:
        plain = re.sub(r"<[^>]*>", "x", typed.text)
        said = subprocess.run(["bash", "-n"], input=plain, capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, "")
    assert [(words, wrong) for words in tasks(typed.text) if (wrong := wrong_task(words))] == []
    complete = [each for each in operations(typed.text) if each[2] or typed.block]
    assert [(each, wrong) for each in complete if (wrong := wrong_operation(*each))] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("./invoke deploy --layer", "needed value"),
        ("./invoke deploy edge", "No idea what 'edge' is"),
        ("./invoke drill --rate fast", "could not convert"),
    ],
)
def test_a_task_that_would_not_start_is_found(text, said):
    ((wrong),) = [wrong_task(words) for words in tasks(text)]
    assert said in wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("aws s3api put-object --bucket b --key k --body f", ""),
        ("printf x > f && aws s3api put-object --bucket b --key k --boddy f", "no option boddy"),
        ("aws lambda update-alias --function-name f", "name is missing"),
        ("aws lambda move-alias --name f", "no operation move-alias of lambda"),
        ("aws lamda get-alias --name f", "no service lamda"),
    ],
)
def test_an_operation_that_aws_does_not_know_is_found(text, wrong):
    assert [wrong_operation(*each) for each in operations(text)] == [wrong]


def test_most_is_run_and_what_is_not_has_a_reason():
    run = [each for each in TYPED if not each.why_not]
    assert len(run) > 100
    assert all(not re.search(r"--target aws|\baws [a-z]|<", each.text) for each in run)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("./invoke deploy-all --target aws", "needs an account"),
        ("REGION=x\nprintf y > s && aws s3api put-object --body s", "needs an account"),
        ("./invoke evidence --since 2h --out FOLDER", "a form to fill in"),
        ("./invoke drill --fault hang", "takes long"),
        ("./invoke drill.report", ""),
        ("./invoke pay", ""),
    ],
)
def test_why_something_is_not_run(text, why):
    assert manual.TypedCommand("README.md", text, block=False).why_not == why


def test_every_command_of_a_block_that_is_not_run_is_listed():
    text = "# first\naws sns publish \\\n    --topic-arn x  # told\n./invoke evacuate --target aws\n"
    assert block(text).commands == ("aws sns publish --topic-arn x", "./invoke evacuate --target aws")
    listed = manual.listing()
    for each in TYPED:
        if each.why_not:
            assert all(f"| `{command.replace('|', chr(92) + '|')}` |" in listed for command in each.commands)


def test_the_list_of_what_is_not_run_is_as_it_is():
    there = manual.LISTED.read_text(encoding="utf-8")
    assert there == manual.listing().rstrip("\n") + "\n", "run `.venv/bin/python -m tools.manual`"


def test_the_parser_is_the_one_of_invoke():
    """A call that the test refuses is refused by ./invoke too, before it does anything."""
    said = subprocess.run(
        [sys.executable, ROOT / "tools" / "start.py", "drill", "--rate", "fast"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode
    assert "could not convert" in said.stderr
