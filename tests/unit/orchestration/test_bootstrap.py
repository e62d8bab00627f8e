"""The bootstrap on an account that AWS's models judge: each step looks, makes what is missing, and then finds it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from orchestration import report
from orchestration.bootstrap.account import LOG_ROLE, TRIES
from orchestration.preflight import missing, room
from orchestration.quotas import MADE_BY_BOOTSTRAP
from shared.errors import Problem
from tests.doubles.new_account import ACCOUNT
from tests.unit.orchestration.bootstrapped import BUCKET, OWN, TRADING


def statuses(rows):
    return {row["status"] for row in rows.values() if row["needed"]}


def test_a_new_account_gets_what_is_missing_and_the_second_run_changes_nothing(new_account, run_bootstrap):
    code, rows, told = run_bootstrap(new_account)
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
    made = len(new_account.changed)
    code, rows, again = run_bootstrap(new_account)
    assert (code, statuses(rows), again["variables"]) == (0, {"there"}, told["variables"])
    assert len(new_account.changed) == made


def test_what_somebody_else_has_set_stays(new_account, run_bootstrap):
    theirs = {"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:GetObject"}
    new_account.bucket = {"policy": json.dumps({"Version": "2012-10-17", "Statement": [theirs]})}
    new_account.log_roles["us-east-1"] = "arn:aws:iam::999999999999:role/theirs"
    _, rows, _ = run_bootstrap(new_account)
    assert json.loads(new_account.bucket["policy"])["Statement"][0] == theirs
    assert len(json.loads(new_account.bucket["policy"])["Statement"]) == 2
    assert new_account.log_roles["us-east-1"] == "arn:aws:iam::999999999999:role/theirs"
    assert rows["role for access logs", "us-east-1"]["status"] == "there"
    updated = [region for _, region, operation, _ in new_account.aws.asked if operation == "UpdateAccount"]
    assert updated == ["us-east-2"]


def test_check_only_looks_and_says_what_is_missing_with_awss_own_commands(new_account, run_bootstrap):
    code, rows, told = run_bootstrap(new_account, check=True)
    assert (code, told["ready"], new_account.changed) == (1, False, [])
    assert rows["bucket", "us-west-2"]["status"] == "missing"
    assert all(line.startswith("aws ") for row in rows.values() for line in row["by_hand"])
    run_bootstrap(new_account)
    assert run_bootstrap(new_account, check=True)[0] == 0


def test_without_a_yes_nothing_is_made_and_account_and_regions_were_said_before(
    new_account, run_bootstrap, monkeypatch
):
    told = []
    monkeypatch.setattr(report, "tell", told.append)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(Problem, match="not confirmed; nothing was changed"):
        run_bootstrap(new_account, yes=False)
    assert new_account.changed == []
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
def test_a_run_that_is_cut_off_is_finished_by_the_next_with_nothing_made_twice(new_account, run_bootstrap, cut):
    new_account.cut = cut
    with pytest.raises(KeyboardInterrupt):
        run_bootstrap(new_account)
    assert run_bootstrap(new_account)[0] == 0
    changed = new_account.changed
    for once in ("CreateKey", "CreateAlias", "CreateBucket", "CreateRole", "CreateHostedZone"):
        assert changed.count(once) == 1


def test_a_role_that_is_not_known_everywhere_yet_is_told_again(new_account, run_bootstrap):
    new_account.early = TRIES - 1
    assert run_bootstrap(new_account)[0] == 0
    new_account.log_roles.clear()
    new_account.early = 2 * TRIES
    code, rows, _ = run_bootstrap(new_account)
    assert code == 1
    assert rows["role for access logs", "us-east-1"]["status"] == "cannot"
    assert rows["bucket", "us-west-2"]["status"] == "there"


def test_a_role_that_is_gone_is_its_owners(new_account, run_bootstrap):
    new_account.log_roles["us-east-1"] = f"arn:aws:iam::{ACCOUNT}:role/gone"
    code, rows, _ = run_bootstrap(new_account)
    assert code == 1
    said = rows["role for access logs", "us-east-1"]
    assert said["status"] == "cannot"
    assert "role/gone, which is gone" in said["said"]
    assert new_account.log_roles["us-east-1"].endswith("gone")


def test_quotas_are_asked_for_once_where_the_preflight_would_refuse(new_account, run_bootstrap):
    new_account.concurrency = 10
    _, rows, _ = run_bootstrap(new_account)
    assert rows["quotas", "us-east-1"]["status"] == "made"
    assert "deploy-all refuses until they are" in rows["quotas", "us-east-1"]["said"]
    asked = [(each["ServiceCode"], each["QuotaCode"], each["DesiredValue"]) for each in new_account.wishes]
    assert set(asked) == {("lambda", "L-B99A9384", 1000.0)}
    number = len(asked)
    _, rows, _ = run_bootstrap(new_account)
    assert rows["quotas", "us-east-1"]["status"] == "there"
    assert len(new_account.wishes) == number


def test_what_is_deployed_needs_no_more_room(new_account):
    lacks = missing(OWN, (), lambda _: None)
    assert list(room(lacks, new_account.aws, OWN)) == []


def test_the_zones_name_servers_are_told_and_the_file_is_to_name_it(new_account, run_bootstrap):
    _, rows, _ = run_bootstrap(new_account)
    said = rows["zone", "the account"]
    assert said["values"] == {"zone_id": "Z1", "name_servers": ["ns-1.example", "ns-2.example"]}
    assert (
        "set NS records of x7k2.pay.acme.net where pay.acme.net is served: ns-1.example, ns-2.example" in said["said"]
    )
    assert "set edge.zone_id: Z1 in environments/payments.yaml" in said["said"]
    assert MADE_BY_BOOTSTRAP in new_account.zones[0]["Config"]["Comment"]
    given = OWN.model_copy(update={"edge": OWN.edge.model_copy(update={"zone_id": "Z1"})})
    said = run_bootstrap(new_account, settings=given)[1]["zone", "the account"]
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
def test_a_zone_that_cannot_be_is_said_and_the_rest_goes_on(new_account, run_bootstrap, change, expected):
    update = {k: OWN.edge.model_copy(update=v) if k == "edge" else v for k, v in change.items()}
    code, rows, _ = run_bootstrap(new_account, settings=OWN.model_copy(update=update))
    assert code == 1
    assert rows["zone", "the account"]["status"] == "cannot"
    assert expected in rows["zone", "the account"]["said"]
    assert rows["bucket", "us-west-2"]["status"] == "made"


def test_two_zones_of_one_name_are_nobodys_choice_but_a_persons(new_account, run_bootstrap):
    for number in (1, 2):
        config = {"Comment": "", "PrivateZone": False}
        new_account.zones.append({"Id": f"/hostedzone/Z{number}", "Name": "x7k2.pay.acme.net.", "Config": config})
    said = run_bootstrap(new_account)[1]["zone", "the account"]
    assert said["status"] == "cannot"
    assert "more than once (Z1, Z2)" in said["said"]


def test_a_pagers_address_is_put_there_by_who_has_it(new_account, run_bootstrap):
    new_account.pagers = {"us-east-1"}
    code, rows, _ = run_bootstrap(new_account)
    assert code == 1
    said = rows["pager's address", "us-east-2"]
    assert said["status"] == "cannot"
    assert "aws ssm put-parameter --region us-east-2 --name /on-call/pager --type SecureString" in said["said"]
    assert rows["pager's address", "us-east-1"]["status"] == "there"


def test_cost_tags_are_activated_once_aws_lists_them_and_hold_nobody_up(new_account, run_bootstrap):
    code, rows, _ = run_bootstrap(new_account)
    assert (code, rows["cost allocation tags", "the account"]["status"]) == (0, "cannot")
    assert "24 hours" in rows["cost allocation tags", "the account"]["said"]
    new_account.tags = dict.fromkeys([*OWN.tags, "Environment", "DR-Role"], "Inactive")
    assert run_bootstrap(new_account)[1]["cost allocation tags", "the account"]["status"] == "made"
    assert set(new_account.tags.values()) == {"Active"}
    new_account.denied = frozenset({"list_cost_allocation_tags"})
    said = run_bootstrap(new_account)[1]["cost allocation tags", "the account"]
    assert "only the account that pays may" in said["said"]


def test_a_load_balancer_needs_no_role_for_access_logs(new_account, run_bootstrap):
    assert not any(what == "role for access logs" for what, _ in run_bootstrap(new_account, settings=TRADING)[1])
    assert LOG_ROLE not in new_account.roles
