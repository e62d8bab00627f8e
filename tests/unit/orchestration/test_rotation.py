"""A key is rotated in two phases, each of which can be cut off anywhere, raced and run again; regions are joined."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from orchestration import rotation as module
from orchestration.api_keys import Keys, KeySecret, new_key
from orchestration.choice import Choice
from orchestration.reach import Reach
from orchestration.rotation import REPLICATED_WITHIN, Rotation, RotationWish, rotate_key
from shared.clients import KEY_CHARACTERS, KEY_NOTICED_SECONDS, KEYS_KEPT_SECONDS
from shared.errors import Problem
from shared.roles import PerRole
from shared.stack import Stack

NAME = "payment-api-secret-x7k2"
HERE, THERE = "us-east-1", "us-east-2"
FIRST = {"canary": {"current": "c1", "previous": None}, "storefront": {"current": "s1", "previous": None}}


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "X")


@dataclass
class RegionalSecret:
    """One region's secret: values by version, the labels, and of which region it is a replica."""

    values: dict[str, str] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    home: str = ""
    out: bool = False
    follows: bool = True
    """Whether a change of its primary gets here."""

    @property
    def current(self):
        return self.labels["AWSCURRENT"]


class SecretsManager:
    """Two regions' Secrets Manager, as its API Reference has it, and the hands that sleep."""

    def __init__(self):
        self.now, self.asked, self.slept = 1_000_000.0, [], []
        first = {"first": json.dumps({"clients": FIRST})}
        labels = {"AWSCURRENT": "first", "FIRST": "first"}
        self.regions = {
            HERE: RegionalSecret(dict(first), {"first": 0.0}, dict(labels), HERE),
            THERE: RegionalSecret(dict(first), {"first": 0.0}, dict(labels), HERE),
        }
        self.before: Callable[[str, str], None] = lambda operation, region: None
        self.after = self.before

    def client(self, service, region):
        assert service == "secretsmanager"
        return SecretsCaller(self, region)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def keys(self, region=HERE):
        there = self.regions[region]
        return json.loads(there.values[there.current])["clients"]

    def put(self, region, clients, version):
        """Somebody else's write."""
        SecretsCaller(self, region).put_secret_value(
            SecretString=json.dumps({"clients": clients}), ClientRequestToken=version
        )

    def copy_over(self):
        here, there = self.regions[HERE], self.regions[THERE]
        if there.home == HERE and there.follows:
            there.values, there.written, there.labels = dict(here.values), dict(here.written), dict(here.labels)


@dataclass
class SecretsCaller:
    cloud: SecretsManager
    region: str

    def __getattribute__(self, name):
        found = object.__getattribute__(self, name)
        if name.startswith("_") or name in {"cloud", "region"}:
            return found
        cloud, region = self.cloud, self.region

        def call(*positional, **arguments):
            cloud.before(name, region)
            if cloud.regions[region].out:
                raise EndpointConnectionError(endpoint_url=region)
            cloud.asked.append((name, region))
            answer = found(*positional, **arguments)
            cloud.after(name, region)
            return answer

        return call

    @property
    def _there(self):
        return self.cloud.regions[self.region]

    def describe_secret(self, **_):
        by_version: dict[str, list[str]] = {}
        for label, version in self._there.labels.items():
            by_version.setdefault(version, []).append(label)
        return {"VersionIdsToStages": by_version, "PrimaryRegion": self._there.home, "KmsKeyId": f"key-{self.region}"}

    def get_secret_value(self, **place):
        version = place["VersionId"]
        asked = {"HTTPHeaders": {"date": format_datetime(datetime.fromtimestamp(self.cloud.now, UTC), usegmt=True)}}
        created = datetime.fromtimestamp(self._there.written[version], UTC)
        return {"SecretString": self._there.values[version], "CreatedDate": created, "ResponseMetadata": asked}

    def list_secret_version_ids(self, **place):
        assert place["IncludeDeprecated"]
        return {"Versions": [{"VersionId": each} for each in self._there.values]}

    def put_secret_value(self, **told):
        there, value, token = self._there, told["SecretString"], told["ClientRequestToken"]
        if there.home != self.region:
            raise refusal("InvalidRequestException")
        if token in there.values:
            if there.values[token] != value:
                raise refusal("ResourceExistsException")
            return {"VersionId": token}
        there.values[token], there.written[token] = value, self.cloud.now
        there.labels |= {"AWSPREVIOUS": there.current, "AWSCURRENT": token}
        self.cloud.copy_over()
        return {"VersionId": token}

    def stop_replication_to_replica(self, **_):
        self._there.home = self.region
        return {}

    def replicate_secret_to_regions(self, **told):
        assert told["ForceOverwriteReplicaSecret"]
        assert told["AddReplicaRegions"] == [{"Region": THERE, "KmsKeyId": f"key-{THERE}"}]
        self.cloud.regions[THERE].home = HERE
        self.cloud.copy_over()
        return {}


@pytest.fixture
def cloud():
    return SecretsManager()


def rotation(cloud, role=None, agreed=lambda what: None):
    homes = PerRole(*(KeySecret(cloud, region, NAME) for region in (HERE, THERE)))
    return Rotation(homes, role, agreed, "", cloud.sleep)


def writes(cloud):
    return [each for each in cloud.asked if each[0] not in {"describe_secret", "get_secret_value"}]


def test_two_phases_replace_a_key_in_both_regions(cloud, tmp_path):
    out = tmp_path / "key"
    begun = rotation(cloud).begin("storefront", str(out))
    new = cloud.keys()["storefront"]["current"]
    assert cloud.keys() == cloud.keys(THERE)
    assert cloud.keys()["storefront"] == {"current": new, "previous": "s1"}
    assert cloud.keys()["canary"] == FIRST["canary"]
    assert len(new) == KEY_CHARACTERS
    assert new.isalnum()
    assert out.read_text() == new + "\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert begun.regions == (HERE, THERE)
    assert sum(cloud.slept) > KEY_NOTICED_SECONDS
    assert begun.next == "./invoke rotate-key --client storefront --finish"

    cloud.slept.clear()
    rotation(cloud).finish("storefront")
    assert sum(cloud.slept) > KEYS_KEPT_SECONDS - KEY_NOTICED_SECONDS - 2, "probes may have the key before until then"
    assert cloud.keys() == cloud.keys(THERE) == {**FIRST, "storefront": {"current": new, "previous": None}}
    assert cloud.regions[HERE].labels["FIRST"] == "first", "so that no deployment writes the first value again"


def test_no_key_is_in_what_is_told(cloud):
    told = rotation(cloud).begin("storefront", "")
    key = cloud.keys()["storefront"]["current"]
    assert key not in repr(told) + repr(told.to_json())
    copy = KeySecret(cloud, HERE, NAME).read()
    assert key not in repr(copy)
    assert "s1" not in repr(copy)


def test_each_phase_done_again_goes_on_with_it(cloud, tmp_path):
    rotation(cloud).begin("storefront", "")
    new = cloud.keys()["storefront"]
    rotation(cloud).begin("storefront", str(tmp_path / "key"))
    assert cloud.keys()["storefront"] == new
    assert (tmp_path / "key").read_text().strip() == new["current"]
    assert len(writes(cloud)) == 1
    rotation(cloud).finish("storefront")
    assert rotation(cloud).finish("storefront").phase == "none"
    assert len(writes(cloud)) == 2


def test_finishing_later_does_not_wait(cloud):
    rotation(cloud).begin("storefront", "")
    cloud.now += KEYS_KEPT_SECONDS + 10
    cloud.slept.clear()
    rotation(cloud).finish("storefront")
    assert cloud.slept == []


@pytest.mark.parametrize(
    ("client", "said"),
    [("shop", "unknown client 'shop': choose canary, storefront"), ("", "say which --client: canary")],
)
@pytest.mark.parametrize("phase", ["begin", "finish"])
def test_a_client_that_is_not_there_changes_nothing(cloud, client, said, phase):
    with pytest.raises(Problem, match=said):
        rotation(cloud).begin(client, "") if phase == "begin" else rotation(cloud).finish(client)
    assert writes(cloud) == []


def test_a_file_that_is_there_changes_nothing(cloud, tmp_path):
    (tmp_path / "key").write_text("mine")
    for out in (tmp_path / "key", tmp_path / "none" / "key"):
        with pytest.raises(Problem, match="not there yet"):
            rotation(cloud).begin("storefront", str(out))
    assert cloud.asked == []


def test_who_does_not_agree_changes_nothing(cloud):
    def disagree(what):
        assert "storefront gets a new API key in us-east-1 and us-east-2" in what
        raise Problem("not confirmed")

    with pytest.raises(Problem, match="not confirmed"):
        rotation(cloud, agreed=disagree).begin("storefront", "")
    assert writes(cloud) == []


@pytest.mark.parametrize("region", [HERE, THERE])
def test_with_a_region_out_nothing_is_changed_until_it_is_said_which(cloud, region):
    cloud.regions[region].out = True
    with pytest.raises(Problem, match=rf"in {region}: .*; nothing was changed \(docs/runbooks/rotate-a-key.md"):
        rotation(cloud).begin("storefront", "")
    assert writes(cloud) == []


def test_a_value_that_is_not_ours_is_not_touched_and_not_shown(cloud):
    cloud.regions[HERE].values["first"] = '{"password": "hunter2"}'
    with pytest.raises(Problem, match="another value there") as told:
        rotation(cloud).begin("storefront", "")
    assert "hunter2" not in str(told.value)
    assert writes(cloud) == []


def test_no_key_is_handed_over_before_the_replica_has_it(cloud, tmp_path):
    cloud.regions[THERE].follows = False
    with pytest.raises(Problem, match="hand no key over; run this again, it goes on"):
        rotation(cloud).begin("storefront", str(tmp_path / "key"))
    assert not (tmp_path / "key").exists()
    assert sum(cloud.slept) >= REPLICATED_WITHIN
    begun = cloud.keys()
    cloud.regions[THERE].follows = True
    cloud.copy_over()
    rotation(cloud).begin("storefront", str(tmp_path / "key"))
    assert cloud.keys(THERE) == begun


def test_a_replica_that_was_late_has_probes_wait_the_whole_time(cloud):
    cloud.regions[THERE].follows = False
    with pytest.raises(Problem):
        rotation(cloud).begin("storefront", "")
    cloud.slept.clear()
    late = iter(range(5))

    def arrive(operation, region):
        if region == THERE and next(late, None) is None:
            cloud.regions[THERE].follows = True
            cloud.copy_over()

    cloud.before = arrive
    rotation(cloud).finish("storefront")
    assert max(cloud.slept) > KEYS_KEPT_SECONDS


def begin_while_another_begins(cloud, client, other):
    """Both have read the same; the second to write is refused, reads again, and changes what the first has written."""

    def meanwhile(operation, region):
        if operation == "put_secret_value":
            cloud.before = lambda *_: None
            rotation(cloud).begin(other, "")

    cloud.before = meanwhile
    rotation(cloud).begin(client, "")


def test_of_two_who_write_at_once_neither_is_lost(cloud):
    begin_while_another_begins(cloud, "storefront", "canary")
    assert {client: each["previous"] for client, each in cloud.keys().items()} == {"canary": "c1", "storefront": "s1"}


def test_two_who_rotate_the_same_key_make_one(cloud):
    begin_while_another_begins(cloud, "storefront", "storefront")
    assert cloud.keys()["storefront"]["previous"] == "s1", "a second rotation would have dropped the first key"
    assert len(cloud.regions[HERE].values) == 2


class Cut(BaseException):
    """The process ends here."""


@given(st.data())
def test_cut_off_anywhere_and_run_again_a_phase_ends_as_if_it_had_not_been(data):
    cloud = SecretsManager()
    for phase in ("begin", "finish"):
        for _ in range(data.draw(st.integers(0, 3))):
            calls, last, when = count(), data.draw(st.integers(0, 12)), data.draw(st.sampled_from(["before", "after"]))

            def cut(operation, region, calls=calls, last=last):
                if next(calls) == last:
                    raise Cut

            setattr(cloud, when, cut)
            try:
                _do(cloud, phase)
            except Cut:
                pass
            finally:
                cloud.before = cloud.after = lambda *_: None
            assert cloud.keys()["canary"] == FIRST["canary"]
            accepted = cloud.keys()["storefront"].values()
            assert "s1" in accepted or phase == "finish"
        _do(cloud, phase)
    assert cloud.keys() == cloud.keys(THERE)
    assert cloud.keys()["storefront"]["previous"] is None
    assert cloud.keys()["storefront"]["current"] != "s1"
    assert len(cloud.regions[HERE].values) == 3, "one version a phase"


def _do(cloud, phase):
    rotation(cloud).begin("storefront", "") if phase == "begin" else rotation(cloud).finish("storefront")


clients = st.sampled_from(sorted(FIRST))


@given(st.lists(st.tuples(st.sampled_from(["begun", "finished"]), clients)))
def test_a_change_touches_one_client_and_keeps_the_key_in_use(steps):
    keys = Keys({"clients": FIRST, "note": "kept"})
    for step, client in steps:
        before = keys
        keys = keys.begun(client, new_key()) if step == "begun" else keys.finished(client)
        assert set(keys.differing(before)) <= {client}
        value = keys.value["clients"][client]
        assert value["previous"] == (before.current(client) if step == "begun" else None)
        assert keys.current(client) == before.current(client) or step == "begun"
        assert keys.value["note"] == "kept"
        assert Keys.parse(keys.text()) == keys


class TestWhileThePrimaryIsOut:
    """The secondary's secret is promoted and rotated alone; afterwards it is the one that holds."""

    @pytest.fixture
    def rotated(self, cloud):
        cloud.regions[HERE].out = True
        told = rotation(cloud, "secondary").begin("storefront", "")
        assert told.regions == (THERE,)
        assert told.next == "./invoke rotate-key --client storefront --region secondary --finish"
        cloud.regions[HERE].out = False
        return cloud.keys(THERE)

    def test_the_secondary_alone_is_changed(self, cloud, rotated):
        assert rotated["storefront"]["previous"] == "s1"
        assert cloud.keys(HERE) == FIRST
        assert cloud.regions[THERE].home == THERE

    def test_it_is_finished_there_too(self, cloud, rotated):
        cloud.regions[HERE].out = True
        rotation(cloud, "secondary").finish("storefront")
        assert cloud.keys(THERE)["storefront"] == {**rotated["storefront"], "previous": None}
        assert [each for each in cloud.asked if each[0] == "stop_replication_to_replica"] == [
            ("stop_replication_to_replica", THERE)
        ]

    def test_joining_brings_the_new_keys_to_the_primary(self, cloud, rotated):
        rotation(cloud).join()
        assert cloud.keys(HERE) == cloud.keys(THERE) == rotated
        assert cloud.regions[THERE].home == HERE
        assert sum(cloud.slept) > 2 * KEY_NOTICED_SECONDS
        rotation(cloud).finish("storefront")
        assert cloud.keys(THERE)["storefront"] == {**rotated["storefront"], "previous": None}

    def test_until_then_nothing_is_rotated_in_the_primary(self, cloud, rotated):
        with pytest.raises(Problem, match=r"do not follow us-east-1: ./invoke rotate-key --join"):
            rotation(cloud).begin("canary", "")
        assert cloud.keys(HERE) == FIRST

    def test_joining_can_be_cut_off_anywhere(self, rotated):
        for last in range(20):
            cloud = SecretsManager()
            rotation(cloud, "secondary").begin("storefront", "")
            kept, calls = cloud.keys(THERE), count()

            def cut(operation, region, calls=calls, last=last):
                if next(calls) == last:
                    raise Cut

            cloud.after = cut
            try:
                rotation(cloud).join()
            except Cut:
                pass
            finally:
                cloud.after = lambda *_: None
            assert cloud.keys(THERE) == kept, "at no moment the old keys"
            rotation(cloud).join()
            assert cloud.keys(HERE) == cloud.keys(THERE) == kept

    def test_the_old_keys_cannot_be_chosen_over_the_new(self, cloud, rotated):
        with pytest.raises(Problem, match="us-east-2 are the newer ones: leave --region out"):
            rotation(cloud, "primary").join()
        assert cloud.keys(HERE) == FIRST

    @pytest.mark.parametrize("role", ["primary", "secondary"])
    def test_when_both_were_rotated_somebody_chooses(self, cloud, rotated, role):
        cloud.put(HERE, {**FIRST, "canary": {"current": "c2", "previous": "c1"}}, "elsewhere")
        with pytest.raises(Problem, match="differ for canary, storefront: say with --region whose keys hold") as told:
            rotation(cloud).join()
        assert "c2" not in str(told.value)
        chosen = cloud.keys(HERE if role == "primary" else THERE)
        rotation(cloud, role).join()
        assert cloud.keys(HERE) == cloud.keys(THERE) == chosen

    def test_a_promotion_without_a_rotation_takes_what_the_primary_has(self, cloud):
        cloud.regions[THERE].home = THERE
        cloud.put(HERE, {**FIRST, "canary": {"current": "c2", "previous": "c1"}}, "later")
        rotation(cloud).join()
        assert cloud.keys(THERE)["canary"]["current"] == "c2"

    def test_what_is_rotated_while_it_is_joined_is_not_written_over(self, cloud, rotated):
        def meanwhile(operation, region):
            if (operation, region) == ("put_secret_value", HERE):
                cloud.before = lambda *_: None
                rotation(cloud, "secondary").begin("canary", "")

        cloud.before = meanwhile
        with pytest.raises(Problem, match="rotated a key in us-east-2 meanwhile: run this again"):
            rotation(cloud).join()
        rotation(cloud).join()
        assert cloud.keys(HERE) == cloud.keys(THERE)
        assert cloud.keys(HERE)["canary"]["previous"] == "c1"

    def test_regions_that_are_joined_are_left_as_they_are(self, cloud):
        assert rotation(cloud).join().phase == "joined"
        assert writes(cloud) == []


def test_while_the_secondary_is_out_the_primary_is_rotated_alone(cloud):
    cloud.regions[THERE].out = True
    told = rotation(cloud, "primary").begin("storefront", "")
    assert told.regions == (HERE,)
    assert cloud.regions[THERE].home == HERE


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (RotationWish("storefront", join=True), "--join joins the regions' secrets"),
        (RotationWish(finish=True, join=True), "--join joins the regions' secrets"),
        (RotationWish("storefront", finish=True, out="key"), "--finish makes no key"),
    ],
)
def test_what_makes_no_sense_is_refused(wish, said):
    with pytest.raises(Problem, match=said):
        rotate_key(Choice(), wish)


def test_the_command_asks_on_aws_and_needs_no_stack(cloud, monkeypatch, capsys):
    place = Reach({}, where="AWS", checkers=list, asks_first=True, now=lambda: cloud.now)
    monkeypatch.setattr(module, "reach", lambda name, tell: place)
    monkeypatch.setattr(module, "Aws", lambda variables: cloud)
    monkeypatch.setattr("time.sleep", cloud.sleep)
    monkeypatch.setattr(Stack, "__init__", None)
    with pytest.raises(Problem, match="no terminal"):
        rotate_key(Choice(target="aws"), RotationWish("storefront"))
    assert writes(cloud) == []
    with pytest.raises(Problem, match="unknown region 'witness'"):
        rotate_key(Choice(region="witness"), RotationWish("storefront"))
    assert rotate_key(Choice(target="aws", yes=True, json=True), RotationWish("storefront")) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["phase"], told["regions"], told["secret"]) == ("begun", [HERE, THERE], NAME)
    assert told["next"] == "./invoke rotate-key --client storefront --target aws --finish"
    assert cloud.keys()["storefront"]["current"] not in said.out + said.err
