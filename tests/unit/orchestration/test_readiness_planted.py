"""Each fact of readiness is turned by something that is planted, and by that alone; the exit code turns with it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from engine.backend import Checkpoint, Lock, Update
from orchestration.fingerprint import TAG, WITHDRAWN, Fingerprint
from shared.errors import Problem
from tests.doubles.fit_cloud import NOW, refused
from tests.doubles.fit_scene import FitScene
from tests.unit.orchestration.planted_unlike import UNLIKE
from tests.unit.orchestration.planting import (
    COMPUTE,
    UNBAKED,
    Planted,
    answers,
    certificate,
    deployed_since,
    drill,
    failed_update,
    fenced,
    first_alarm,
    forgotten,
    half_released,
    in_every_stack,
    keeps,
    keys,
    killed_since,
    metric,
    nobody_subscribed,
    one_stack,
    raises,
    replica_of_table,
    runtime,
    said_of_switch,
    sets,
    subscription,
    version_of_one_parameter,
)

PLANTS: dict[str, Planted] = {
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
    "actions off": (
        answers("describe_alarms", lambda told: first_alarm(told).update(ActionsEnabled=False), "secondary"),
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
    "never compared": (FitScene.forget_runs, "drift", "unknown", "never compared"),
    "compared in part": (one_stack, "drift", "unknown", "not compared: network/payments-primary"),
    "changed since": (deployed_since("changed"), "drift", "attention", "stacks were changed since"),
    "failed since": (deployed_since("failed"), "drift", "attention", "stacks were changed since"),
    "interrupted since": (deployed_since("interrupted"), "drift", "attention", "stacks were changed since"),
    "killed since": (killed_since, "drift", "attention", "stacks were changed since"),
    "being changed": (in_every_stack("not compared"), "drift", "unknown", "not compared, as another run was changing"),
    "never drilled": (sets("drilled", None), "last drill", "unknown", "none with a verdict"),
    "missed drill": (drill(3, passed=False), "last drill", "not fit", "hang: missed (late)"),
    "old drill": (drill(61), "last drill", "attention", "hang: passed"),
    **UNLIKE,
}


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_turns_its_fact_and_the_exit_code_and_no_other(fit_scene, name):
    plant, facts, verdict, said = PLANTS[name]
    plant(fit_scene)
    found, code, told = fit_scene.ask()
    facts = (facts,) if isinstance(facts, str) else facts
    turned = {what: row["verdict"] for what, row in found.items() if row["verdict"] != "ok"}
    assert turned.keys() == set(facts)
    assert turned[facts[0]] == verdict
    assert said in found[facts[0]]["value"]
    assert code == 1
    assert told["fit_now"] is (verdict == "attention")


def test_every_fact_is_turned_by_something(fit_scene):
    """So that none is there that cannot fail."""
    found, _, _ = fit_scene.ask()
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
def test_secrets_are_the_same_and_are_kept_so(fit_scene, change, role, keys, replicas):
    fit_scene.cloud.plant(role, "describe_secret", change)
    found, code, _ = fit_scene.ask()
    assert code == 1
    assert found["API keys"]["verdict"] == keys
    assert found["API keys' replica"]["verdict"] == found["database credentials"]["verdict"] == replicas


@pytest.mark.parametrize(("late", "failed"), [(15 * 60 + 1.0, None), (1.0, 3.0)])
def test_copies_that_are_late_or_failed_are_told(fit_scene, late, failed):
    told = {"ReplicationLatency": late, "OperationsFailedReplication": failed, "Invocations": 60.0}
    fit_scene.cloud.metric = lambda _, name: told.get(name)
    found, code, _ = fit_scene.ask()
    assert code == 1
    assert found["audit records' copies, secondary"]["verdict"] == "not fit"
