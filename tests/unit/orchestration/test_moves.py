"""Clients are moved by one write in the secondary; a way back asks the primary first."""

from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from orchestration import checker_ranges, fence, moves, operator
from orchestration.api import ApiResponse, EntryPoint
from orchestration.aws import Aws
from orchestration.choice import Choice
from orchestration.lever import Lever
from orchestration.operator import Acting
from orchestration.reach import Reach
from orchestration.targets import aws as aws_target
from shared import stop_switch
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT

ENVIRONMENT = Environment.load("payments")
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/payment-dr-operations-x7k2"
CALLER = f"arn:aws:iam::{ACCOUNT}:user/payments-operator"
BUCKET = f"payment-stop-switch-secondary-x7k2-{ACCOUNT}"


def refused(code, status=400):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")


class NoSuchKey(ClientError):  # type: ignore[misc]
    """As a client's own exceptions are."""

    def __init__(self):
        super().__init__({"Error": {"Code": "NoSuchKey"}}, "GetObject")


class Cloud:
    """STS, S3 and Secrets Manager of the secondary. `text`: what the switch says; `error`: what S3 answers instead."""

    exceptions = SimpleNamespace(NoSuchKey=NoSuchKey)

    def __init__(self, text=b"primary: run", ranges=("15.177.0.0/18",)):
        self.text, self.ranges, self.error = text, ranges, None
        self.asked, self.written, self.order = set(), [], []
        self.fence, self.table_error = None, None
        self.at, self.versions = "", {"us-east-1": "one", "us-east-2": "one"}
        self.refusal, self.taken_on, self.variables = None, [], {}
        self.write_error = self.unreadable = None
        self.meanwhile = self.moved_fence = lambda: None
        self.lost = set()

    def enter(self, variables):
        """Whose clients these are from now on."""
        self.variables = variables
        return self

    def client(self, service, region):
        self.asked.add((service, region))
        self.at = region
        return self

    def get_caller_identity(self):
        self._there()
        return {"Account": ACCOUNT, "Arn": CALLER}

    def assume_role(self, **arguments):
        if self.refusal:
            raise self.refusal
        self.taken_on.append(arguments)
        return {"Credentials": {"AccessKeyId": "key", "SecretAccessKey": "secret", "SessionToken": "token"}}

    def _there(self):
        if self.at in self.lost:
            raise ConnectTimeoutError(endpoint_url=f"https://{self.at}")

    def secret(self, arn, region):
        self.asked.add(("secretsmanager", region))
        if region in self.lost:
            raise Problem(f"cannot read the API keys in {region}: no answer")
        assert arn == "payment-api-secret-x7k2"
        return json.dumps({"clients": {"canary": {"current": "canary-key"}}})

    def describe_secret(self, **place):
        assert place["SecretId"] == "payment-api-secret-x7k2"
        told: object = self.versions[self.at]
        if isinstance(told, Exception):
            raise told
        return {"VersionIdsToStages": {"older": ["AWSPREVIOUS"], self.versions[self.at]: ["AWSCURRENT"]}}

    def get_object(self, **place):
        self._place(place)
        if self.unreadable:
            raise self.unreadable
        if self.text is None:
            raise NoSuchKey
        return {"Body": io.BytesIO(self.text), "ETag": self._etag(), "VersionId": "v1"}

    def _etag(self):
        return f'"{self.text.decode()}"'

    def put_item(self, **arguments):
        self._fence(arguments)
        self.moved_fence()
        if not self._is_as_seen(arguments):
            raise refused("ConditionalCheckFailedException")
        self.fence = arguments["Item"]
        self.order.append("fence")

    def _is_as_seen(self, arguments):
        """The condition, as DynamoDB reads it."""
        names, values = (arguments.get(f"ExpressionAttribute{each}", {}) for each in ("Names", "Values"))
        for part in arguments["ConditionExpression"].split(" AND "):
            if part.startswith(("attribute_exists(", "attribute_not_exists(")):
                what, _, name = part.removesuffix(")").partition("(")
                there = names.get(name, name) in (self.fence or {})
                if there is not (what == "attribute_exists"):
                    return False
            else:
                name, _, value = part.partition(" = ")
                if (self.fence or {}).get(names[name]) != values[value]:
                    return False
        return True

    def delete_item(self, **arguments):
        self._fence(arguments)
        assert arguments["ReturnValues"] == "ALL_OLD"
        gone, self.fence = self.fence, None
        self.order.append("no fence")
        return {"Attributes": gone} if gone else {}

    def get_item(self, **arguments):
        self._fence(arguments)
        return {"Item": self.fence} if self.fence else {}

    def _fence(self, arguments):
        if self.table_error or self.at in self.lost:
            raise self.table_error or ConnectTimeoutError(endpoint_url="https://dynamodb")
        assert arguments["TableName"] == "payment-transactions-x7k2"
        key = arguments.get("Key") or {name: arguments["Item"][name] for name in ("pk", "sk")}
        assert key == {"pk": {"S": "fence"}, "sk": {"S": "us-east-1"}}

    def put_object(self, **arguments):
        self._place(arguments)
        self.meanwhile()
        if self.write_error:
            raise self.write_error
        if "IfMatch" in arguments and self.text is None:
            raise NoSuchKey
        if arguments.get("IfMatch", self.text and self._etag()) != (self.text and self._etag()):
            raise refused("PreconditionFailed", 412)
        if "IfNoneMatch" in arguments and self.text is not None:
            raise refused("PreconditionFailed", 412)
        self.written.append(arguments)
        self.order.append(arguments["Body"].decode())
        self.text = arguments["Body"]
        return {"VersionId": "v2"}

    def get_bucket_policy(self, **place):
        self._place(place)
        reading = {
            "Sid": "CheckersRead",
            "Effect": "Allow",
            "Condition": {"IpAddress": {"aws:SourceIp": list(self.ranges)}},
        }
        others = [{"Sid": "TlsOnly", "Effect": "Deny"}, {"Effect": "Allow"}]
        return {"Policy": json.dumps({"Statement": [reading, *others]})}

    def _place(self, arguments):
        self._there()
        if self.error:
            raise self.error
        assert arguments["Bucket"] == BUCKET
        assert arguments["ExpectedBucketOwner"] == ACCOUNT


class Canary:
    """The primary as the canary meets it: `said` answers each round."""

    def __init__(self, *said):
        self.said = list(said)
        self.rounds = 0

    def health(self):
        self.rounds += 1
        self.now = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(self.now, Problem):
            raise self.now
        return ApiResponse(self.now.get("health", 200), {}, {})

    def pay(self, _payment, _key):
        replayed = self.now.get("replayed", "true")
        return ApiResponse(self.now.get("pay", 201), {"idempotent-replayed": replayed}, self.now.get("body", {}))


WELL = {}
BROKEN = [
    {"health": 503},
    {"pay": 500},
    {"pay": 202},
    {"replayed": "false"},
    Problem("no answer from https://primary: timed out"),
]


@pytest.fixture
def cloud(monkeypatch):
    found = Cloud()
    monkeypatch.setattr(operator, "Aws", found.enter)
    monkeypatch.setattr(moves, "reach", lambda *_: AWS)
    monkeypatch.setattr(moves, "_canary", lambda _: Canary(WELL))
    return found


AWS = Reach({}, "AWS", lambda: ["15.177.0.0/18"], asks_first=True)
YES = Choice(target="aws", yes=True, json=True)
WRITTEN = {
    "Bucket": BUCKET,
    "Key": "stop-switch",
    "ExpectedBucketOwner": ACCOUNT,
    "ContentType": "text/plain",
    "ServerSideEncryption": "AES256",
}


def test_an_evacuation_is_one_write_in_the_secondary_and_asks_nothing_elsewhere(cloud, capsys):
    assert moves.evacuate(YES, fence=False) == 0
    assert cloud.written == [{**WRITTEN, "Body": b"primary: stop"}]
    assert cloud.asked == {("sts", "us-east-2"), ("s3", "us-east-2"), ("dynamodb", "us-east-2")}
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "environment": "payments",
        "as": ROLE,
        "says": "primary: stop",
        "object": f"s3://{BUCKET}/stop-switch",
        "region": "us-east-2",
        "version": "v2",
        "clients_move_within_seconds": 3 * 10 + 10 + 30,
        "fence": "not fenced, as was wished",
    }


def test_who_has_not_followed_dns_is_refused_from_then_on(cloud, capsys):
    """Not at once: whoever honours the TTL is still there, and served."""
    assert moves.evacuate(YES, fence=True) == 0
    assert cloud.order == ["primary: stop", "fence"]
    begins = int(cloud.fence["from"]["N"]) / 1000
    assert begins == pytest.approx(time.time() + 3 * 10 + 10 + 30, abs=5)
    assert int(cloud.fence["until"]["N"]) / 1000 == pytest.approx(begins + 3600, abs=1), "it ends by itself"
    assert ("dynamodb", "us-east-2") in cloud.asked
    assert json.loads(capsys.readouterr().out)["fence"].startswith("fenced from ")


@pytest.mark.parametrize("error", [refused("AccessDenied"), ConnectTimeoutError(endpoint_url="https://dynamodb")])
def test_a_fence_that_cannot_be_put_up_is_told_and_the_clients_are_moved(cloud, capsys, error):
    cloud.table_error = error
    assert moves.evacuate(YES, fence=True) == 0
    assert cloud.order == ["primary: stop"]
    told = json.loads(capsys.readouterr().out)["fence"]
    assert told.startswith("not fenced: cannot put up the fence in payment-transactions-x7k2 in us-east-2: ")


def test_a_table_that_hangs_holds_no_evacuation_up(cloud, capsys, monkeypatch):
    monkeypatch.setattr(fence, "WITHIN", 0.1)
    released = threading.Event()
    monkeypatch.setattr(Cloud, "put_item", lambda *_, **__: released.wait(60))
    try:
        assert moves.evacuate(YES, fence=True) == 0
    finally:
        released.set()
    assert json.loads(capsys.readouterr().out)["fence"] == "not fenced: no answer within 0.1 s"


def test_a_way_back_takes_the_fence_down_first(cloud, capsys):
    """Else DNS would lead clients to a primary that refuses them."""
    moves.evacuate(YES, fence=True)
    capsys.readouterr()
    assert moves.restore(YES, even_if_unhealthy=False) == 0
    assert cloud.order[2:] == ["no fence", "primary: run"]
    assert cloud.fence is None
    assert json.loads(capsys.readouterr().out)["fence"] == "not fenced"


def test_where_the_fence_cannot_be_taken_down_nobody_is_let_back(cloud):
    cloud.table_error = refused("AccessDenied")
    with pytest.raises(Problem, match="would refuse its clients; the switch was not written"):
        moves.restore(YES, even_if_unhealthy=False)
    assert cloud.written == []


@pytest.mark.parametrize("error", [refused("AccessDenied"), ConnectTimeoutError(endpoint_url="https://dynamodb")])
@pytest.mark.parametrize("as_json", [True, False])
def test_who_is_let_back_to_a_primary_that_may_be_fenced_is_told_so_and_what_to_do(cloud, capsys, as_json, error):
    """Its health and the canary look well, and each new payment is answered 503: nothing else would tell."""
    cloud.table_error = error
    assert moves.restore(replace(YES, json=as_json), even_if_unhealthy=True) == 1
    assert [each["Body"] for each in cloud.written] == [b"primary: run"]
    out = capsys.readouterr().out
    told = json.loads(out)["fence"] if as_json else out
    for words in ("perhaps still fenced", "cannot take down the fence", "503", "./invoke restore"):
        assert words in told


@pytest.mark.parametrize("fenced", [True, False])
def test_how_the_primary_is_fenced_after_a_move_is_told_to_people_too(cloud, capsys, fenced):
    plain = replace(YES, json=False)
    moves.evacuate(plain, fence=fenced)
    assert "us-east-1 (primary) is fenced from" in capsys.readouterr().out or not fenced
    moves.restore(plain, even_if_unhealthy=False)
    assert "us-east-1 (primary) is not fenced.\n" in capsys.readouterr().out


@pytest.mark.parametrize("fence", [True, False])
def test_a_fence_that_holds_goes_on_holding_when_the_primary_is_evacuated_again(cloud, capsys, fence):
    """The later moment would let those in again who have not followed, for as long as a move takes."""
    assert moves.evacuate(YES, fence=True) == 0
    began = int(time.time() - 600) * 1000
    cloud.fence["from"]["N"] = str(began)
    capsys.readouterr()
    assert moves.evacuate(YES, fence=fence) == 0
    assert cloud.fence["from"]["N"] == str(began)
    told = json.loads(capsys.readouterr().out)["fence"]
    assert told.startswith(f"fenced from {datetime.fromtimestamp(began / 1000, UTC):%Y-%m-%d %H:%M:%SZ} on")
    assert "503" in told
    assert ("as was wished" in told, "docs/runbooks/evacuate-the-primary.md" in told) == (False, not fence)


def test_an_evacuation_that_is_repeated_lets_the_fence_hold_longer(cloud):
    moves.evacuate(YES, fence=True)
    began, end = int(time.time() - 600) * 1000, int(time.time() + 60) * 1000
    cloud.fence.update({"from": {"N": str(began)}, "until": {"N": str(end + 60_000)}})
    assert moves.evacuate(YES, fence=True) == 0
    assert cloud.fence["from"]["N"] == str(began)
    assert int(cloud.fence["until"]["N"]) > end + 3_000_000


def test_a_fence_that_is_over_counts_for_nothing(cloud, capsys):
    """Else one that has ended long ago would hold at once, when whoever honours the TTL is still there."""
    over = {"from": {"N": str(int(time.time() - 7200) * 1000)}}
    cloud.fence = {"pk": {"S": "fence"}, "sk": {"S": "us-east-1"}, **over}
    moves.evacuate(YES, fence=False)
    assert json.loads(capsys.readouterr().out)["fence"] == "not fenced, as was wished"
    moves.evacuate(YES, fence=True)
    assert int(cloud.fence["from"]["N"]) / 1000 > time.time()


def test_two_people_who_put_the_fence_up_at_once_leave_the_earlier_beginning_and_the_later_end(cloud):
    other = {"from": {"N": str(int(time.time() + 10) * 1000)}, "until": {"N": str(int(time.time() + 9000) * 1000)}}

    def moved():
        cloud.fence = {"pk": {"S": "fence"}, "sk": {"S": "us-east-1"}, **other}

    def meanwhile():
        cloud.moved_fence = lambda: None
        moved()

    cloud.moved_fence = meanwhile
    moves.evacuate(YES, fence=True)
    assert {name: cloud.fence[name] for name in other} == other


def test_the_fence_is_taken_down_by_the_primary_when_the_secondary_is_lost(cloud):
    """Clients of a lost secondary come to the primary, which refused them until then, and nobody else can say so."""
    moves.evacuate(YES, fence=True)
    cloud.lost = {"us-east-2"}
    with pytest.raises(Problem, match=r"the fence is down already.*where the secondary is lost, DNS answers"):
        moves.restore(YES, even_if_unhealthy=True)
    assert cloud.fence is None
    assert {service for service, region in cloud.asked if region == "us-east-1"} == {"sts", "dynamodb"}


def test_a_way_back_that_cannot_ask_as_the_canary_says_how_to_go_on(cloud, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(operator, "Aws", cloud.enter)
    monkeypatch.setattr(moves, "reach", lambda *_: AWS)
    moves.evacuate(YES, fence=True)
    cloud.lost = {"us-east-2"}
    with pytest.raises(Problem, match=r"cannot be asked as the canary: .*us-east-2.*--even-if-unhealthy") as caught:
        moves.restore(YES, even_if_unhealthy=False)
    assert "\n" not in str(caught.value)
    assert cloud.fence is not None


@pytest.mark.parametrize(
    "said", [{}, {"from": {"S": "soon"}}, {"from": {"N": "1"}, "until": {"S": "x"}}, {"from": {"N": f"1{'0' * 30}"}}]
)
def test_a_fence_that_says_no_moment_fences_nothing_and_is_put_up(cloud, capsys, said):
    """An item that somebody has written by hand: the functions cannot read it either."""
    cloud.fence = {"pk": {"S": "fence"}, "sk": {"S": "us-east-1"}, **said}
    with pytest.raises(Problem, match="says no moment"):
        fence.PrimaryFence.of(ENVIRONMENT, cloud).standing()
    assert moves.evacuate(YES, fence=True) == 0
    assert json.loads(capsys.readouterr().out)["fence"].startswith("fenced from ")


def test_a_fence_that_cannot_be_looked_at_is_not_told_to_be_down(cloud, capsys):
    cloud.table_error = refused("AccessDenied")
    assert moves.evacuate(YES, fence=False) == 0
    told = json.loads(capsys.readouterr().out)["fence"]
    assert told.startswith("not fenced by this")
    assert "not known" in told
    assert "AccessDenied" in told


@pytest.mark.parametrize("error", [refused("SlowDown", 503), ConnectTimeoutError(endpoint_url="https://s3")])
@pytest.mark.parametrize("fenced", [True, False])
def test_a_move_that_breaks_off_half_way_tells_what_is_left(cloud, error, fenced):
    """The fence goes first: the other way round clients would be led to a primary that refuses them."""
    moves.evacuate(YES, fence=fenced)
    cloud.write_error = error
    with pytest.raises(Problem, match="cannot write the stop switch") as caught:
        moves.restore(YES, even_if_unhealthy=False)
    said = str(caught.value)
    assert "\n" not in said
    assert cloud.fence is None
    assert ("the fence is down already" in said) is fenced
    for words in ("us-east-1 (primary) takes new payments", "./invoke restore", "./invoke evacuate"):
        assert (words in said) is fenced


@pytest.mark.parametrize("before", [b"primary: run", None])
def test_a_way_back_does_not_undo_what_somebody_did_meanwhile(cloud, before):
    """Another person, or the latch: what they know is newer than what was asked at the beginning."""
    cloud.text = before
    cloud.meanwhile = lambda: setattr(cloud, "text", b"primary: stop")
    with pytest.raises(Problem, match="somebody has moved it since") as caught:
        moves.restore(YES, even_if_unhealthy=True)
    assert "\n" not in str(caught.value)
    assert cloud.text == b"primary: stop"


def test_a_write_that_was_repeated_and_had_been_done_is_done(cloud, capsys):
    """The SDK repeats what was not answered, and its own first write is what it meets then."""
    cloud.text = b"primary: stop"
    cloud.meanwhile = lambda: setattr(cloud, "text", b"primary: run")
    assert moves.restore(YES, even_if_unhealthy=False) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "v1"


def test_who_may_write_the_switch_and_not_read_it_lets_clients_back(cloud, capsys):
    cloud.unreadable = refused("AccessDenied", 403)
    assert moves.restore(YES, even_if_unhealthy=False) == 0
    assert cloud.written == [{**WRITTEN, "Body": b"primary: run"}]
    assert "is written whatever it says" in capsys.readouterr().err


def test_an_evacuation_is_written_whatever_the_switch_says(cloud):
    cloud.meanwhile = lambda: setattr(cloud, "text", b"primary: run, as deployed")
    assert moves.evacuate(YES, fence=False) == 0
    assert cloud.written == [{**WRITTEN, "Body": b"primary: stop"}]


def test_nothing_is_taken_down_before_a_person_has_agreed(cloud):
    cloud.fence = {"pk": {"S": "fence"}}
    with pytest.raises(Problem, match="--yes"):
        moves.restore(replace(YES, yes=False), even_if_unhealthy=False)
    assert cloud.fence


def test_it_is_done_under_the_role_with_what_the_environment_file_says(cloud):
    assert moves.evacuate(YES, fence=False) == 0
    (taken,) = cloud.taken_on
    assert (taken["RoleArn"], taken["ExternalId"]) == (ROLE, ENVIRONMENT.edge.operations.external_id)
    assert cloud.variables == {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
    }


def test_who_may_not_take_the_role_on_is_told_and_goes_on_as_who_they_are(cloud, capsys):
    """The write counts at an outage, and whether it is allowed is AWS's to say."""
    cloud.refusal = refused("AccessDenied", 403)
    assert moves.evacuate(YES, fence=False) == 0
    assert len(cloud.written) == 1
    told = capsys.readouterr()
    assert f"{CALLER} may not take on {ROLE}" in told.err
    assert json.loads(told.out)["as"] == CALLER


@pytest.mark.parametrize(
    "error", [refused("RegionDisabledException", 403), ConnectTimeoutError(endpoint_url="https://s")]
)
def test_a_role_that_cannot_be_asked_for_is_one_line(cloud, error):
    cloud.refusal = error
    with pytest.raises(Problem, match=f"cannot take on the role {ROLE} in us-east-2") as caught:
        moves.evacuate(YES, fence=False)
    assert "\n" not in str(caught.value)
    assert cloud.written == []


@pytest.mark.parametrize(
    ("user", "name"), [("anna", "anna"), ("DOM\\öre", "DOM--re"), ("", "--"), ("x" * 80, "x" * 64)]
)
def test_the_session_is_named_after_the_person(monkeypatch, user, name):
    monkeypatch.setattr("getpass.getuser", lambda: user)
    assert operator.session_name() == name


def test_an_evacuation_can_be_repeated(cloud):
    assert moves.evacuate(YES, fence=False) == moves.evacuate(YES, fence=False) == 0
    assert cloud.written[0] == cloud.written[1]


def test_on_aws_it_says_what_it_will_do_and_changes_nothing_unasked(cloud, capsys):
    with pytest.raises(Problem, match="--yes"):
        moves.evacuate(replace(YES, yes=False), fence=False)
    assert cloud.written == []
    said = capsys.readouterr().err
    for word in ("AWS", ACCOUNT, "us-east-2", "us-east-1 (primary)", BUCKET, "'primary: stop'"):
        assert word in said


@pytest.mark.parametrize(
    "move",
    [lambda choice: moves.evacuate(choice, fence=True), lambda choice: moves.restore(choice, even_if_unhealthy=False)],
)
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (refused("NoSuchBucket", 404), f"the bucket {BUCKET} is not there"),
        (refused("AccessDenied", 403), "cannot write the stop switch .* in us-east-2"),
        (ConnectTimeoutError(endpoint_url="https://s3"), "cannot write the stop switch .* in us-east-2"),
    ],
)
def test_what_cannot_be_written_is_one_line(cloud, move, error, line):
    cloud.error = error
    with pytest.raises(Problem, match=line) as caught:
        move(YES)
    assert "\n" not in str(caught.value)


def test_a_way_back_lets_the_primary_serve(cloud):
    cloud.text = b"primary: stop"
    assert moves.restore(YES, even_if_unhealthy=False) == 0
    assert cloud.written == [{**WRITTEN, "Body": b"primary: run", "IfMatch": '"primary: stop"'}]
    cloud.text = None
    assert moves.restore(YES, even_if_unhealthy=False) == 0
    assert cloud.written[1:] == [{**WRITTEN, "Body": b"primary: run", "IfNoneMatch": "*"}]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("before", range(1, moves.ROUNDS + 1))
def test_a_primary_that_fails_once_gets_no_client_back(cloud, monkeypatch, broken, before):
    """Any of the rounds that count: a grey failure shows in some requests only."""
    monkeypatch.setattr(moves, "_canary", lambda _: Canary(*[WELL] * before, broken, WELL))
    with pytest.raises(Problem, match=r"us-east-1 \(primary\) does not serve: .*; nothing was changed"):
        moves.restore(YES, even_if_unhealthy=False)
    assert cloud.written == []


@pytest.mark.parametrize("broken", BROKEN)
def test_a_cold_start_is_no_failure(cloud, monkeypatch, broken):
    canary = Canary(broken, WELL)
    monkeypatch.setattr(moves, "_canary", lambda _: canary)
    assert moves.restore(YES, even_if_unhealthy=False) == 0
    assert canary.rounds == 1 + moves.ROUNDS


def test_clients_are_not_let_back_to_a_primary_that_would_refuse_their_keys(cloud):
    cloud.versions["us-east-2"] = "rotated while the primary was out"
    with pytest.raises(Problem, match=r"different ones: ./invoke rotate-key --join; nothing was changed"):
        moves.restore(YES, even_if_unhealthy=False)
    assert cloud.written == []
    cloud.versions["us-east-1"] = cloud.versions["us-east-2"]
    assert moves.restore(YES, even_if_unhealthy=False) == 0


def test_a_person_may_restore_without_asking_the_primary(cloud, monkeypatch):
    monkeypatch.setattr(moves, "_canary", lambda _: pytest.fail("asked"))
    assert moves.restore(YES, even_if_unhealthy=True) == 0
    assert len(cloud.written) == 1


def test_the_primary_is_asked_by_its_own_name_with_the_secondarys_copy_of_the_key():
    cloud = Cloud()
    move = moves._Move(
        YES, ENVIRONMENT, AWS, Acting(cloud, ACCOUNT, ROLE, under_the_role=True), Lever.of(ENVIRONMENT, cloud, ACCOUNT)
    )
    canary = moves._canary(move)
    assert canary.api_key == "canary-key"
    assert isinstance(canary.entry, EntryPoint)
    assert canary.entry.url == f"https://{ENVIRONMENT.foundation().region_names.primary}"
    assert {region for _, region in cloud.asked} == {"us-east-2"}


@pytest.mark.parametrize(
    ("text", "stopped"),
    [(b"primary: run", False), (b"primary: stop\n", True), (b"", False), (b" " * 5_108 + b"primary: stop", False)],
)
def test_the_switch_is_read_as_the_checkers_read_it(text, stopped):
    cloud = Cloud(text)
    assert Lever.of(ENVIRONMENT, cloud, ACCOUNT).stopped() is stopped
    cloud.text = None
    assert Lever.of(ENVIRONMENT, cloud, ACCOUNT).stopped() is False


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (
            {"us-east-1": "one", "us-east-2": "two"},
            "us-east-1 and us-east-2 have different ones: ./invoke rotate-key --join",
        ),
        (
            {"us-east-1": refused("InternalServiceError", 500), "us-east-2": "one"},
            "cannot look at the API keys (payment-api-secret-x7k2) in us-east-1",
        ),
    ],
)
def test_nobody_goes_back_to_a_primary_that_may_refuse_his_key(cloud, monkeypatch, versions, said):
    monkeypatch.setattr(moves, "_canary", lambda _: None)
    monkeypatch.setattr(moves, "_failure", lambda _: "")
    cloud.versions = versions
    with pytest.raises(Problem, match="nothing was changed") as refusal:
        moves.restore(YES, even_if_unhealthy=False)
    assert said in str(refusal.value)
    assert not cloud.written


def test_the_switch_that_is_not_there_is_said_so(cloud):
    cloud.error = refused("NoSuchBucket", 404)
    with pytest.raises(Problem, match="is not there"):
        Lever.of(ENVIRONMENT, cloud, ACCOUNT).readers()


def network(address, length):
    return f"198.51.100.{address & (0xFF << (32 - length)) & 0xFF}/{length}"


NETWORKS = st.builds(network, st.integers(0, 0xFF), st.integers(24, 32))


def addresses(networks):
    found = set()
    for each in networks:
        address, _, length = each.partition("/")
        start = int(address.rpartition(".")[2])
        found |= set(range(start, start + 2 ** (32 - int(length))))
    return found


@given(st.lists(NETWORKS, max_size=6), st.lists(NETWORKS, max_size=6))
def test_a_range_is_missing_when_one_of_its_addresses_is(allowed, published):
    """Ranges may be listed in other sizes than AWS publishes them in."""
    known = addresses(allowed)
    expected = [each for each in published if not addresses([each]) <= known]
    assert list(checker_ranges.missing(allowed, published)) == expected


def test_the_published_document_is_read_for_the_checkers_alone():
    document = {
        "prefixes": [
            {"ip_prefix": "15.177.0.0/18", "region": "GLOBAL", "service": "ROUTE53_HEALTHCHECKS"},
            {"ip_prefix": "52.95.36.0/22", "region": "us-east-1", "service": "AMAZON"},
            {"ip_prefix": "15.177.128.0/18", "region": "us-east-1", "service": "ROUTE53_HEALTHCHECKS_PUBLISHING"},
        ]
    }
    assert checker_ranges.of_checkers(document) == ("15.177.0.0/18",)
    with pytest.raises(ValueError, match="no ranges"):
        checker_ranges.of_checkers({"prefixes": []})


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2"])
@pytest.mark.parametrize("service", ["sts", "s3"])
def test_clients_ask_their_own_region_whatever_the_sdks_defaults(service, region, monkeypatch):
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    client = Aws({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}).client(service, region)
    assert client.meta.endpoint_url == f"https://{service}.{region}.amazonaws.com"


def test_the_way_to_aws_needs_neither_backend_nor_passphrase(monkeypatch):
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    assert aws_target.reach(print).asks_first
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Problem, match="AWS_ENDPOINT_URL is set"):
        aws_target.reach(print)


def test_the_runbook_says_what_the_tasks_write():
    text = (ROOT / "docs/runbooks/evacuate-the-primary.md").read_text(encoding="utf-8")
    for words in (stop_switch.STOPPED, stop_switch.RUN):
        assert f"printf '{words}' >" in text
    assert text.count(f"--key {stop_switch.KEY} \\\n") == 2
    assert text.count(f"--content-type {stop_switch.CONTENT_TYPE}") == 2
    assert text.count(f"--server-side-encryption {stop_switch.ENCRYPTION}") == 2
    assert f"`{BUCKET.replace('x7k2', '<suffix>').replace(ACCOUNT, '<account id>')}`" in text
    assert f"within {moves.seconds_to_move(ENVIRONMENT)} s" in text
