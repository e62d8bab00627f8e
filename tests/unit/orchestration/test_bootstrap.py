"""The bootstrap on an account that AWS's models judge: each step looks, makes what is missing, and then finds it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from importlib import import_module
from io import BytesIO
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from orchestration import aws, preflight, quotas, report
from orchestration import bootstrap as package
from orchestration.bootstrap import command
from orchestration.bootstrap.account import LOG_ROLE, TRIES
from orchestration.bootstrap.command import bootstrap
from orchestration.choice import Choice
from orchestration.preflight import missing, room
from orchestration.quotas import MADE_BY_BOOTSTRAP
from orchestration.reach import Reach
from orchestration.teams.roles import Takers
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT
from shared.stack import Stack
from tests.doubles.modelled_aws import SESSION, ModelledAws
from tools import team_rights

ACCOUNT = "123456789012"
BUCKET = f"pulumi-state-{ACCOUNT}-us-west-2"
READS = ("Get", "List", "Describe", "Head")
KEY = "arn:aws:kms:us-west-2:123456789012:key/1"
SETTINGS = Environment.load("payments")
TRADING = Environment.load("trading")
NOBODY = Takers()
OWN = SETTINGS.model_copy(
    update={
        "domain": "pay.acme.net",
        "runbooks": "https://acme.net/runbooks/",
        "compute": SETTINGS.compute.model_copy(
            update={
                "processor": SETTINGS.compute.processor.model_copy(
                    update={"primary": "a.acme.net", "secondary": "b.acme.net"}
                )
            }
        ),
    }
)


def refuse(code, message="no"):
    raise ClientError({"Error": {"Code": code, "Message": message}}, "Any")


@dataclass
class NewAccount:
    """An AWS account with nothing in it, which keeps what it is given. Its requests are judged by the SDK's models."""

    key: dict = field(default_factory=dict)
    alias: str = ""
    bucket: Any = None
    objects: dict = field(default_factory=dict)
    roles: dict = field(default_factory=dict)
    attached: dict = field(default_factory=dict)
    """ARNs of the managed policies by the role's name."""
    policies: dict = field(default_factory=dict)
    """By ARN the documents of a managed policy's versions, the default one last."""
    audiences: list = field(default_factory=list)
    """Those of GitHub's identity provider; empty: there is none."""
    log_roles: dict = field(default_factory=dict)
    zones: list = field(default_factory=list)
    pagers: set = field(default_factory=set)
    tags: dict = field(default_factory=dict)
    concurrency: int = 1000
    vpcs: int = 0
    wishes: list = field(default_factory=list)
    early: int = 0
    """How often UpdateAccount does not know the role yet."""
    cut: str = ""
    """The operation after which the run is interrupted."""
    denied: frozenset = frozenset()

    def __post_init__(self):
        self.aws = ModelledAws(_Answers(self))

    @property
    def changed(self):
        return [operation for _, _, operation, _ in self.aws.asked if not operation.startswith(READS)]

    # What each operation answers -----------------------------------------------------------------------------------

    def get_caller_identity(self, *_):
        return {"Account": ACCOUNT}

    def describe_key(self, _, asked):
        if asked["KeyId"] in {self.alias, "1", KEY} and self.key:
            return {"KeyMetadata": self.key}
        return refuse("NotFoundException")

    def list_keys(self, *_):
        return {"Keys": [{"KeyId": "1"}] if self.key else []}

    def list_aliases(self, *_):
        return {"Aliases": [{"AliasName": self.alias}] if self.alias else []}

    def create_key(self, _, asked):
        self.key = {"KeyId": "1", "Arn": KEY, "KeyState": "Enabled", "Description": asked["Description"]}
        return {"KeyMetadata": self.key}

    def create_alias(self, _, asked):
        self.alias = asked["AliasName"]

    def get_key_rotation_status(self, *_):
        return {"KeyRotationEnabled": self.key.get("rotates", False)}

    def enable_key_rotation(self, *_):
        self.key["rotates"] = True

    def head_bucket(self, *_):
        return {"BucketRegion": "us-west-2"} if self.bucket is not None else refuse("404", "Not Found")

    def create_bucket(self, *_):
        self.bucket = {}

    def get_bucket_versioning(self, *_):
        return self.bucket.get("versioning", {})

    def put_bucket_versioning(self, _, asked):
        self.bucket["versioning"] = asked["VersioningConfiguration"]

    def get_bucket_encryption(self, *_):
        default = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
        return {"ServerSideEncryptionConfiguration": self.bucket.get("encryption", default)}

    def put_bucket_encryption(self, _, asked):
        self.bucket["encryption"] = asked["ServerSideEncryptionConfiguration"]

    def get_public_access_block(self, *_):
        found = self.bucket.get("wall")
        return {"PublicAccessBlockConfiguration": found} if found else refuse("NoSuchPublicAccessBlockConfiguration")

    def put_public_access_block(self, _, asked):
        self.bucket["wall"] = asked["PublicAccessBlockConfiguration"]

    def get_bucket_policy(self, *_):
        return {"Policy": self.bucket["policy"]} if "policy" in self.bucket else refuse("NoSuchBucketPolicy")

    def put_bucket_policy(self, _, asked):
        self.bucket["policy"] = asked["Policy"]

    def get_bucket_lifecycle_configuration(self, *_):
        found = self.bucket.get("lifecycle")
        return {"Rules": found["Rules"]} if found else refuse("NoSuchLifecycleConfiguration")

    def put_bucket_lifecycle_configuration(self, _, asked):
        self.bucket["lifecycle"] = asked["LifecycleConfiguration"]

    def list_objects_v2(self, _, asked):
        prefix, mark = asked["Prefix"], asked["Delimiter"]
        rest = {key: key.removeprefix(prefix).partition(mark) for key in sorted(self.objects) if key.startswith(prefix)}
        folders = sorted({f"{prefix}{first}{mark}" for first, folder, _ in rest.values() if folder})
        return {
            "Contents": [{"Key": key} for key, (_, folder, _) in rest.items() if not folder],
            "CommonPrefixes": [{"Prefix": each} for each in folders],
        }

    def get_object(self, _, asked):
        found = self.objects.get(asked["Key"]) or refuse("NoSuchKey")
        return {"Body": BytesIO(found)}

    def get_account(self, region, _):
        throttle = {"rateLimit": 10_000.0, "burstLimit": 5000}
        role = self.log_roles.get(region)
        return {"throttleSettings": throttle, **({"cloudwatchRoleArn": role} if role else {})}

    def update_account(self, region, asked):
        if self.early:
            self.early -= 1
            return refuse("BadRequestException", "The role ARN does not have required permissions configured")
        self.log_roles[region] = asked["patchOperations"][0]["value"]
        return {}

    def get_role(self, _, asked):
        role = self.roles.get(asked["RoleName"]) or refuse("NoSuchEntity")
        return {"Role": {**role, "AssumeRolePolicyDocument": quote(json.dumps(role["AssumeRolePolicyDocument"]))}}

    def create_role(self, _, asked):
        name = asked["RoleName"]
        self.roles[name] = {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}
        self.update_assume_role_policy(_, {"RoleName": name, "PolicyDocument": asked["AssumeRolePolicyDocument"]})
        self.update_role(_, asked)
        return self.get_role(_, asked)

    def update_assume_role_policy(self, _, asked):
        self.roles[asked["RoleName"]]["AssumeRolePolicyDocument"] = json.loads(asked["PolicyDocument"])

    def update_role(self, _, asked):
        self.roles[asked["RoleName"]]["MaxSessionDuration"] = asked.get("MaxSessionDuration", 3600)

    def attach_role_policy(self, _, asked):
        self.attached.setdefault(asked["RoleName"], []).append(asked["PolicyArn"])

    def detach_role_policy(self, _, asked):
        self.attached[asked["RoleName"]].remove(asked["PolicyArn"])

    def list_attached_role_policies(self, _, asked):
        if asked["RoleName"] not in self.roles:
            return refuse("NoSuchEntity")
        return {"AttachedPolicies": [{"PolicyArn": arn} for arn in self.attached.get(asked["RoleName"], ())]}

    def create_policy(self, _, asked):
        self.policies[f"arn:aws:iam::{ACCOUNT}:policy/{asked['PolicyName']}"] = [asked["PolicyDocument"]]

    def create_policy_version(self, _, asked):
        self.policies[asked["PolicyArn"]].append(asked["PolicyDocument"])

    def delete_policy_version(self, _, asked):
        self.policies[asked["PolicyArn"]].pop(int(asked["VersionId"].removeprefix("v")) - 1)

    def get_policy(self, _, asked):
        versions = self.policies.get(asked["PolicyArn"])
        return {"Policy": {"DefaultVersionId": f"v{len(versions)}"}} if versions else refuse("NoSuchEntity")

    def get_policy_version(self, _, asked):
        versions = self.policies[asked["PolicyArn"]]
        return {"PolicyVersion": {"Document": quote(versions[int(asked["VersionId"].removeprefix("v")) - 1])}}

    def list_policy_versions(self, _, asked):
        number = len(self.policies[asked["PolicyArn"]])
        return {
            "Versions": [
                {"VersionId": f"v{each}", "IsDefaultVersion": each == number, "CreateDate": each}
                for each in range(1, number + 1)
            ]
        }

    def get_open_id_connect_provider(self, *_):
        return {"ClientIDList": self.audiences} if self.audiences else refuse("NoSuchEntity")

    def create_open_id_connect_provider(self, _, asked):
        if self.audiences:
            refuse("EntityAlreadyExists")
        self.audiences = asked["ClientIDList"]

    def add_client_id_to_open_id_connect_provider(self, _, asked):
        self.audiences.append(asked["ClientID"])

    def get_account_settings(self, *_):
        return {
            "AccountLimit": {
                "ConcurrentExecutions": self.concurrency,
                "UnreservedConcurrentExecutions": self.concurrency,
            }
        }

    def describe_vpcs(self, *_):
        return {"Vpcs": [{"VpcId": "vpc-1"}] * self.vpcs}

    def get_service_quota(self, *_):
        return {"Quota": {"Value": 5.0}}

    def describe_internet_gateways(self, *_):
        return {"InternetGateways": []}

    def describe_load_balancers(self, *_):
        return {"LoadBalancers": []}

    def get_domain_names(self, *_):
        return {"items": []}

    def describe_canaries(self, *_):
        return {"Canaries": []}

    def get_account_limit(self, *_):
        return {"Limit": {"Type": "MAX_HOSTED_ZONES_BY_OWNER", "Value": 500}, "Count": 1}

    def list_requested_service_quota_change_history_by_quota(self, _, asked):
        return {"RequestedQuotas": [each for each in self.wishes if each["QuotaCode"] == asked["QuotaCode"]]}

    def request_service_quota_increase(self, _, asked):
        self.wishes.append({**asked, "Status": "PENDING"})
        return {}

    def list_hosted_zones_by_name(self, *_):
        return {"HostedZones": self.zones}

    def create_hosted_zone(self, _, asked):
        config = {**asked["HostedZoneConfig"], "PrivateZone": False}
        self.zones.append({"Id": "/hostedzone/Z1", "Name": f"{asked['Name']}.", "Config": config})
        return {}

    def get_hosted_zone(self, _, asked):
        found = next((zone for zone in self.zones if zone["Id"].endswith(asked["Id"])), None)
        servers = {"NameServers": ["ns-2.example", "ns-1.example"]}
        return {"HostedZone": found, "DelegationSet": servers} if found else refuse("NoSuchHostedZone")

    def get_parameter(self, region, asked):
        if region not in self.pagers:
            return refuse("ParameterNotFound")
        return {"Parameter": {"Name": asked["Name"], "Type": "SecureString"}}

    def list_cost_allocation_tags(self, *_):
        return {"CostAllocationTags": [{"TagKey": key, "Status": value} for key, value in self.tags.items()]}

    def update_cost_allocation_tags_status(self, _, asked):
        self.tags.update({each["TagKey"]: each["Status"] for each in asked["CostAllocationTagsStatus"]})
        return {"Errors": []}


class _Answers(dict):
    """By operation, in the place of a table: a method of the account."""

    def __init__(self, account):
        super().__init__()
        self._account = account

    def __missing__(self, key):
        name = xform_name(key[1])

        def answer(region, asked):
            if name in self._account.denied:
                refuse("AccessDenied", "not you")
            found = getattr(self._account, name)(region, asked) or {}
            if self._account.cut == name:
                self._account.cut = ""
                raise KeyboardInterrupt
            return found

        return answer


@pytest.fixture
def account():
    return NewAccount(pagers={"us-east-1", "us-east-2"})


@pytest.fixture
def run(monkeypatch, capsys):
    """Run it, and return exit code, rows by step and place, and all that was printed."""

    def ran(account, *, check=False, settings=OWN, variables=(), yes=True, takers=NOBODY, **options):
        monkeypatch.setattr(command, "Aws", lambda _: account.aws)
        place = Reach(dict(variables), where="AWS", checkers=tuple, asks_first=True)
        monkeypatch.setattr(command, "reach", lambda *_: place)
        monkeypatch.setattr(Environment, "load", lambda *_: settings)
        opened = command.opened
        monkeypatch.setattr(command, "opened", lambda *given: replace(opened(*given), sleep=lambda _: None))
        try:
            code = bootstrap(Choice(target="aws", json=True, yes=yes), check=check, takers=takers, **options)
        finally:
            monkeypatch.setattr(command, "opened", opened)
        told = json.loads(capsys.readouterr().out)
        return code, {(row["what"], row["where"]): row for row in told["steps"]}, told

    return ran


def statuses(rows):
    return {row["status"] for row in rows.values() if row["needed"]}


def test_a_new_account_gets_what_is_missing_and_the_second_run_changes_nothing(account, run):
    code, rows, told = run(account)
    assert (code, told["ready"]) == (0, True), rows
    assert {key for key, row in rows.items() if row["status"] == "made"} == {
        ("key", "us-west-2"),
        ("bucket", "us-west-2"),
        ("role for access logs", "us-east-1"),
        ("role for access logs", "us-east-2"),
        ("zone", "the account"),
    }
    assert told["variables"] == {
        "PULUMI_SECRETS_PROVIDER": "awskms://alias/pulumi-state?region=us-west-2",
        "PULUMI_BACKEND_URL": f"s3://{BUCKET}?region=us-west-2",
    }
    made = len(account.changed)
    code, rows, again = run(account)
    assert (code, statuses(rows), again["variables"]) == (0, {"there"}, told["variables"])
    assert len(account.changed) == made


def test_the_bucket_is_versioned_encrypted_with_the_key_by_tls_alone_and_public_to_nobody(account, run):
    run(account)
    bucket = account.bucket
    assert bucket["versioning"] == {"Status": "Enabled"}
    (rule,) = bucket["encryption"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    assert set(bucket["wall"].values()) == {True}
    (statement,) = json.loads(bucket["policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert account.key["rotates"]
    (created,) = [asked for _, _, operation, asked in account.aws.asked if operation == "CreateBucket"]
    assert created["CreateBucketConfiguration"] == {"LocationConstraint": "us-west-2"}
    owners = {
        asked.get("ExpectedBucketOwner")
        for service, _, operation, asked in account.aws.asked
        if service == "s3" and operation not in {"CreateBucket", "GetObject"}
    }
    assert owners == {ACCOUNT}


SHARED = {"PULUMI_BACKEND_URL": "s3://company-artifacts/payments?region=us-west-2"}
THEIR_RULE = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}


@pytest.mark.parametrize("folder", ["", "payments", "payments/states"])
def test_what_ends_for_good_are_old_states_alone_whatever_else_the_bucket_keeps(account, run, folder):
    """The kind: a setting of a whole bucket that is meant for the stacks' objects in it."""
    run(account, variables={"PULUMI_BACKEND_URL": f"s3://{BUCKET}/{folder}?region=us-west-2"})
    (rule,) = account.bucket["lifecycle"]["Rules"]
    assert rule["Filter"] == {"Prefix": f"{folder}/.pulumi/".removeprefix("/")}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}


@pytest.mark.parametrize(
    "rule",
    [
        THEIR_RULE,
        {**THEIR_RULE, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {**THEIR_RULE, "Filter": {"Prefix": ""}},
        {"ID": "off", "Status": "Disabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {
            "ID": "small",
            "Status": "Enabled",
            "Filter": {"ObjectSizeLessThan": 9},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        },
    ],
    ids=["expires", "elsewhere", "all and no versions", "off", "some"],
)
def test_a_rule_that_does_not_end_old_states_counts_for_nothing_and_stays(account, run, rule):
    run(account)
    account.bucket["lifecycle"] = {"Rules": [rule]}
    assert "lacks an end of old versions" in run(account, check=True)[1]["bucket", "us-west-2"]["said"]
    assert run(account)[0] == 0
    kept, ours = account.bucket["lifecycle"]["Rules"]
    assert (kept, ours["Filter"]) == (rule, {"Prefix": ".pulumi/"})


@pytest.mark.parametrize("filtered", [{"Filter": {"Prefix": ""}}, {"Filter": {}}, {"Prefix": ""}, {"Prefix": ".pul"}])
def test_a_rule_that_ends_all_old_versions_ends_those_of_states(account, run, filtered):
    run(account)
    all_of_it = {"ID": "all", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 9}, **filtered}
    account.bucket["lifecycle"] = {"Rules": [all_of_it]}
    made = len(account.changed)
    assert run(account)[0] == 0
    assert len(account.changed) == made


@pytest.mark.parametrize("other", ["app.tar.gz", "payments/app.tar.gz", "payments/old/.pulumi-backup"])
def test_a_bucket_that_keeps_other_things_is_only_looked_at(account, run, other):
    account.bucket, account.objects = {}, {other: b"", "payments/.pulumi/meta.yaml": b"", ".pulumi/meta.yaml": b""}
    code, rows, _ = run(account, variables=SHARED)
    row = rows["bucket", "us-west-2"]
    assert (code, row["status"]) == (1, "cannot")
    assert row["said"].startswith("company-artifacts lacks versions, encryption with the key, a wall against the ")
    assert f"it keeps other things too ({other})" in row["said"]
    assert account.bucket == {}


@pytest.mark.parametrize("theirs", ["a/", "a/b/", "x.pulumi/"])
def test_a_bucket_with_states_of_several_systems_keeps_its_encryption(account, run, theirs):
    """They are states, too, and get the rest; but who writes them has no right to this system's key."""
    account.bucket = {}
    account.objects = {f"{folder}.pulumi/meta.yaml": b"" for folder in ("", theirs)} | {"a/": b""}
    for check in (False, True):
        code, rows, _ = run(account, check=check)
        row = rows["bucket", "us-west-2"]
        assert (code, row["status"]) == (0, "there" if check else "made")
        assert (
            f"its encryption is left as it is: it keeps another system's states too ({theirs}.pulumi/)" in row["said"]
        )
        assert {"versioning", "policy", "lifecycle"} <= account.bucket.keys()
        assert "encryption" not in account.bucket


def test_a_bucket_with_this_systems_states_alone_is_encrypted_with_its_key(account, run):
    account.bucket, account.objects = {}, {".pulumi/meta.yaml": b"", ".pulumi/a/.pulumi/b": b""}
    assert run(account)[0] == 0
    assert "encryption" in account.bucket


def test_a_bucket_that_keeps_other_things_and_lacks_nothing_is_there(account, run):
    run(account, variables=SHARED)
    account.objects["app.tar.gz"] = b""
    code, rows, _ = run(account, variables=SHARED)
    assert (code, rows["bucket", "us-west-2"]["status"]) == (0, "there")


def test_what_is_done_by_hand_to_a_bucket_says_what_it_replaces(account, run):
    lines = run(account, check=True)[1]["bucket", "us-west-2"]["by_hand"]
    told = {
        line.split()[2] for line in lines if line.endswith("# replaces what the bucket has: put that into it as well")
    }
    assert told == {"put-bucket-policy", "put-bucket-lifecycle-configuration"}


def test_roles_that_nobody_could_take_on_are_not_made_and_hold_nobody_up(account, run):
    code, rows, _ = run(account)
    row = rows["teams' roles", "the account"]
    assert (code, row["status"], row["needed"]) == (0, "cannot", False)
    assert "--repository OWNER/NAME" in row["said"]


def test_who_is_no_taker_is_refused_before_anybody_is_asked(account, run):
    with pytest.raises(Problem, match="is not OWNER/NAME"):
        run(account, takers=Takers("payments"))
    assert account.aws.asked == []


WORKFLOWS = Takers("payments-org@1/payments@2")
PEOPLE = Takers(people=("role/operators",))
NETWORK = "payment-team-network-x7k2"
THEIRS = f"arn:aws:iam::{ACCOUNT}:policy/security/never"
WHO = {WORKFLOWS: "repo:payments-org@1/payments@2:environment:network-primary", PEOPLE: "role/operators"}


def network_of(rows):
    return rows["role of team network", "the account"]


def trusted(account):
    """What a team's role trusts, as text by statement."""
    return [json.dumps(each) for each in account.roles[NETWORK]["AssumeRolePolicyDocument"]["Statement"]]


@pytest.mark.parametrize(
    ("before", "named"), [(WORKFLOWS, PEOPLE), (PEOPLE, WORKFLOWS)], ids=["people are named", "a repository is named"]
)
def test_who_is_not_named_is_not_locked_out(account, run, before, named):
    stays, comes = WHO[before], WHO[named]
    run(account, takers=before)
    said = network_of(run(account, takers=named, check=True)[1])["said"]
    assert "differs: who may take it on; comes: " in said
    assert comes in said.partition("; stays: ")[0]
    assert stays in said.partition("; stays: ")[2]
    assert "goes: " not in said
    assert network_of(run(account, takers=named)[1])["status"] == "made"
    assert len(trusted(account)) == 2
    assert comes in trusted(account)[0]
    assert stays in trusted(account)[1]
    for takers in (before, named):
        assert network_of(run(account, takers=takers)[1])["status"] == "there"


def test_who_takes_it_on_no_more_is_told_before(account, run):
    run(account, takers=PEOPLE)
    deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    account.roles[NETWORK]["AssumeRolePolicyDocument"]["Statement"].append(deny)
    said = network_of(run(account, takers=Takers(people=("user/new",)), check=True)[1])["said"]
    assert f"comes: arn:aws:iam::{ACCOUNT}:user/new; goes: arn:aws:iam::{ACCOUNT}:role/operators; stays: Deny" in said
    run(account, takers=Takers(people=("user/new",)))
    row = network_of(run(account, takers=Takers(people=("user/new",)))[1])
    assert (row["status"], "stays: Deny" in row["said"]) == ("there", True)
    assert [deny] == [each for each in map(json.loads, trusted(account)) if each["Effect"] == "Deny"]
    assert "role/operators" not in str(trusted(account))


def test_who_may_take_it_on_under_other_conditions_is_told_before(account, run):
    run(account, takers=WORKFLOWS)
    statement = account.roles[NETWORK]["AssumeRolePolicyDocument"]["Statement"][0]
    del statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:aud"]
    said = network_of(run(account, takers=WORKFLOWS, check=True)[1])["said"]
    assert f"differs: who may take it on; under other conditions: {WHO[WORKFLOWS]}" in said
    rows = run(account, takers=WORKFLOWS)[1]
    assert network_of(rows)["status"] == "made"
    assert "token.actions.githubusercontent.com:aud" in trusted(account)[0]


def test_a_policy_that_somebody_else_has_attached_stays_and_is_told(account, run):
    run(account, takers=PEOPLE)
    old = f"arn:aws:iam::{ACCOUNT}:policy/{NETWORK}-9"
    account.attached[NETWORK] += [THEIRS, old]
    said = network_of(run(account, takers=PEOPLE, check=True)[1])["said"]
    assert f"differs: what it may do; others' policies stay: {THEIRS}" in said
    row = network_of(run(account, takers=PEOPLE)[1])
    assert row["status"] == "made"
    assert THEIRS in account.attached[NETWORK]
    assert old not in account.attached[NETWORK]
    row = network_of(run(account, takers=PEOPLE)[1])
    assert (row["status"], THEIRS in row["said"]) == ("there", True)


def test_a_policy_has_room_for_a_sixth_version_and_a_provider_for_another_audience(account, run):
    run(account, takers=PEOPLE)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{NETWORK}-1"
    wanted = account.policies[arn][0]
    account.policies[arn] = ["{}"] * 5
    account.audiences = ["somebody"]
    rows = run(account, takers=replace(PEOPLE, repository=WORKFLOWS.repository))[1]
    assert network_of(rows)["status"] == rows["GitHub's identity provider", "the account"]["status"] == "made"
    assert (len(account.policies[arn]), account.policies[arn][-1]) == (5, wanted)
    assert account.audiences == ["somebody", "sts.amazonaws.com"]


def test_what_somebody_else_has_set_stays(account, run):
    theirs = {"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:GetObject"}
    account.bucket = {"policy": json.dumps({"Version": "2012-10-17", "Statement": [theirs]})}
    account.log_roles["us-east-1"] = "arn:aws:iam::999999999999:role/theirs"
    _, rows, _ = run(account)
    assert json.loads(account.bucket["policy"])["Statement"][0] == theirs
    assert len(json.loads(account.bucket["policy"])["Statement"]) == 2
    assert account.log_roles["us-east-1"] == "arn:aws:iam::999999999999:role/theirs"
    assert rows["role for access logs", "us-east-1"]["status"] == "there"
    assert [region for _, region, operation, _ in account.aws.asked if operation == "UpdateAccount"] == ["us-east-2"]


def test_check_only_looks_and_says_what_is_missing_with_awss_own_commands(account, run):
    code, rows, told = run(account, check=True)
    assert (code, told["ready"], account.changed) == (1, False, [])
    assert rows["bucket", "us-west-2"]["status"] == "missing"
    assert all(line.startswith("aws ") for row in rows.values() for line in row["by_hand"])
    run(account)
    assert run(account, check=True)[0] == 0


def test_without_a_yes_nothing_is_made_and_account_and_regions_were_said_before(account, run, monkeypatch):
    told = []
    monkeypatch.setattr(report, "tell", told.append)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(Problem, match="not confirmed; nothing was changed"):
        run(account, yes=False)
    assert account.changed == []
    assert told[0] == (f"bootstrap in AWS, account {ACCOUNT}: states in us-west-2, the rest in us-east-1 and us-east-2")
    assert any(line.startswith("to make: bucket (us-west-2)") for line in told)


@pytest.mark.parametrize(
    "cut",
    [
        "create_key",
        "enable_key_rotation",
        "create_alias",
        "create_bucket",
        "put_bucket_encryption",
        "put_bucket_policy",
        "create_role",
        "update_account",
        "create_hosted_zone",
    ],
)
def test_a_run_that_is_cut_off_is_finished_by_the_next_with_nothing_made_twice(account, run, cut):
    account.cut = cut
    with pytest.raises(KeyboardInterrupt):
        run(account)
    assert run(account)[0] == 0
    changed = account.changed
    for once in ("CreateKey", "CreateAlias", "CreateBucket", "CreateRole", "CreateHostedZone"):
        assert changed.count(once) == 1


def test_a_role_that_is_not_known_everywhere_yet_is_told_again(account, run):
    account.early = TRIES - 1
    assert run(account)[0] == 0
    account.log_roles.clear()
    account.early = 2 * TRIES
    code, rows, _ = run(account)
    assert code == 1
    assert rows["role for access logs", "us-east-1"]["status"] == "cannot"
    assert rows["bucket", "us-west-2"]["status"] == "there"


def test_a_role_that_is_gone_is_its_owners(account, run):
    account.log_roles["us-east-1"] = f"arn:aws:iam::{ACCOUNT}:role/gone"
    code, rows, _ = run(account)
    assert code == 1
    said = rows["role for access logs", "us-east-1"]
    assert said["status"] == "cannot"
    assert "role/gone, which is gone" in said["said"]
    assert account.log_roles["us-east-1"].endswith("gone")


def test_quotas_are_asked_for_once_where_the_preflight_would_refuse(account, run):
    account.concurrency = 10
    _, rows, _ = run(account)
    assert rows["quotas", "us-east-1"]["status"] == "made"
    assert "deploy-all refuses until they are" in rows["quotas", "us-east-1"]["said"]
    asked = [(each["ServiceCode"], each["QuotaCode"], each["DesiredValue"]) for each in account.wishes]
    assert set(asked) == {("lambda", "L-B99A9384", 1000.0)}
    number = len(asked)
    _, rows, _ = run(account)
    assert rows["quotas", "us-east-1"]["status"] == "there"
    assert len(account.wishes) == number


def test_what_is_deployed_needs_no_more_room(account):
    lacks = missing(OWN, (), lambda _: None)
    assert list(room(lacks, account.aws, OWN)) == []


def test_the_zones_name_servers_are_told_and_the_file_is_to_name_it(account, run):
    _, rows, _ = run(account)
    said = rows["zone", "the account"]
    assert said["values"] == {"zone_id": "Z1", "name_servers": ["ns-1.example", "ns-2.example"]}
    assert (
        "set NS records of x7k2.pay.acme.net where pay.acme.net is served: ns-1.example, ns-2.example" in said["said"]
    )
    assert "set edge.zone_id: Z1 in environments/payments.yaml" in said["said"]
    assert MADE_BY_BOOTSTRAP in account.zones[0]["Config"]["Comment"]
    given = OWN.model_copy(update={"edge": OWN.edge.model_copy(update={"zone_id": "Z1"})})
    said = run(account, settings=given)[1]["zone", "the account"]
    assert said["status"] == "there"
    assert "set edge.zone_id" not in said["said"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"edge": {"zone_id": "Z9"}}, "edge.zone_id: Z9 is no zone of this account"),
        ({"edge": {"parent_zone_id": "Z9"}}, "edge.parent_zone_id: Z9 is none of this account"),
        ({"domain": "pay.example.com"}, "domain: 'pay.example.com' is reserved for examples"),
    ],
)
def test_a_zone_that_cannot_be_is_said_and_the_rest_goes_on(account, run, change, expected):
    update = {k: OWN.edge.model_copy(update=v) if k == "edge" else v for k, v in change.items()}
    code, rows, _ = run(account, settings=OWN.model_copy(update=update))
    assert code == 1
    assert rows["zone", "the account"]["status"] == "cannot"
    assert expected in rows["zone", "the account"]["said"]
    assert rows["bucket", "us-west-2"]["status"] == "made"


def test_two_zones_of_one_name_are_nobodys_choice_but_a_persons(account, run):
    for number in (1, 2):
        config = {"Comment": "", "PrivateZone": False}
        account.zones.append({"Id": f"/hostedzone/Z{number}", "Name": "x7k2.pay.acme.net.", "Config": config})
    said = run(account)[1]["zone", "the account"]
    assert said["status"] == "cannot"
    assert "more than once (Z1, Z2)" in said["said"]


def test_a_pagers_address_is_put_there_by_who_has_it(account, run):
    account.pagers = {"us-east-1"}
    code, rows, _ = run(account)
    assert code == 1
    said = rows["pager's address", "us-east-2"]
    assert said["status"] == "cannot"
    assert "aws ssm put-parameter --region us-east-2 --name /on-call/pager --type SecureString" in said["said"]
    assert rows["pager's address", "us-east-1"]["status"] == "there"


def test_cost_tags_are_activated_once_aws_lists_them_and_hold_nobody_up(account, run):
    code, rows, _ = run(account)
    assert (code, rows["cost allocation tags", "the account"]["status"]) == (0, "cannot")
    assert "24 hours" in rows["cost allocation tags", "the account"]["said"]
    account.tags = dict.fromkeys([*OWN.tags, "Environment", "DR-Role"], "Inactive")
    assert run(account)[1]["cost allocation tags", "the account"]["status"] == "made"
    assert set(account.tags.values()) == {"Active"}
    account.denied = frozenset({"list_cost_allocation_tags"})
    said = run(account)[1]["cost allocation tags", "the account"]
    assert "only the account that pays may" in said["said"]


@pytest.mark.parametrize(
    ("variables", "step", "expected"),
    [
        ({"PULUMI_BACKEND_URL": "s3://mine?region=us-east-1"}, "bucket", "us-east-1, which serves"),
        (
            {"PULUMI_SECRETS_PROVIDER": "awskms://alias/mine?region=us-east-2", "PULUMI_BACKEND_URL": "file:///x"},
            "key",
            "us-east-2, which serves",
        ),
        (
            {"PULUMI_SECRETS_PROVIDER": "awskms://12-34?region=us-west-2", "PULUMI_BACKEND_URL": "https://x.example"},
            "key",
            "names 12-34, and there is no such key",
        ),
    ],
)
def test_nothing_of_the_states_is_in_a_region_that_serves(account, run, variables, step, expected):
    code, rows, _ = run(account, variables=variables)
    assert code == 1
    (said,) = [row for (what, _), row in rows.items() if what == step]
    assert said["status"] == "cannot"
    assert expected in said["said"]


def test_what_the_user_has_named_is_what_is_made(account, run):
    variables = {
        "PULUMI_BACKEND_URL": "s3://mine?region=us-west-2",
        "PULUMI_SECRETS_PROVIDER": "awskms://alias/ours?region=us-west-2",
    }
    code, _, told = run(account, variables=variables)
    assert (code, told["variables"], account.alias) == (0, variables, "alias/ours")
    code, rows, _ = run(account, variables={"PULUMI_BACKEND_URL": "https://api.pulumi.com"})
    assert rows["bucket", "the account"]["said"].startswith("none: PULUMI_BACKEND_URL keeps the states in https://")


SECRET = f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:passphrase-AbCdEf"


@pytest.mark.parametrize(
    "given",
    [
        {"variables": {"PULUMI_CONFIG_PASSPHRASE_FILE": "passphrase"}},
        {"variables": {"PULUMI_CONFIG_PASSPHRASE": ""}},
        {"passphrase": SECRET},
    ],
    ids=str,
)
def test_stacks_with_a_passphrase_need_no_key(account, run, given):
    code, rows, told = run(account, **given)
    assert (code, account.key, told["variables"]) == (0, {}, {"PULUMI_BACKEND_URL": f"s3://{BUCKET}?region=us-west-2"})
    assert rows["key", "the account"]["said"].startswith("none: the stacks have a passphrase")
    assert not {"CreateKey", "PutBucketEncryption"} & set(account.changed)
    assert run(account, check=True, **given)[0] == 0


def test_a_key_that_is_named_counts_before_a_passphrase(account, run):
    provider = "awskms://alias/ours?region=us-west-2"
    run(account, variables={"PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_SECRETS_PROVIDER": provider})
    assert account.alias == "alias/ours"


def readable(account):
    """By action, what a team's role may read beside its layer."""
    documents = [json.loads(each[-1]) for arn, each in account.policies.items() if f"/{NETWORK}-" in arn]
    statements = [each for document in documents for each in document["Statement"]]
    return {
        action: {arn for each in statements if action in each["Action"] for arn in each["Resource"]}
        for action in ("secretsmanager:GetSecretValue", "kms:Decrypt", "s3:GetObject", "s3:ListBucket")
    }


def test_roles_that_could_not_read_the_passphrase_are_not_made(account, run):
    variables = {"PULUMI_CONFIG_PASSPHRASE_FILE": "passphrase"}
    code, rows, _ = run(account, variables=variables, takers=PEOPLE)
    row = rows["teams' roles", "the account"]
    assert (code, row["status"]) == (0, "cannot")
    assert "name the ARN of its secret with --passphrase" in row["said"]
    run(account, variables=variables, takers=PEOPLE, passphrase=SECRET)
    assert readable(account)["secretsmanager:GetSecretValue"] == {SECRET}
    assert not readable(account)["kms:Decrypt"]
    with pytest.raises(Problem, match="--passphrase 'payments' is no ARN of a secret"):
        run(account, takers=PEOPLE, passphrase="payments")


@pytest.mark.parametrize(
    ("key", "read"), [(KEY, {KEY}), ("1", {KEY}), ("alias/aws/s3", set())], ids=["ARN", "id", "AWS's own"]
)
def test_roles_may_use_the_key_of_the_bucket_also_where_the_stacks_have_a_passphrase(account, run, key, read):
    run(account)
    by = account.bucket["encryption"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    by["KMSMasterKeyID"] = key
    run(account, takers=PEOPLE, passphrase=SECRET)
    assert readable(account)["kms:Decrypt"] == read


@pytest.mark.parametrize("path", ["", "payments", "payments/states/"])
def test_states_are_found_in_the_folder_that_the_backends_address_names(account, path):
    variables = {"PULUMI_BACKEND_URL": f"s3://{BUCKET}/{path}?region=us-west-2"}
    place = Reach(variables, where="AWS", checkers=tuple, asks_first=True)
    state = {
        "checkpoint": {"latest": {"resources": [{"urn": "u", "type": "pulumi:pulumi:Stack", "outputs": {"a": 1}}]}}
    }
    folder = path.strip("/") + "/" if path else ""
    account.objects[f"{folder}.pulumi/stacks/data/payments.json"] = json.dumps(state).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "Aws", lambda _: account.aws)
        found = command.opened(OWN, place, "aws").states(Stack("data", "payments"))
    assert found is not None
    assert found.outputs == {"a": 1}


def test_roles_read_the_states_in_the_folder_that_the_backends_address_names(account, run):
    variables = {"PULUMI_BACKEND_URL": f"s3://{BUCKET}/payments?region=us-west-2"}
    told = run(account, variables=variables, takers=PEOPLE)[2]
    read = {arn for arn in readable(account)["s3:GetObject"] if BUCKET in arn}
    assert f"arn:aws:s3:::{BUCKET}/payments/.pulumi/stacks/network/payments-primary.*" in read
    assert all(arn.startswith(f"arn:aws:s3:::{BUCKET}/payments/.pulumi/") for arn in read)
    assert readable(account)["s3:ListBucket"] == {f"arn:aws:s3:::{BUCKET}"}
    assert told["variables"].items() >= variables.items()


def test_a_bucket_of_somebody_elses_is_not_touched(account, run):
    account.denied = frozenset({"head_bucket"})
    code, rows, _ = run(account)
    assert code == 1
    assert "another account's, or you may not ask" in rows["bucket", "us-west-2"]["said"]
    assert "CreateBucket" not in account.changed


def test_a_load_balancer_needs_no_role_for_access_logs(account, run):
    assert not any(what == "role for access logs" for what, _ in run(account, settings=TRADING)[1])
    assert LOG_ROLE not in account.roles


BESIDE = {
    "s3:PutBucketOwnershipControls": "CreateBucket with ObjectOwnership (S3 API Reference, CreateBucket, Permissions)",
    "kms:Decrypt": "GetObject of what a key encrypts (S3 User Guide, Using SSE-KMS, Permissions)",
    "kms:TagResource": "CreateKey with tags (KMS API Reference, CreateKey, Required permissions)",
    "iam:TagRole": "CreateRole with tags (IAM User Guide, Tagging IAM roles, Permissions required)",
    "iam:TagPolicy": "CreatePolicy with tags (IAM User Guide, Tagging customer managed policies, Permissions required)",
    "iam:PassRole": "UpdateAccount with a role (API Gateway Developer Guide, Set up CloudWatch logging)",
}
"""What AWS asks for beside an operation's own action."""


def asked_in_every_way(account, run):
    """What the bootstrap asks of AWS, by service, in an account where it has everything to do, and much again."""
    takers = replace(PEOPLE, repository=WORKFLOWS.repository)
    account.concurrency, account.vpcs, account.audiences = 10, 5, ["somebody"]
    account.tags = dict.fromkeys([*OWN.tags, "Environment", "DR-Role"], "Inactive")
    account.cut = "create_key"
    with pytest.raises(KeyboardInterrupt):
        run(account, takers=takers)
    run(account, takers=takers)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{NETWORK}-"
    account.policies[f"{arn}1"] = ["{}"] * 5
    account.attached[NETWORK].append(f"{arn}9")
    account.audiences = []
    del account.bucket["wall"]
    run(account, takers=PEOPLE, passphrase=SECRET)
    run(account, takers=replace(takers, people=("user/new",)))
    run(account, settings=TRADING)
    found = defaultdict(set)
    for service, _, operation, _ in account.aws.asked:
        found[service].add(operation)
    return found


def test_whoever_runs_it_is_told_of_every_right_that_it_needs_and_of_no_other(account, run):
    asked = asked_in_every_way(account, run)
    sources = [import_module(f"orchestration.bootstrap.{each.name}") for each in iter_modules(package.__path__)]
    said = {name for module in [*sources, quotas, preflight, aws] for name in team_rights.names_in(module)}
    every = {xform_name(each) for name in asked for each in SESSION.get_service_model(name).operation_names}
    made = {xform_name(operation) for operations in asked.values() for operation in operations}
    assert said & every == made, "the runs above do not ask for everything that the sources can"
    needed = {right for name, operations in asked.items() for right in team_rights.actions(name, operations)}
    text = (ROOT / "docs" / "deploying-to-aws.md").read_text(encoding="utf-8").partition("### 2. Rights")[2]
    table = re.findall(r"`([a-z0-9]+:[A-Za-z0-9…]+)`", text.partition("Who deploys needs")[0])
    room_takes = re.findall(r"`([a-z0-9]+:[A-Za-z0-9]+)`", text.partition(" It takes ")[2].partition("\n\n")[0])
    assert sorted(set(table + room_takes)) == sorted(needed | BESIDE.keys())
    assert all(map(team_rights.Reference().knows, needed | BESIDE.keys()))
