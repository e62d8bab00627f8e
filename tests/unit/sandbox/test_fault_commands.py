"""What `./invoke fault` and `./invoke heal` take and say."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from sandbox import fault_commands as commands
from sandbox import fault_parts
from sandbox.fault_commands import Wanted
from sandbox.faults.fault import DEPENDENCIES, KINDS, InjectedFault
from shared.environment import Environment
from shared.errors import Problem

ENVIRONMENT = Environment.load("payments")
REGIONS = dict(ENVIRONMENT.regions)


class Box:
    """A sandbox that keeps the faults it is told."""

    def __init__(self):
        self.known, self.lost = [], {}

    def __call__(self, _root):
        return self

    def begin_fault(self, fault):
        begun = InjectedFault.read({**fault.told(), "number": len(self.known) + 1})
        self.known.append(begun)
        return begun

    def heal(self, number, region):
        ended = [each for each in self.known if number in {None, each.number} and region in {"", each.region}]
        self.known = [each for each in self.known if each not in ended]
        return ended

    def faults(self):
        return self.known

    def status(self):
        return SimpleNamespace(lost_writes=self.lost)


@pytest.fixture
def box(monkeypatch):
    made = Box()
    monkeypatch.setattr(commands, "Sandbox", made)
    return made


def wanted(kind, region="primary", environment="payments", **said):
    words = {"part": "", "how": "", "probability": "", "seconds": "", **said}
    return Wanted(kind, region, environment=environment, **words)


EXAMPLES = {"function": "health", "operation": "dynamodb:PutItem", "dependency": "secrets", "name": "a.example.com"}
EXAMPLES["zone"] = "use1-az1"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_begins_with_what_it_must_be_told_and_no_more(box, capsys, kind):
    assert commands.fault(wanted(kind, part=EXAMPLES.get(kind, ""))) == 0
    (begun,) = box.known
    assert (begun.kind, begun.region) == (kind, REGIONS["primary"])
    assert f"./invoke heal --number {begun.number}" in capsys.readouterr().out


@pytest.mark.parametrize("role", ["primary", "secondary", "witness"])
def test_a_region_is_named_by_its_role_or_its_name(box, role):
    for named in (role, REGIONS[role]):
        commands.fault(wanted("hang", named))
    assert [each.region for each in box.known] == [REGIONS[role]] * 2


@pytest.mark.parametrize("kind", ["function", "grey"])
def test_a_function_is_named_by_its_folder(box, kind):
    commands.fault(wanted(kind, part="payment" if kind == "function" else ""))
    commands.fault(wanted("function", "secondary", part="failover-control"))
    assert [each.part for each in box.known] == [
        "payment-processor-primary-x7k2",
        "payment-failover-control-secondary-x7k2",
    ]


def test_a_partition_cuts_what_its_part_says(box):
    one, two, witness = REGIONS["primary"], REGIONS["secondary"], REGIONS["witness"]
    for part in ("", "peer", "witness", "each"):
        commands.fault(wanted("partition", part=part))
    commands.fault(wanted("partition", part="peer", how="outbound"))
    commands.fault(wanted("partition", part="peer", how="inbound"))
    assert [set(each.cut) for each in box.known] == [
        {(one, "*"), ("*", one)},
        {(one, two), (two, one)},
        {(one, witness), (witness, one)},
        {(one, "*"), ("*", one), (two, witness), (witness, two)},
        {(one, two)},
        {(two, one)},
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (wanted("melt"), ("unknown --kind 'melt'", "refuse")),
        (wanted("hang", "mars"), ("'mars'", "us-east-1")),
        (wanted("hang", ""), ("--region",)),
        (wanted("hang", environment="nowhere"), ("unknown environment 'nowhere'",)),
        (wanted("", "primary"), ("--kind",)),
        (wanted("hang", part="table"), ("--part 'table'", "gateway")),
        (wanted("hang", how="softly"), ("--how 'softly'", "leave it out")),
        (wanted("hang", probability="0.5"), ("--probability", "leave")),
        (wanted("hang", seconds="5"), ("--seconds", "leave")),
        (wanted("slow", seconds="0"), ("--seconds 0",)),
        (wanted("slow", seconds="nan"), ("--seconds nan",)),
        (wanted("slow", seconds="soon"), ("--seconds 'soon'", "no number")),
        (wanted("lossy", probability="1.5"), ("--probability 1.5",)),
        (wanted("lossy", probability="-1"), ("--probability -1",)),
        (wanted("lossy", probability="often"), ("'often'", "no number")),
        (wanted("function"), ("--part", "health")),
        (wanted("operation", part="PutItem"), ("'PutItem'", "dynamodb:PutItem")),
        (wanted("dependency", part="moon"), ("'moon'", *DEPENDENCIES)),
        (wanted("dependency", part="table", how="slowly"), ("'slowly'", "refuse")),
        (wanted("throttle", part="moon"), ("'moon'", "api")),
        (wanted("zone", part="use9-az9"), ("use9-az9", "use1-az1")),
        (wanted("partition", part="half"), ("'half'", "isolated")),
        (wanted("partition", "us-west-1", part="peer"), ("us-west-1", "isolated")),
        # What would begin and reach nothing: an outage made of it would pass.
        (wanted("function", part="paymnt"), ("'paymnt'", *fault_parts.FUNCTIONS)),
        (wanted("function", part="synthetics"), ("'synthetics'", "cwsyn-")),
        (
            wanted("function", part="payment-processor-secondary-x7k2"),
            ("'payment-processor-secondary-x7k2'", "payment"),
        ),
        (wanted("function", part="failover_control"), ("'failover_control'", "us-east-2")),
        (wanted("function", "witness", part="payment"), ("us-west-2", "primary or secondary")),
        (wanted("function", "eu-west-1", part="payment"), ("eu-west-1", "primary or secondary")),
        (wanted("grey", "witness"), ("us-west-2", "primary or secondary")),
        *(
            (wanted(kind, "witness", part="gateway"), ("us-west-2", "primary or secondary"))
            for kind in ("refuse", "hang", "5xx", "slow", "lossy")
        ),
        (wanted("dependency", "witness", part="table"), ("us-west-2", "primary or secondary")),
        *(
            (wanted("throttle", "witness", part=part), ("us-west-2", "primary or secondary"))
            for part in ("api", "functions", "table")
        ),
        (wanted("operation", part="dynamodb:Putitem"), ("'Putitem'", "PutItem")),
        (wanted("operation", part="dynamodb:"), ("'dynamodb:'", "dynamodb:PutItem")),
        (wanted("operation", part="dynamo:PutItem"), ("'dynamo'", "dynamodb")),
        (wanted("operation", part="Dynamodb:PutItem"), ("'Dynamodb'", "dynamodb")),
        (wanted("operation", part="iam:GetRole"), ("iam", "no region")),
        (wanted("operation", part="backup:ListBackupVaults"), ("backup", "cannot tell")),
        (wanted("operation", part="lambda:GetFunction"), ("'GetFunction'", "Invoke")),
        (wanted("operation", part="s3:PutObjectTagging"), ("'PutObjectTagging'", "PutObject")),
        *(
            (wanted("name", part=name), (repr(name), "dynamodb.us-east-1.amazonaws.com"))
            for name in (
                " ",
                "dynamodb",
                "a..example.com",
                "-a.example.com",
                "https://a.example.com",
                "a.example.com ",
                "a" * 64 + ".example.com",
                "amazonaws.com",
                "dynamodb.us-east1.amazonaws.com",
                "dynamodb.us-east-9.amazonaws.com",
                "dynamo.us-east-1.amazonaws.com",
                "dynamodb.amazonaws.com",
                "bucket.s3.us-east-9.amazonaws.com",
                "d-abc.execute-api.us-east-9.amazonaws.com",
                "api.us-east9.elb.amazonaws.com",
            )
        ),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(box, capsys, said, words):
    with pytest.raises(Problem) as caught:
        commands.fault(said)
    assert "\n" not in str(caught.value)
    assert [word for word in words if word not in str(caught.value)] == []
    assert box.known == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("said", "part"),
    [
        (wanted("function", part="payment-processor-primary-x7k2"), "payment-processor-primary-x7k2"),
        (wanted("function", part="cwsyn-payment-to-primary-0a1b"), "cwsyn-payment-to-primary-0a1b"),
        (wanted("operation", part="monitoring:PutMetricData"), "monitoring:PutMetricData"),
        (wanted("operation", part="cloudwatch:PutMetricData"), "monitoring:PutMetricData"),
        (wanted("operation", part="elasticloadbalancing:DescribeRules"), "elasticloadbalancing:DescribeRules"),
        (wanted("operation", part="sns:Publish"), "sns:Publish"),
        (wanted("operation", part="lambda:Invoke"), "lambda:Invoke"),
        (wanted("operation", part="s3:PutObject"), "s3:PutObject"),
        *(
            (wanted("name", part=name), name)
            for name in (
                "a.example.com",
                "A.Example.com.",
                "dynamodb.us-east-1.amazonaws.com",
                "monitoring.us-east-2.amazonaws.com",
                "b.u-c.k.s3.us-east-2.amazonaws.com",
                "d-abc.execute-api.us-east-1.amazonaws.com",
                "api-1.us-east-1.elb.amazonaws.com",
                "_acme.example.com",
            )
        ),
    ],
)
def test_what_reaches_something_begins_as_it_is_matched(box, said, part):
    assert commands.fault(said) == 0
    assert box.known[0].part == part


def test_without_a_kind_it_lists_what_is_in_force(box, capsys):
    assert commands.fault(wanted("", "")) == 0
    assert capsys.readouterr().out == "no fault is in force\n"
    commands.fault(wanted("hang"))
    commands.fault(wanted("lossy", "secondary", probability="0.25"))
    capsys.readouterr()
    commands.fault(wanted("", ""))
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:3] == ["1", "us-east-1", "hang"]
    assert second.split()[:5] == ["2", "us-east-2", "lossy", "25", "%"]
    commands.fault(wanted("", ""), as_json=True)
    assert [each["number"] for each in json.loads(capsys.readouterr().out)] == [1, 2]


@pytest.mark.parametrize(
    ("region", "number", "left"), [("", "", []), ("primary", "", [2]), ("us-east-2", "", [1, 3]), ("", "3", [1, 2])]
)
def test_faults_end_all_of_a_region_or_by_number(box, region, number, left):
    for role in ("primary", "secondary", "primary"):
        commands.fault(wanted("hang", role))
    assert commands.heal(region, number, "payments") == 0
    assert [each.number for each in box.known] == left


@pytest.mark.parametrize(
    ("region", "number", "said"),
    [
        ("mars", "", "'mars'"),
        ("", "9", "no fault 9"),
        ("", "one", "'one'"),
        ("", "-1", "'-1'"),
        ("primary", "1", "both"),
    ],
)
def test_what_cannot_be_healed_is_one_line(box, region, number, said):
    commands.fault(wanted("hang"))
    with pytest.raises(Problem, match=said):
        commands.heal(region, number, "payments")
    assert len(box.known) == 1


def test_what_was_lost_is_told(box, capsys):
    box.lost = {"payments": 3}
    commands.fault(wanted("", ""))
    commands.heal("", "", "payments")
    assert capsys.readouterr().out.count("payments: 3 acknowledged writes were lost") == 2
