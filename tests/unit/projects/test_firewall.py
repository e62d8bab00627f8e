"""AWS WAF before both kinds of entry point: what comes first, what is counted or refused, and with which answer."""

from __future__ import annotations

import json

import pytest

from projects.compute.problems import WORDS
from projects.edge.managed_rules import GROUPS
from shared.environment import Environment
from shared.environment_sections import FirewallSettings, RateSettings
from tests.unit.projects.mocked_programs import CHECKERS, PAYMENTS, TRADING, published, run_environment, run_program

ROLES = ("primary", "secondary")
SUFFIX = {PAYMENTS: "x7k2", TRADING: "t9m4"}
KEY = [{"header": {"name": "x-api-key", "textTransformations": [{"priority": 0, "type": "NONE"}]}}]
UNITS = 1500
"""Of capacity; more cost more (AWS WAF pricing)."""


@pytest.fixture
def edge(profile):
    return run_environment(profile)[f"edge/{profile}"].recorder


@pytest.fixture
def blocking(monkeypatch, profile):
    """The rules of the primary, when all of them block."""
    load = Environment.load
    rate = RateSettings(mode="block", requests=200, window_seconds=120)

    def changed(name, root=None):
        environment = load(name, root)
        firewall = FirewallSettings(managed="block", rate=rate)
        return environment.model_copy(update={"edge": environment.edge.model_copy(update={"firewall": firewall})})

    monkeypatch.setattr(Environment, "load", changed)
    return rules(run_program("edge", profile, published(profile)).recorder, "primary")


def acl(recorder, role):
    return recorder.one("WebAcl", f"firewall-{role}")


def rules(recorder, role):
    found = {rule["name"]: rule for rule in acl(recorder, role)["rules"]}
    assert [rule["priority"] for rule in found.values()] == list(range(len(found)))
    return found


def overrides(rule):
    told = rule["statement"]["managedRuleGroupStatement"]["ruleActionOverrides"]
    return {each["name"]: each["actionToUse"] for each in told}


@pytest.mark.parametrize("role", ROLES)
def test_each_entry_point_has_a_web_acl_of_its_region(edge, profile, role):
    association, made = edge.one("WebAclAssociation", role), acl(edge, role)
    assert made.provider.split("::")[-2] == association.provider.split("::")[-2] == f"aws-{role}"
    assert (made["scope"], made["defaultAction"]) == ("REGIONAL", {"allow": {}})
    assert association["webAclArn"] == f"arn:aws:webacl:::{made['name']}"
    compute = run_environment(profile)[f"compute/{profile}-{role}"].exports
    entry = compute["rest_api"]["stage_arn"] if profile == PAYMENTS else compute["load_balancer"]["arn"]
    assert association["resourceArn"] == entry
    assert ("firewall", "WebAclAssociation") in {(each.name[:8], each.type.rpartition(":")[2]) for each in edge.cloud}


def test_a_new_web_acl_is_associated_when_the_old_one_is_not(edge):
    """A resource has one, so the end of the old association would be the end of the new one."""
    replaced = {key for key, first in edge.deleted_first.items() if first}
    assert replaced == {("aws:wafv2/webAclAssociation:WebAclAssociation", f"firewall-{role}") for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_route_53s_checkers_reach_health_before_any_other_rule(edge, profile, role):
    addresses = edge.one("IpSet", role)
    assert (addresses["addresses"], addresses["ipAddressVersion"]) == (sorted(CHECKERS), "IPV4")
    first = acl(edge, role)["rules"][0]
    assert (first["priority"], first["action"]) == (0, {"allow": {}})
    by_address, by_path = first["statement"]["andStatement"]["statements"]
    assert by_address == {"ipSetReferenceStatement": {"arn": f"arn:aws:ipset:::{addresses['name']}"}}
    path = by_path["byteMatchStatement"]
    assert (path["searchString"], path["positionalConstraint"]) == ("/health", "ENDS_WITH")
    assert path["fieldToMatch"] == {"uriPath": {}}
    assert SUFFIX[profile] in addresses["name"]


@pytest.mark.parametrize("role", ROLES)
def test_as_deployed_everything_is_counted_and_nothing_refused(edge, role):
    found = rules(edge, role)
    assert list(found) == ["route53-checkers", "ill-repute", "common", "bad-inputs", "rate-by-key"]
    for group in GROUPS:
        assert found[group.purpose]["overrideAction"] == {"count": {}}
        assert found[group.purpose]["statement"]["managedRuleGroupStatement"]["name"] == group.name
    assert found["rate-by-key"]["action"] == {"count": {}}


def test_a_rate_is_of_one_key_and_of_half_of_what_a_region_serves(edge, profile):
    rate = rules(edge, "primary")["rate-by-key"]["statement"]["rateBasedStatement"]
    assert (rate["aggregateKeyType"], rate["customKeys"]) == ("CUSTOM_KEYS", KEY)
    served = 400 if profile == PAYMENTS else 200
    assert (rate["limit"], rate["evaluationWindowSec"]) == (served * 60 / 2, 60)


def test_what_managed_rules_find_is_refused_as_a_problem(blocking, profile):
    """A REST API's own answer is application/problem+json; a load balancer's would be a page."""
    for group in GROUPS:
        assert blocking[group.purpose]["overrideAction"] == {"none": {}}
        found = overrides(blocking[group.purpose])
        assert {name: found.pop(name) for name in group.counting} == {key: {"count": {}} for key in group.counting}
        answer = {"block": {"customResponse": {"responseCode": 403, "customResponseBodyKey": "forbidden"}}}
        assert found == ({} if profile == PAYMENTS else dict.fromkeys(group.blocking, answer))


def test_a_body_that_the_function_takes_is_never_refused(blocking):
    assert overrides(blocking["common"])["SizeRestrictions_BODY"] == {"count": {}}


def test_a_key_over_its_rate_is_told_when_to_come_back(blocking):
    response = blocking["rate-by-key"]["action"]["block"]["customResponse"]
    assert (response["responseCode"], response["customResponseBodyKey"]) == (429, "throttled")
    assert response["responseHeaders"] == [{"name": "Retry-After", "value": "120"}]


@pytest.mark.parametrize("role", ROLES)
def test_the_answers_are_problem_details_in_the_words_of_the_api(edge, role):
    bodies = {each["key"]: each for each in acl(edge, role)["customResponseBodies"]}
    for kind, status in (("forbidden", 403), ("throttled", 429)):
        title, detail = WORDS[kind]
        document = {"type": f"/problems/{kind}", "title": title, "status": status, "detail": detail}
        assert json.loads(bodies[kind]["content"]) == document
        assert bodies[kind]["contentType"] == "APPLICATION_JSON"


@pytest.mark.parametrize("role", ROLES)
def test_no_key_is_in_a_sample_or_a_log(edge, role):
    """Nor in what is logged of the rate, which would say the key."""
    (protection,) = acl(edge, role)["dataProtectionConfig"]["dataProtections"]
    assert protection == {"action": "HASH", "field": {"fieldType": "SINGLE_HEADER", "fieldKeys": ["x-api-key"]}}


@pytest.mark.parametrize("role", ROLES)
def test_what_rules_find_is_logged_and_nothing_else(edge, profile, role):
    group, told = edge.one("LogGroup", f"firewall-{role}"), edge.one("WebAclLoggingConfiguration", role)
    assert group["name"].startswith("aws-waf-logs-")
    assert group["retentionInDays"] == Environment.load(profile).log_retention_days.access
    assert told["logDestinationConfigs"] == [f"arn:aws:loggroup:::{group['name']}"]
    assert told["loggingFilter"]["defaultBehavior"] == "DROP"
    (kept,) = told["loggingFilter"]["filters"]
    actions = {each["actionCondition"]["action"] for each in kept["conditions"]}
    assert (kept["behavior"], kept["requirement"]) == ("KEEP", "MEETS_ANY")
    assert actions == {"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"}


def test_each_rule_has_a_metric_of_its_own(edge):
    found = rules(edge, "primary")
    assert {name: rule["visibilityConfig"]["metricName"] for name, rule in found.items()} == {
        each: each for each in found
    }
    assert all(rule["visibilityConfig"]["cloudwatchMetricsEnabled"] for rule in found.values())


def test_the_rules_fit_into_the_capacity_of_a_web_acl():
    """AWS WAF Developer Guide: 1 for an IP set, 10 at most for bytes of a path, 2 for a rate and 30 for its key."""
    assert sum(group.capacity for group in GROUPS) + 1 + 10 + 2 + 30 <= UNITS


@pytest.mark.parametrize("role", ROLES)
def test_a_client_who_sends_too_much_raises_an_alarm_whether_counted_or_refused(profile, role):
    watch = run_environment(profile)[f"observability/{profile}-{role}"].recorder
    (alarm,) = [each for each in watch.of("MetricAlarm") if each.name == "alarms-api-key-rate"]
    named = acl(run_environment(profile)[f"edge/{profile}"].recorder, role)
    metrics = {each["id"]: each["metric"] for each in alarm["metricQueries"] if "metric" in each}
    assert {each["metricName"] for each in metrics.values()} == {"CountedRequests", "BlockedRequests"}
    for each in metrics.values():
        assert each["dimensions"]["WebACL"] == named["visibilityConfig"]["metricName"]
        assert (
            each["dimensions"]["Rule"]
            == rules(run_environment(profile)[f"edge/{profile}"].recorder, role)["rate-by-key"]["visibilityConfig"][
                "metricName"
            ]
        )
