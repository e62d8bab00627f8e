"""Each fact is told as it is, turns when the cloud does, and counts for the exit code; nothing is waited for long."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections import Counter, defaultdict
from datetime import timedelta
from types import SimpleNamespace

import pytest

from engine.backend import Checkpoint, Lock, Update
from orchestration import commands, operator
from orchestration.api import ApiResponse
from orchestration.baking import Baking
from orchestration.choice import Choice
from orchestration.fingerprint import TAG, WITHDRAWN, Fingerprint
from orchestration.graph import Graph
from orchestration.reach import Reach
from orchestration.readiness import command, ending, moving, records
from orchestration.readiness.records import LastDrill
from orchestration.releases import ALIAS, Release, Releases, Serving
from shared import fence
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT
from shared.stack import Stack
from tests.doubles.fit_cloud import CHECKERS, NOW, FitCloud, refused

DEADLINE = 60.0
DAY = 86_400
OURS = '{"update": "u"}'
COMPUTE = Stack("compute", "payments", "secondary")
UNBAKED = Baking(5, 0.0, Serving({}, {})).to_tag()


class Scene:
    """An environment that is fit, and what may be otherwise."""

    def __init__(self, name, state, monkeypatch, capsys):
        self.name, self.state, self.capsys = name, state, capsys
        self.environment = Environment.load(name)
        self.cloud = FitCloud(self.environment)
        self.stacks = Graph.of(name, aside=self.environment.aside).stacks
        self.updates = {stack: Update("update", OURS, succeeded=True, began=NOW) for stack in self.stacks}
        self.states = dict.fromkeys(self.stacks, Checkpoint())
        self.tags = {stack: {TAG: Fingerprint("u", {}).to_tag()} for stack in self.stacks}
        self.locks = defaultdict(list)
        self.drilled = LastDrill("hang", passed=True, verdict="passed", at=time.time() - 5 * DAY)
        self.health = {"primary": [200], "secondary": [200]}
        self.published = CHECKERS
        self.ran("drift", dict.fromkeys(self.stacks, "unchanged"), hours_ago=2)
        place = Reach({}, "there", lambda: self.published, operator={"who": "operator"}, now=NOW.timestamp, state=state)
        monkeypatch.setattr(command, "reach", lambda *_: place)
        monkeypatch.setattr(command, "Aws", lambda _: self.cloud.aws("caller"))
        monkeypatch.setattr(operator, "Aws", lambda _: self.cloud.aws("operator"))
        monkeypatch.setattr(moving, "entry", self._entry)
        self.backend = SimpleNamespace(
            newest_update=self.updates.get,
            checkpoint=self.states.get,
            tags=self.tags.get,
            locks=self.locks.__getitem__,
        )
        monkeypatch.setattr(records, "books", lambda _: SimpleNamespace(backend=self.backend))

    def _entry(self, _, region, __):
        def ask(*_):
            answers = self.health[self.cloud.role(region)]
            told = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(told, Exception):
                raise told
            return ApiResponse(told, {}, {})

        return SimpleNamespace(ask=ask)

    def ran(self, operation, statuses, *, hours_ago, target="sandbox"):
        """Leave the record of a run."""
        at = time.gmtime(time.time() - hours_ago * 3600)
        run = f"{time.strftime('%Y%m%dT%H%M%S', at)}.000000Z-{operation}"
        folder = self.state / "runs" / run
        folder.mkdir(parents=True)
        stacks = [{"stack": str(stack), "status": status} for stack, status in statuses.items()]
        told = {"run": run, "operation": operation, "environment": self.name, "target": target, "stacks": stacks}
        (folder / "run.json").write_text(json.dumps({**told, "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", at)}))

    def forget_runs(self):
        for path in (self.state / "runs").glob("*/run.json"):
            path.unlink()

    def ask(self, days=30, deadline=DEADLINE, *, compare=False):
        choice = Choice(self.name, json=True)
        code = command.readiness(choice, days, lambda _: self.drilled, compare=compare, deadline=deadline)
        told = json.loads(self.capsys.readouterr().out)
        assert told["fit"] is (code == 0)
        assert [each["fact"] for each in told["facts"] if each["verdict"] != "ok" and not each["todo"]] == []
        return {each["fact"]: each for each in told["facts"]}, code, told


@pytest.fixture
def scene(tmp_path, monkeypatch, capsys):
    made = Scene("payments", tmp_path / "orchestration", monkeypatch, capsys)
    yield made
    made.cloud.released.set()


@pytest.mark.parametrize("name", ["payments", "trading"])
def test_what_is_fit_is_told_so(name, tmp_path, monkeypatch, capsys):
    found, code, told = Scene(name, tmp_path / "orchestration", monkeypatch, capsys).ask()
    assert {what: row for what, row in found.items() if row["verdict"] != "ok"} == {}
    assert (code, told["fit_now"], told["days"]) == (0, True, 30)
    assert found["drift"]["age_seconds"] == pytest.approx(2 * 3600, abs=60)
    assert found["last drill"]["age_seconds"] == pytest.approx(5 * DAY, abs=60)
    assert found["fence"]["age_seconds"] == 0


def test_what_is_kept_of_the_stacks_is_read_once_for_each_and_for_all_at_once(scene):
    """The kind: what takes a moment where stacks are in files takes longer than a row has, where they are far away."""
    asked, together = Counter(), threading.Barrier(len(scene.stacks), timeout=5)
    backend = scene.backend

    def counting(name, read):
        def ask(stack):
            asked[name, stack] += 1
            if name == "newest_update":
                together.wait()
            return read(stack)

        return ask

    vars(backend).update({name: counting(name, read) for name, read in vars(backend).items()})
    assert scene.ask()[0]["stacks"]["verdict"] == "ok"
    assert set(asked.values()) == {1}
    assert len(asked) == 4 * len(scene.stacks)


def test_a_backend_that_does_not_answer_is_not_known(scene):
    def out(_):
        raise Problem("no answer within 60 s")

    scene.backend.tags = out
    row = scene.ask()[0]["stacks"]
    assert (row["verdict"], "no answer within 60 s" in json.dumps(row)) == ("unknown", True)


def answers(operation, change, role=None):
    return lambda scene: scene.cloud.plant(role, operation, change)


def raises(operation, error, role=None):
    def change(_):
        raise error

    return answers(operation, change, role)


def sets(name, value):
    return lambda scene: setattr(scene, name, value)


def metric(name, value):
    def change(scene):
        before = scene.cloud.metric
        scene.cloud.metric = lambda region, asked: value if asked == name else before(region, asked)

    return change


def said_of_switch(text):
    return answers("get_object", lambda told: told.update(Body=io.BytesIO(text.encode())))


def fenced(told):
    told.update(Item={fence.FROM: {"N": str(int(NOW.timestamp() * 1000) - 60_000)}})


def replica_of_table(told):
    told["Table"]["Replicas"][0]["ReplicaStatus"] = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"


def in_every_stack(status):
    def change(scene):
        scene.forget_runs()
        scene.ran("drift", dict.fromkeys(scene.stacks, status), hours_ago=1)

    return change


def one_stack(scene):
    scene.forget_runs()
    scene.ran("drift", {scene.stacks[0]: "unchanged"}, hours_ago=1)


def deployed_since(status):
    return lambda scene: scene.ran("deploy", {scene.stacks[0]: status}, hours_ago=1)


def killed_since(scene):
    """A run that was killed leaves a record without an end."""
    scene.ran("deploy", {}, hours_ago=1)
    (path,) = (scene.state / "runs").glob("*-deploy/run.json")
    told = json.loads(path.read_text())
    path.write_text(json.dumps({name: told[name] for name in told if name not in {"ended", "stacks"}}))


def keeps(what, value):
    """What one stack has otherwise, though the newest entry of its history succeeded."""
    return lambda scene: getattr(scene, what).update({COMPUTE: value})


def half_released(scene):
    """An engine was killed that had moved an alias: it leaves no entry, and nothing pending."""
    alias = {"functionName": "pay", "name": "live", "functionVersion": "2"}
    scene.states[COMPUTE] = Checkpoint([{"type": ALIAS, "outputs": alias}])
    complete = Releases(Release("a", Serving({("pay", "live"): "1"}, {}), 0))
    complete.write(SimpleNamespace(tag=lambda _, name, told: scene.tags[COMPUTE].update({name: told})), COMPUTE)


def failed_update(scene):
    scene.updates[scene.stacks[2]] = Update("update", "", succeeded=False, began=NOW)


def forgotten(scene):
    del scene.updates[scene.stacks[2]]


def subscription(number, **change):
    return answers(
        "list_subscriptions_by_topic", lambda told: told["Subscriptions"][number].update(change), "secondary"
    )


def nobody_subscribed(told):
    for each in told["Subscriptions"][:-1]:
        each["SubscriptionArn"] = "PendingConfirmation"


def certificate(**change):
    return answers("describe_certificate", lambda told: told["Certificate"].update(change), "secondary")


def runtime(name):
    return answers("list_functions", lambda told: told["Functions"][0].update(Runtime=name))


def keys(*ages, status="Active"):
    found = [{"Status": status, "CreateDate": NOW - timedelta(days=age)} for age in ages]
    return answers("list_access_keys", lambda told: told.update(AccessKeyMetadata=found))


def drill(days_ago, *, passed=True):
    at = time.time() - days_ago * DAY
    return sets("drilled", LastDrill("hang", passed=passed, verdict="passed" if passed else "missed (late)", at=at))


def short_logs(told):
    for each in told["logGroups"]:
        each.update(retentionInDays=1)


def version_of_one_parameter(told):
    told["Parameters"][0]["Version"] = 2


def open_to_all(told):
    anywhere = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    told["SecurityGroups"][1]["IpPermissions"].append(anywhere)


PLANTS = {
    "thrown switch": (said_of_switch("primary: stop"), "stop switch", "not fit", "keeps the primary out"),
    "switch unread": (raises("get_object", refused("AccessDenied")), "stop switch", "unknown", "cannot read"),
    "new checkers": (sets("published", ("15.177.0.0/18", "1.2.3.0/24")), "switch's readers", "not fit", "1.2.3.0/24"),
    "odd checkers": (sets("published", ("none",)), "switch's readers", "unknown", "no list of ranges"),
    "left fence": (answers("get_item", fenced), "fence", "not fit", "and is in DNS"),
    "dead standby": (lambda scene: scene.health.update(secondary=[503]), "secondary (us-east-2)", "not fit", "503"),
    "deaf standby": (
        lambda scene: scene.health.update(secondary=[Problem("no answer")]),
        "secondary (us-east-2)",
        "not fit",
        "no answer",
    ),
    "lost replica": (answers("describe_table", replica_of_table, "primary"), "table, primary", "not fit", "INACCESS"),
    "no witness": (
        answers("describe_table", lambda told: told["Table"].pop("GlobalTableWitnesses"), "secondary"),
        "table, secondary",
        "not fit",
        "no witness",
    ),
    "key on its way out": (
        answers("describe_key", lambda told: told["KeyMetadata"].update(KeyState="PendingDeletion"), "secondary"),
        "data key, secondary",
        "not fit",
        "PendingDeletion",
    ),
    "copies off": (
        answers(
            "get_bucket_replication",
            lambda told: told["ReplicationConfiguration"]["Rules"][0].update(Status="Disabled"),
            "primary",
        ),
        "audit records' copies, primary",
        "not fit",
        "rule to-secondary is Disabled",
    ),
    "no copies": (
        raises("get_bucket_replication", refused("ReplicationConfigurationNotFoundError"), "secondary"),
        "audit records' copies, secondary",
        "not fit",
        "rule to-primary is not there",
    ),
    "parameter by hand": (
        answers("get_parameters_by_path", version_of_one_parameter, "secondary"),
        "parameters",
        "attention",
        "changed in one region alone",
    ),
    "parameter elsewhere": (
        answers("get_parameters_by_path", lambda told: told["Parameters"][0].update(Value="https://x"), "secondary"),
        "parameters",
        "not fit",
        "/endpoint: String https://<region>-api",
    ),
    "no parameter": (
        answers("get_parameters_by_path", lambda told: told["Parameters"].pop(), "secondary"),
        "parameters",
        "not fit",
        "api-keys-secret is not in us-east-2",
    ),
    "no pager": (
        answers("describe_parameters", lambda told: told.update(Parameters=[]), "secondary"),
        "parameters",
        "not fit",
        "/on-call/pager is not in us-east-2",
    ),
    "small reservation": (
        answers("get_function_concurrency", lambda told: told.update(ReservedConcurrentExecutions=50), "secondary"),
        ("executions at failover load, secondary", "regions alike: functions"),
        "not fit",
        "has 50 of the 398 executions",
    ),
    "small account": (
        answers("get_account_settings", lambda told: told["AccountLimit"].update(UnreservedConcurrentExecutions=90)),
        ("executions at failover load, secondary", "executions at failover load, primary"),
        "not fit",
        "90 of 1000 unreserved",
    ),
    "small throttle": (
        answers("get_account", lambda told: told["throttleSettings"].update(rateLimit=500.0), "secondary"),
        "requests at failover load, secondary",
        "not fit",
        "530/s",
    ),
    "untold throttle": (
        answers("get_account", dict.clear, "secondary"),
        "requests at failover load, secondary",
        "unknown",
        "does not tell",
    ),
    "busy standby": (metric("FailoverTraffic", 7.0), "standby", "not fit", "serves clients: 7 requests"),
    "unasked standby": (metric("Invocations", None), "standby", "not fit", "nobody has asked for its health"),
    "other code": (
        answers("get_function_configuration", lambda told: told.update(CodeSha256="other"), "secondary"),
        "regions alike: functions",
        "not fit",
        "Function health: codeSha256",
    ),
    "rule of a security group gone": (
        answers(
            "describe_security_groups", lambda told: told["SecurityGroups"][0].pop("IpPermissionsEgress"), "secondary"
        ),
        "regions alike: network",
        "not fit",
        "SecurityGroup payment-functions-<role>: to com.amazonaws.<region>.s3, tcp 443-443 allowed: to s3 and nothing",
    ),
    "rule of a security group wider": (
        answers("describe_security_groups", open_to_all, "primary"),
        "regions alike: network",
        "not fit",
        "SecurityGroup payment-endpoints-<role>: from 0.0.0.0/0, tcp 443-443 allowed and nothing",
    ),
    "another group on an endpoint": (
        answers("describe_vpc_endpoints", lambda told: told["VpcEndpoints"][0].update(Groups=[]), "secondary"),
        "regions alike: network",
        "not fit",
        "securityGroups.0 payment-endpoints-<role> and nothing",
    ),
    "another group on a function": (
        answers(
            "get_function_configuration",
            lambda told: told["VpcConfig"].update(SecurityGroupIds=["sg-0123456789abcdef0"]),
            "secondary",
        ),
        "regions alike: functions",
        "not fit",
        "Function audit: securityGroups.0 payment-functions-<role> and <id>",
    ),
    "policy of a role gone": (
        answers("list_role_policies", lambda told: told.update(PolicyNames=[]), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "Role processor: inline.payment-processor-<role>-x7k2.statement.0.action.0 logs:CreateLogStream and nothing",
    ),
    "right of a role gone": (
        answers("get_role_policy", lambda told: told["PolicyDocument"]["Statement"].pop(), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "statement.1.action.0 kms:Decrypt and nothing",
    ),
    "attached policy gone": (
        answers("list_attached_role_policies", lambda told: told.update(AttachedPolicies=[]), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "Role audit: attached.arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess AWSXRayDaemonWriteAccess and nothing",
    ),
    "role for somebody else": (
        answers("get_role", lambda told: told["Role"].update(AssumeRolePolicyDocument={"Statement": []}), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "assumeRolePolicyDocument.statement.0",
    ),
    "entry point may not call": (
        raises("get_policy", refused("ResourceNotFoundException"), "secondary"),
        "regions alike: functions' callers",
        "not fit",
        "Function processor: allowed.create-payment.condition",
    ),
    "failed calls lost": (
        answers(
            "list_function_event_invoke_configs",
            lambda told: told.update(FunctionEventInvokeConfigs=[]),
            "secondary",
        ),
        "regions alike: functions' callers",
        "not fit",
        "Function audit: asynchronous.live.",
    ),
    "queue unread": (
        answers(
            "list_event_source_mappings",
            lambda told: told["EventSourceMappings"][0].update(State="Disabled"),
            "secondary",
        ),
        "regions alike: functions' callers",
        "not fit",
        "EventSourceMapping notifications: state Enabled and Disabled",
    ),
    "reader of a queue gone": (
        answers("list_event_source_mappings", lambda told: told["EventSourceMappings"].pop(0), "secondary"),
        "regions alike: functions' callers",
        "not fit",
        "only us-east-1 has EventSourceMapping notifications",
    ),
    "domain gone": (
        answers("get_domain_names", lambda told: told["items"].pop(0), "secondary"),
        "regions alike: REST API",
        "not fit",
        "only us-east-1 has DomainName api.x7k2.pay.example.com",
    ),
    "domain leads nowhere": (
        answers("get_base_path_mappings", lambda told: told["items"][0].update(restApiId="zyxwvuts98"), "secondary"),
        "regions alike: REST API",
        "not fit",
        "leadsTo.(none) api, v1 and another API, v1",
    ),
    "old TLS": (
        answers("get_domain_names", lambda told: told["items"][1].update(securityPolicy="TLS_1_0"), "secondary"),
        "regions alike: REST API",
        "not fit",
        "securityPolicy SecurityPolicy_TLS13_1_2_2021_06 and TLS_1_0",
    ),
    "old TLS of the API": (
        answers("get_rest_apis", lambda told: told["items"][0].update(securityPolicy="TLS_1_0"), "secondary"),
        "regions alike: REST API",
        "not fit",
        "securityPolicy SecurityPolicy_TLS13_1_2_2021_06 and TLS_1_0",
    ),
    "alarms may not publish": (
        answers("get_topic_attributes", lambda told: told["Attributes"].update(Policy="{}"), "secondary"),
        "regions alike: topics",
        "not fit",
        "Topic failover-topic: policy.statement.0.condition",
    ),
    "record not subscribed": (
        answers("list_subscriptions_by_topic", lambda told: told["Subscriptions"].pop(), "secondary"),
        "regions alike: topics",
        "not fit",
        "only us-east-1 has TopicSubscription sqs arn:aws:sqs:<region>:1:q",
    ),
    "undelivered lost": (
        answers("get_subscription_attributes", lambda told: told["Attributes"].pop("RedrivePolicy"), "secondary"),
        "regions alike: topics",
        "not fit",
        "redrivePolicy.deadLetterTargetArn",
    ),
    "method gone": (
        answers("get_resources", lambda told: told.update(items=[]), "secondary"),
        "regions alike: REST API",
        "not fit",
        "only us-east-1 has Method POST /payment",
    ),
    "firewall off": (
        answers("get_web_acl", lambda told: told["WebACL"].update(Rules=[]), "secondary"),
        "regions alike: firewall",
        "not fit",
        "rules.0.name rate and nothing",
    ),
    "sweep off": (
        answers("list_rules", lambda told: told["Rules"][0].update(State="DISABLED"), "secondary"),
        "regions alike: schedules",
        "not fit",
        "EventRule sweep: state ENABLED and DISABLED",
    ),
    "short log": (
        answers("describe_log_groups", short_logs, "secondary"),
        "regions alike: log groups",
        "not fit",
        "retentionInDays 90 and 1",
    ),
    "queue gone": (
        answers("list_queues", dict.clear, "secondary"),
        "regions alike: queues",
        "not fit",
        "only us-east-1 has Queue notifications",
    ),
    "unversioned bucket": (
        answers("get_bucket_versioning", lambda told: told.update(Status="Suspended"), "secondary"),
        "regions alike: buckets",
        "not fit",
        "versioning.status Enabled and Suspended",
    ),
    "no recovery": (
        raises("describe_continuous_backups", refused("Throttling"), "secondary"),
        "regions alike: table",
        "unknown",
        "us-east-2: cannot ask dynamodb's describe_continuous_backups",
    ),
    "endpoint gone": (
        answers("describe_vpc_endpoints", lambda told: told.update(VpcEndpoints=[]), "secondary"),
        "regions alike: network",
        "not fit",
        "only us-east-1 has VpcEndpoint",
    ),
    "other threshold": (
        answers("describe_alarms", lambda told: _first(told).update(Threshold=9.0), "secondary"),
        "regions alike: alarms",
        "not fit",
        "MetricAlarm alarms-errors: threshold 1.0 and 9.0",
    ),
    "actions off": (
        answers("describe_alarms", lambda told: _first(told).update(ActionsEnabled=False), "secondary"),
        ("alarms' actions, secondary", "regions alike: alarms"),
        "not fit",
        "off: payment-errors-secondary-x7k2",
    ),
    "unconfirmed mail": (
        subscription(0, SubscriptionArn="PendingConfirmation"),
        "subscriptions, secondary",
        "attention",
        "on-call@example.com has not confirmed",
    ),
    "another mail": (
        subscription(0, Endpoint="another@example.com"),
        "subscriptions, secondary",
        "attention",
        "on-call@example.com is not subscribed",
    ),
    "nobody told": (
        answers("list_subscriptions_by_topic", nobody_subscribed, "secondary"),
        "subscriptions, secondary",
        "not fit",
        "nobody is reached",
    ),
    "certificate soon": (
        certificate(NotAfter=NOW + timedelta(days=20)),
        "certificate, secondary",
        "attention",
        "20 days",
    ),
    "certificate ended": (certificate(NotAfter=NOW), "certificate, secondary", "not fit", "0 days"),
    "certificate unused": (
        certificate(RenewalEligibility="INELIGIBLE"),
        "certificate, secondary",
        "attention",
        "ACM does not renew it",
    ),
    "renewal stuck": (
        certificate(RenewalSummary={"RenewalStatus": "PENDING_VALIDATION"}),
        "certificate, secondary",
        "attention",
        "renewal PENDING_VALIDATION",
    ),
    "certificate revoked": (certificate(Status="REVOKED"), "certificate, secondary", "not fit", "REVOKED"),
    "no certificate": (
        answers("list_certificates", lambda told: told["CertificateSummaryList"].pop(0), "secondary"),
        "certificate, secondary",
        "not fit",
        "none for use2-api.x7k2.pay.example.com",
    ),
    "unknown runtime": (
        runtime("python4.0"),
        ("functions' runtime, secondary", "functions' runtime, primary"),
        "unknown",
        "no date is known for python4.0",
    ),
    "canary stopped": (
        answers("describe_canaries", lambda told: told["Canaries"][0]["Status"].update(State="STOPPED"), "secondary"),
        ("canaries' runtime, secondary", "regions alike: canaries"),
        "not fit",
        "not running: payment-pays-in-secondary-secondary-x7k2",
    ),
    "canary deprecated": (
        answers("describe_canaries", lambda told: told["Canaries"][0].update(RuntimeVersion="syn-python-selenium-5.1")),
        ("canaries' runtime, secondary", "canaries' runtime, primary"),
        "attention",
        "deprecated: syn-python-selenium-5.1 since 2026-02-03",
    ),
    "canary's runtime ends": (
        answers(
            "describe_runtime_versions",
            lambda told: told["RuntimeVersions"][0].update(DeprecationDate=NOW + timedelta(days=20)),
        ),
        ("canaries' runtime, secondary", "canaries' runtime, primary"),
        "attention",
        f"deprecated: syn-python-selenium-14.0 from {NOW + timedelta(days=20):%Y-%m-%d}",
    ),
    "canary's runtime unknown": (
        answers("describe_runtime_versions", lambda told: told["RuntimeVersions"].pop(0)),
        ("canaries' runtime, secondary", "canaries' runtime, primary"),
        "attention",
        "AWS has no runtime syn-python-selenium-14.0",
    ),
    "no operator": (
        lambda scene: setattr(scene.cloud, "may_act", False),
        "operations role",
        "attention",
        "may not take it on",
    ),
    "old key": (keys(20, 61), "break-glass credentials", "attention", "2 active keys, the oldest 61 days old"),
    "no key": (keys(5, status="Inactive"), "break-glass credentials", "attention", "has no active access key"),
    "failed update": (failed_update, "stacks", "not fit", "its newest update failed: data/payments"),
    **{
        f"newest release {why}": (plant, "stacks", "not fit", f"{why}: {COMPUTE}")
        for why, plant in {
            "its last update was interrupted": keeps("states", Checkpoint(pending=({"type": "creating"},))),
            "an update of it is running": keeps("locks", [Lock("x", 4711, "another-machine", "ci", NOW)]),
            "its last release was rolled back": keeps("tags", {TAG: WITHDRAWN}),
            "the bake of its release did not come to its end": keeps("tags", {TAG: UNBAKED}),
            "its last update was not recorded as complete": keeps("tags", {TAG: Fingerprint("x", {}).to_tag()}),
            "it was updated by hand since": keeps("updates", Update("update", "by hand", succeeded=True)),
            "its last update did not come to its end": half_released,
        }.items()
    },
    "stack gone": (forgotten, "stacks", "not fit", "not deployed: data/payments"),
    "drifted": (in_every_stack("changed"), "drift", "not fit", "network/payments-secondary differs"),
    "drift failed": (in_every_stack("failed"), "drift", "not fit", "network/payments-secondary failed"),
    "never compared": (Scene.forget_runs, "drift", "unknown", "never compared"),
    "compared in part": (one_stack, "drift", "unknown", "not compared: network/payments-primary"),
    "changed since": (deployed_since("changed"), "drift", "attention", "stacks were changed since"),
    "failed since": (deployed_since("failed"), "drift", "attention", "stacks were changed since"),
    "interrupted since": (deployed_since("interrupted"), "drift", "attention", "stacks were changed since"),
    "killed since": (killed_since, "drift", "attention", "stacks were changed since"),
    "being changed": (in_every_stack("not compared"), "drift", "unknown", "not compared, as another run was changing"),
    "never drilled": (sets("drilled", None), "last drill", "unknown", "none with a verdict"),
    "missed drill": (drill(3, passed=False), "last drill", "not fit", "hang: missed (late)"),
    "old drill": (drill(61), "last drill", "attention", "hang: passed"),
}
"""What is planted; the facts that it turns; to what; and what is said of the first of them."""


def _first(told):
    """The first alarm of an answer, of whichever kind it is."""
    return next(iter(told.get("MetricAlarms", [{}])))


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_turns_its_fact_and_the_exit_code_and_no_other(scene, name):
    plant, facts, verdict, said = PLANTS[name]
    plant(scene)
    found, code, told = scene.ask()
    facts = (facts,) if isinstance(facts, str) else facts
    turned = {what: row["verdict"] for what, row in found.items() if row["verdict"] != "ok"}
    assert turned.keys() == set(facts)
    assert turned[facts[0]] == verdict
    assert said in found[facts[0]]["value"]
    assert code == 1
    assert told["fit_now"] is (verdict == "attention")


def test_every_fact_is_turned_by_something(scene):
    """So that none is there that cannot fail."""
    found, _, _ = scene.ask()
    turned = {
        re.sub(r", (primary|secondary)$", "", fact)
        for _, facts, *_ in PLANTS.values()
        for fact in ((facts,) if isinstance(facts, str) else facts)
    }
    by_secrets = {"API keys", "database credentials", "API keys' replica"}
    assert {re.sub(r", (primary|secondary)$", "", what) for what in found} - turned - by_secrets == {
        "primary (us-east-1)"
    }


@pytest.mark.parametrize(
    ("change", "role", "keys", "replicas"),
    [
        (lambda told: told.update(VersionIdsToStages={"two": ["AWSCURRENT"]}), "secondary", "not fit", "not fit"),
        (lambda told: told.update(ReplicationStatus=[]), "primary", "ok", "not fit"),
        (lambda told: told["ReplicationStatus"][0].update(Status="Failed"), "primary", "ok", "not fit"),
    ],
)
def test_secrets_are_the_same_and_are_kept_so(scene, change, role, keys, replicas):
    scene.cloud.plant(role, "describe_secret", change)
    found, code, _ = scene.ask()
    assert code == 1
    assert found["API keys"]["verdict"] == keys
    assert found["API keys' replica"]["verdict"] == found["database credentials"]["verdict"] == replicas


@pytest.mark.parametrize(("late", "failed"), [(15 * 60 + 1.0, None), (1.0, 3.0)])
def test_copies_that_are_late_or_failed_are_told(scene, late, failed):
    told = {"ReplicationLatency": late, "OperationsFailedReplication": failed, "Invocations": 60.0}
    scene.cloud.metric = lambda _, name: told.get(name)
    found, code, _ = scene.ask()
    assert code == 1
    assert found["audit records' copies, secondary"]["verdict"] == "not fit"


@pytest.mark.parametrize(
    ("days", "plant", "fact"),
    [
        (60, drill(45), "last drill"),
        (60, keys(45), "break-glass credentials"),
        (60, certificate(NotAfter=NOW + timedelta(days=45)), "certificate, secondary"),
        (1200, runtime("python3.13"), "functions' runtime, secondary"),
    ],
)
def test_how_long_it_is_to_be_fit_is_asked(scene, days, plant, fact):
    plant(scene)
    found, code, _ = scene.ask(days=30)
    assert (found[fact]["verdict"], code) == ("ok", 0)
    found, code, told = scene.ask(days=days)
    assert (found[fact]["verdict"], code, told["fit_now"]) == ("attention", 1, True)


def test_a_runtime_that_has_ended_is_not_fit(scene, monkeypatch):
    monkeypatch.setattr(ending, "LAMBDA_ENDS", {"python3.13": NOW.date()})
    found, _, _ = scene.ask()
    assert found["functions' runtime, primary"]["verdict"] == "not fit"


def test_a_comparison_of_more_than_a_day_ago_is_told(scene):
    scene.forget_runs()
    scene.ran("drift", dict.fromkeys(scene.stacks, "unchanged"), hours_ago=25)
    scene.ran("drift", dict.fromkeys(scene.stacks, "changed"), hours_ago=1, target="aws")
    found, code, _ = scene.ask()
    assert (found["drift"]["verdict"], code) == ("attention", 1)
    assert found["drift"]["age_seconds"] > 24 * 3600


def test_a_deployment_that_changed_nothing_leaves_the_comparison_valid(scene):
    deployed_since("unchanged")(scene)
    assert scene.ask()[1] == 0


def test_one_health_answer_of_three_is_enough_as_for_a_health_check(scene):
    scene.health["primary"] = [Problem("no answer"), 503, 200]
    assert scene.ask()[1] == 0


def test_a_fence_before_a_primary_that_is_out_of_dns_is_as_it_should_be(scene):
    answers("get_item", fenced)(scene)
    said_of_switch("primary: stop")(scene)
    found, _, _ = scene.ask()
    assert found["fence"]["verdict"] == "ok"
    assert found["stop switch"]["verdict"] == "not fit"


@pytest.mark.parametrize("lost", ["primary", "secondary"])
def test_without_a_region_what_it_alone_can_tell_is_unknown_in_time(scene, lost, monkeypatch):
    monkeypatch.setattr(command, "WHOSE", 1.0)
    scene.cloud.hanging = {scene.environment.region(lost)}
    begun = time.monotonic()
    found, code, told = scene.ask(deadline=3.0)
    assert time.monotonic() - begun < 10
    assert (code, told["fit_now"]) == (1, False)
    rest = "secondary" if lost == "primary" else "primary"
    own = {what: row["verdict"] for what, row in found.items() if what.endswith(f", {lost}")}
    assert set(own.values()) == {"unknown"}
    others = {
        what: row["verdict"]
        for what, row in found.items()
        if what.endswith(f", {rest}") and "copies" not in what  # of which either region tells a part
    }
    assert set(others.values()) == {"ok"}
    assert found["regions alike: functions"]["verdict"] == "unknown"
    assert found["drift"]["verdict"] == "ok"


@pytest.fixture
def comparing(scene, monkeypatch):
    """Plant what comes of the comparison of all stacks."""

    def plant(code=0, error=None):
        def compared(*_, **__):
            if error:
                raise error
            return SimpleNamespace(code=code)

        place = SimpleNamespace(cli=SimpleNamespace(variables={}), backend=SimpleNamespace(checkpoint=lambda _: {}))
        monkeypatch.setattr(commands, "choose", lambda *_: place)
        monkeypatch.setattr(commands, "operate", compared)

    return plant


def test_a_comparison_that_is_broken_off_ends_it_and_no_fact_is_asked(scene, comparing):
    comparing(code=130)
    with pytest.raises(KeyboardInterrupt):
        scene.ask(compare=True)
    assert scene.capsys.readouterr().out == ""
    assert scene.cloud.asked == set()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Problem("the states are lost"), "the states are lost"),
        (FileNotFoundError(2, "gone", "/state"), "cannot use /state: gone; fix it and run this again"),
    ],
)
def test_where_nothing_can_be_compared_that_alone_is_unknown_and_why(scene, comparing, error, said):
    comparing(error=error)
    found, code, _ = scene.ask(compare=True)
    assert {what: row["verdict"] for what, row in found.items() if row["verdict"] != "ok"} == {"drift": "unknown"}
    assert (found["drift"]["value"], found["drift"]["todo"], code) == (said, "./invoke drift", 1)


def test_a_comparison_that_found_something_is_told_by_its_record(scene, comparing):
    comparing(code=1)
    in_every_stack("changed")(scene)
    found, _, _ = scene.ask(compare=True)
    assert found["drift"]["verdict"] == "not fit"


@pytest.mark.parametrize("days", [-1, 3651])
def test_days_that_are_none_are_refused(scene, days):
    with pytest.raises(Problem, match=f"--days {days}"):
        scene.ask(days=days)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"ok": 9}, "Fit to take over now, and for 30 days."),
        ({"ok": 9, "attention": 2}, "Fit to take over now, but not for 30 days: 2 attention."),
        ({"ok": 9, "attention": 2, "unknown": 1}, "Not known to be fit to take over: 1 unknown, 2 attention."),
        ({"not fit": 1}, "Not known to be fit to take over: 1 not fit."),
    ],
)
def test_it_is_summed_up_in_a_sentence(counts, said):
    assert command.summed_up(counts, 30) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "now"), (59, "now"), (300, "5 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds, said):
    assert command.shown_age(seconds) == said


def test_people_get_a_table_with_what_to_do(scene):
    drill(3, passed=False)(scene)
    assert command.readiness(Choice("payments"), 30, lambda _: scene.drilled, deadline=DEADLINE) == 1
    out = scene.capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("last drill")]
    assert "not fit" in line
    assert line.endswith("./invoke drill")
    assert out.endswith("Not known to be fit to take over: 1 not fit.\n")


S3_ACTIONS = {
    "get_bucket_replication": "GetReplicationConfiguration",
    "get_bucket_encryption": "GetEncryptionConfiguration",
    "get_bucket_lifecycle_configuration": "GetLifecycleConfiguration",
    "get_public_access_block": "GetBucketPublicAccessBlock",
    "list_buckets": "ListAllMyBuckets",
}
"""Where S3's actions are called otherwise than its operations (Service Authorization Reference)."""


def action(service, operation):
    if service == "apigateway":
        return "apigateway:get"
    name = S3_ACTIONS.get(operation, operation) if service == "s3" else operation
    prefix = "elasticloadbalancing" if service == "elbv2" else service
    return f"{prefix}:{name.replace('_', '')}".lower()


def test_its_rights_are_those_that_the_document_lists(tmp_path, monkeypatch, capsys):
    asked = set()
    for name in ("payments", "trading"):
        scene = Scene(name, tmp_path / name / "orchestration", monkeypatch, capsys)
        scene.ask()
        asked |= {action(service, operation) for who, service, operation in scene.cloud.asked if who == "caller"}
    text = (ROOT / "docs" / "readiness.md").read_text()
    listed = re.findall(r"`([a-z0-9]+:[A-Za-z0-9]+)`", text.partition("## Rights")[2])
    assert {each.lower() for each in listed} == asked
