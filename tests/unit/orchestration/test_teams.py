"""Team roles: explicit, within IAM's limits, and none reaches into another's layer."""

from __future__ import annotations

import json
import re

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from orchestration.baking import watching
from orchestration.choice import Choice
from orchestration.graph import Graph
from orchestration.smoke import CHECKED_LAYER
from orchestration.teams import commands, policies, roles
from orchestration.teams.policies import DRIFT, PLAN, StateStore
from orchestration.teams.roles import Takers
from orchestration.teams.targets import TeamTargets
from shared import naming
from shared.contracts import LAYERS
from shared.environment import Environment
from shared.errors import Problem
from tests.doubles.iam_judge import misjudged

ACCOUNT = "123456789012"
OTHERS = "210987654321"
TAKERS = Takers("owner/name", ("user/somebody",))
STORE = StateStore(
    "states", f"arn:aws:kms:us-west-2:{ACCOUNT}:key/k", f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:p"
)
NOT_IN_THE_LIST = re.compile(
    r"arn:aws:apigateway:[\w-]+::/(account|restapis|domainnames)|apigateway:\w+ is never"
    r"|kms:DescribeKey is never|:alias/\S+ is a resource of none"
    r"|no condition token\.actions\.githubusercontent\.com:(aud|sub)$"
)
"""The list mixes up both versions of API Gateway, and has no identity provider's keys; AWS's pages have both. A key's
description is asked for by an alias, too, which is not there before the first deployment."""
READ = ("Describe", "Get", "GET", "List")
SHARED_KEYS = {("data", "vault"), ("vault", "data")}
"""Both have keys of KMS of their own, and one tag for the environment: IAM cannot tell one's from the other's."""


def production(name="payments"):
    environment = Environment.load(name)
    vault = environment.vault.model_copy(update={"region": "us-west-2"})
    return environment.model_copy(update={"production": True, "vault": vault})


ENVIRONMENTS = {"payments": Environment.load("payments"), "trading": Environment.load("trading"), "vault": production()}


@pytest.fixture(params=ENVIRONMENTS)
def environment(request):
    return ENVIRONMENTS[request.param]


def statements(role):
    return [each for document in role.documents for each in document["Statement"]]


def test_there_is_a_role_for_each_layer_one_that_plans_and_one_that_compares(environment):
    found = roles.roles(environment, ACCOUNT, TAKERS)
    assert [each.layer for each in found] == [*LAYERS, *environment.aside, PLAN, DRIFT]
    assert len({each.name for each in found}) == len(found)
    assert all(environment.suffix in each.name for each in found)


def test_iam_takes_every_policy_and_none_says_anything_that_never_applies(environment):
    found = roles.roles(environment, ACCOUNT, TAKERS, STORE)
    wrong = [line for role in found for each in role.documents for line in misjudged(each)]
    wrong += [line for role in found for line in misjudged(role.trust, trust=True)]
    assert [line for line in wrong if not NOT_IN_THE_LIST.search(line)] == []


def test_policies_keep_within_iams_limits_and_are_the_same_each_time(environment):
    found = roles.roles(environment, ACCOUNT, TAKERS, STORE)
    for role in found:
        assert 1 <= len(role.documents) <= policies.MOST_POLICIES
        for document in role.documents:
            assert len(re.sub(r"\s", "", json.dumps(document))) <= policies.LONGEST_POLICY
    assert found == roles.roles(environment, ACCOUNT, TAKERS, STORE)


def test_every_action_is_named(environment):
    for role in roles.roles(environment, ACCOUNT, TAKERS, STORE):
        for each in statements(role):
            assert not {"NotAction", "NotResource"} & each.keys()
            assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9]+", action) for action in each["Action"])


def test_what_has_a_name_is_named_and_what_has_a_tag_is_told_by_it(environment):
    for role in roles.roles(environment, ACCOUNT, TAKERS):
        for each in statements(role):
            for resource in each["Resource"]:
                if resource.endswith(policies.UNTAGGED):
                    assert each["Action"] == ["ec2:DeleteNetworkInterface", "ec2:DetachNetworkInterface"]
                elif resource.startswith(policies.TAGGED) and resource.endswith("/*"):
                    assert "aws:ResourceTag/Environment" in json.dumps(each["Condition"]), each
                elif re.match(
                    r"arn:aws:(s3|dynamodb|lambda:.*:function|sqs|logs|events|secretsmanager|iam):", resource
                ):
                    assert environment.suffix in resource or "aws-service-role" in resource or "cwsyn" in resource, (
                        resource
                    )


def test_a_role_is_passed_to_the_service_that_it_is_for_and_to_no_other(environment):
    for role in roles.roles(environment, ACCOUNT, TAKERS):
        passing = [each for each in statements(role) if "iam:PassRole" in each["Action"]]
        for each in passing:
            assert each["Action"] == ["iam:PassRole"]
            assert list(each["Condition"]["StringEquals"]) == ["iam:PassedToService"]
        passed = {arn for each in passing for arn in each["Resource"]}
        makes = {arn for each in statements(role) if "iam:CreateRole" in each["Action"] for arn in each["Resource"]}
        assert passed <= makes
        assert bool(passed) == (role.layer not in {PLAN, DRIFT})


def may(role, action, resource, environment, *, tagged=True):
    """Whether a role's policies allow it, of something that has the environment's tag unless `tagged` is false."""
    context = EvalContext(
        principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/x",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=environment.regions.primary,
        service_context={
            **({"aws:resourcetag/environment": environment.label} if tagged else {}),
            "kms:viaservice": "s3.us-east-1.amazonaws.com",
        },
    )
    return evaluate(context, [parse_policy_document(each) for each in role.documents]).decision == "Allow"


def changes(layer, environment):
    """What a team changes of its own: each action that the sandbox was asked for, on each resource of the layer."""
    targets = TeamTargets(environment, ACCOUNT)
    for how in policies.HOW:
        for group in policies.rights()[layer][how]:
            for action in group["actions"]:
                if action not in policies.USES and not action.partition(":")[2].startswith(READ):
                    for pattern in group["resources"]:
                        for arn in targets.arns(pattern):
                            if arn != "*":
                                yield action, arn.replace("*", "x").replace("??????", "abcdef")


def test_no_team_changes_what_is_anothers(environment):
    found = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}
    tried, reached = 0, []
    for owner in policies.teams(environment):
        for action, arn in changes(owner, environment):
            if "grey-failure" in arn or "vault-copies" in arn:
                continue  # they have their own test
            for other in found.keys() - {owner}:
                tried += 1
                if may(found[other], action, arn, environment) and not (
                    (owner, other) in SHARED_KEYS and arn.startswith("arn:aws:kms:")
                ):
                    reached.append((other, action, arn))
    assert tried > 1000
    assert reached == []


def test_a_team_may_do_what_it_was_recorded_for(environment):
    """Else nothing that is refused above would mean anything."""
    found = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}
    for owner in policies.teams(environment):
        refused = [
            (action, arn)
            for action, arn in changes(owner, environment)
            if not may(found[owner], action, arn, environment) and not ("-grey-failure" in arn or "vault-copies" in arn)
        ]
        assert refused == []


def test_edges_alarms_gate_the_primary_and_are_edges_alone(environment):
    found = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}
    names = environment.foundation().names
    alarm = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{names.of(naming.grey_failure_alarm('errors'), 'primary')}"
    for action in ("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:TagResource"):
        assert may(found["edge"], action, alarm, environment)
        assert not may(found["observability"], action, alarm, environment)


def test_who_adds_a_replica_may_what_aws_asks_for_of_the_table_in_every_region(environment):
    """DynamoDB copies the items, and makes the witness, in the caller's name."""
    found = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}
    names = environment.foundation().names
    for region in (environment.regions.primary, environment.regions.secondary, environment.regions.witness):
        table = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{names.of(naming.PAYMENTS_TABLE)}"
        for action in (
            *("CreateTableReplica", "DeleteTableReplica", "CreateGlobalTableWitness", "DeleteGlobalTableWitness"),
            *("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"),
        ):
            assert may(found["data"], f"dynamodb:{action}", table, environment), (action, region)
            assert not may(found["compute"], f"dynamodb:{action}", table, environment)


def test_who_makes_canaries_may_make_their_layers_and_read_those_of_synthetics(environment):
    role = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}["observability"]
    canary = environment.foundation().names.of(naming.synthetics("primary"), "primary")
    lambdas = f"arn:aws:lambda:{environment.regions.primary}"
    own = f"{lambdas}:{ACCOUNT}:layer:cwsyn-{canary}-1a2b"
    assert may(role, "lambda:PublishLayerVersion", own, environment)
    assert may(role, "lambda:GetLayerVersion", f"{own}:1", environment)
    assert may(role, "lambda:DeleteLayerVersion", f"{own}:1", environment)
    for action in ("GetFunction", "ListTags", "TagResource"):
        assert may(role, f"lambda:{action}", f"{lambdas}:{ACCOUNT}:function:cwsyn-{canary}-1a2b", environment), action
    for theirs in ("Synthetics_Selenium:76", "AWS-CW-Synthetics-Selenium:3"):
        layer = f"{lambdas}:{OTHERS}:layer:{theirs}"
        assert may(role, "lambda:GetLayerVersion", layer, environment), theirs
        assert not may(role, "lambda:DeleteLayerVersion", layer, environment)
    assert not may(role, "lambda:GetLayerVersion", f"{lambdas}:{OTHERS}:layer:another:1", environment)


def test_who_has_edge_may_put_a_firewall_before_a_stage_and_change_a_domain_name(environment):
    role = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}["edge"]
    gateway = f"arn:aws:apigateway:{environment.regions.primary}::"
    assert may(role, "apigateway:SetWebACL", f"{gateway}/restapis/a1b2c3/stages/{naming.STAGE}", environment)
    assert not may(role, "apigateway:SetWebACL", f"{gateway}/restapis/a1b2c3/stages/another", environment)
    assert may(role, "apigateway:PATCH", f"{gateway}/domainnames/api.{environment.zone_name}", environment)
    assert not may(role, "apigateway:PATCH", f"{gateway}/domainnames/api.example.net", environment)


def test_who_destroys_networks_may_take_down_what_lambda_has_left_in_them(environment):
    """An interface of Lambda's has no tags of ours: it is told by region and account alone."""
    found = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}
    for action in ("ec2:DetachNetworkInterface", "ec2:DeleteNetworkInterface"):
        interface = f"arn:aws:ec2:{environment.regions.secondary}:{ACCOUNT}:network-interface/eni-0a1b"
        assert may(found["network"], action, interface, environment, tagged=False)
        assert not may(found["compute"], action, interface, environment)
        elsewhere = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:network-interface/eni-0a1b"
        assert not may(found["network"], action, elsewhere, environment)


def test_who_releases_may_read_the_alarms_that_a_bake_watches(environment):
    found = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS, STORE)}
    for stack in policies.stacks(environment, CHECKED_LAYER):
        alarms = f"arn:aws:s3:::{STORE.bucket}/.pulumi/stacks/{watching(stack)}.json"
        assert may(found[CHECKED_LAYER], "s3:GetObject", alarms, environment)
    assert may(found[CHECKED_LAYER], "cloudwatch:DescribeAlarms", "*", environment)
    assert not may(found[CHECKED_LAYER], "cloudwatch:PutMetricAlarm", "*", environment)


def test_who_plans_changes_nothing_and_reads_no_secret(environment):
    found = {each.layer: each for each in roles.roles(environment, ACCOUNT, TAKERS)}
    actions = {
        layer: {action for each in statements(found[layer]) for action in each["Action"]} for layer in (PLAN, DRIFT)
    }
    for layer in (PLAN, DRIFT):
        assert all(each in policies.USES or each.partition(":")[2].startswith(READ) for each in actions[layer])
    assert actions[DRIFT] - actions[PLAN] == {"secretsmanager:GetSecretValue"}


def test_a_team_writes_its_own_states_and_reads_those_of_its_environment():
    found = {each.layer: each for each in roles.roles(ENVIRONMENTS["payments"], ACCOUNT, TAKERS, STORE)}

    def allowed(layer, action, path):
        return may(found[layer], action, f"arn:aws:s3:::states/.pulumi/{path}", ENVIRONMENTS["payments"])

    assert allowed("compute", "s3:PutObject", "stacks/compute/payments-primary.json")
    assert allowed("compute", "s3:PutObject", "locks/organization/compute/payments-primary/x.json")
    assert allowed("compute", "s3:GetObject", "stacks/network/payments-secondary.json")
    assert allowed("compute", "s3:GetObject", "stacks/edge/payments.pulumi-tags")
    assert allowed("network", "s3:GetObject", "stacks/edge/payments.json"), "whether clients are served"
    assert allowed(PLAN, "s3:GetObject", "history/edge/payments/payments-1.history.json")
    for action, path in (
        ("s3:PutObject", "stacks/network/payments-primary.json"),
        ("s3:PutObject", "stacks/compute/payments2-primary.json"),
        ("s3:PutObject", "history/network/payments-primary/payments-primary-1.history.json"),
        ("s3:GetObject", "stacks/edge/trading.json"),
    ):
        assert not allowed("compute", action, path), path
    assert allowed(PLAN, "s3:GetObject", "stacks/edge/payments.json")
    assert not allowed(PLAN, "s3:PutObject", "stacks/edge/payments.json")
    assert allowed(PLAN, "s3:GetObject", "locks/organization/edge/payments/x.json"), "who works on it"
    assert may(found["network"], "secretsmanager:GetSecretValue", STORE.passphrase, ENVIRONMENTS["payments"])


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:DeleteObject"])
def test_who_compares_locks_the_stacks_of_its_environment_meanwhile_and_writes_nothing_else(action):
    """The engine takes a lock for `refresh --preview-only` up to 3.228, and the older ones are taken too."""
    found = {each.layer: each for each in roles.roles(ENVIRONMENTS["payments"], ACCOUNT, TAKERS, STORE)}

    def allowed(layer, path):
        return may(found[layer], action, f"arn:aws:s3:::states/.pulumi/{path}", ENVIRONMENTS["payments"])

    for stack in Graph.of("payments").stacks:
        assert allowed(DRIFT, f"locks/{stack.reference}/x.json"), stack
        for path in (f"stacks/{stack.layer}/{stack.name}.json", f"history/{stack.layer}/{stack.name}/1.history.json"):
            assert not allowed(DRIFT, path), path
        assert not allowed(PLAN, f"locks/{stack.reference}/x.json")
    assert not allowed(DRIFT, "locks/organization/edge/trading/x.json")
    uses = {each for document in found[DRIFT].documents for one in document["Statement"] for each in one["Action"]}
    assert "kms:GenerateDataKey" in uses, "S3 encrypts a lock by the bucket's key"


def test_a_role_trusts_its_environments_of_the_repository_and_people_by_name():
    takers = Takers("owner@1/name@2", ("user/a", "arn:aws:iam::999999999999:role/b*"))
    (role,) = [each for each in roles.roles(ENVIRONMENTS["payments"], ACCOUNT, takers) if each.layer == "network"]
    workflow, here, elsewhere = role.trust["Statement"]
    assert workflow["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": [
            "repo:owner@1/name@2:environment:network-primary",
            "repo:owner@1/name@2:environment:network-secondary",
        ],
    }
    assert here["Condition"] == {"ArnLike": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:user/a"]}}
    assert elsewhere["Principal"] == {"AWS": "arn:aws:iam::999999999999:root"}
    assert elsewhere["Condition"] == {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::999999999999:role/b*"]}}


@pytest.mark.parametrize(
    ("account", "takers", "said"),
    [
        ("12", TAKERS, "--account '12' is no account id"),
        (ACCOUNT, Takers(), "nobody could take the roles on"),
        (ACCOUNT, Takers("owner"), "--repository 'owner' is not OWNER/NAME"),
        (ACCOUNT, Takers("", ("root",)), "--people 'root' is neither"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(account, takers, said):
    with pytest.raises(Problem, match=re.escape(said)):
        roles.roles(ENVIRONMENTS["payments"], account, takers)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": STORE.key}, "--state-key is for the states, and no --state is named: name their bucket too"),
        ({"passphrase": STORE.passphrase}, "--passphrase is for the states, and no --state is named"),
        ({"state": "states", "passphrase": "payments"}, "--passphrase 'payments' is no ARN of a secret"),
    ],
)
def test_an_option_that_would_be_dropped_is_refused(options, said):
    given = {"state": "", "key": "", "passphrase": "", **options}
    with pytest.raises(Problem, match=re.escape(said)):
        commands.team_roles(Choice(), ACCOUNT, "owner/name", "", out="", **given)


@pytest.mark.parametrize("state", ["states/payments", "states/payments/"])
def test_states_may_be_in_a_folder_of_the_bucket(tmp_path, state):
    commands.team_roles(Choice(), ACCOUNT, "owner/name", "", state, STORE.key, "", str(tmp_path))
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert '"arn:aws:s3:::states/payments/.pulumi/stacks/network/payments-primary.*"' in written
    assert '"arn:aws:s3:::states"' in written


def test_the_documents_are_written_one_by_one(tmp_path):
    found = roles.roles(ENVIRONMENTS["payments"], ACCOUNT, TAKERS)
    written = roles.write(found, tmp_path / "out")
    assert len(written) == sum(1 + len(each.documents) for each in found)
    assert json.loads((tmp_path / "out" / f"{found[0].name}.trust.json").read_text()) == found[0].trust
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="--out"):
        roles.write(found, tmp_path / "file" / "out")


def test_a_statement_that_is_too_long_is_cut_and_one_that_cannot_be_is_refused():
    long = {
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{each:0200}" for each in range(70)],
    }
    found = policies.documents([long])
    assert len(found) > 2
    assert sorted(arn for each in found for one in each["Statement"] for arn in one["Resource"]) == long["Resource"]
    with pytest.raises(Problem, match="longer than a policy may be"):
        policies.documents([{**long, "Resource": ["x" * 7000]}])
    with pytest.raises(Problem, match="more than the 10"):
        policies.documents([{**long, "Resource": [f"arn:aws:s3:::{each:0200}" for each in range(400)]}])
