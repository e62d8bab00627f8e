"""AWS WAF before each region's entry point: who is let in first, and what is counted or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from projects.edge.managed_rules import GROUPS, RuleGroup
from projects.edge.switch_object import checker_ranges
from shared import naming
from shared.components.regions import Region
from shared.contracts import ComputeOutputs
from shared.environment_sections import FirewallSettings, Mode, RateSettings
from shared.roles import PerRole, Role

if TYPE_CHECKING:
    from pulumi_aws.wafv2 import (
        WebAclRuleArgsDict,
        WebAclRuleStatementArgsDict,
        WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgsDict,
        WebAclRuleVisibilityConfigArgsDict,
    )

API_KEY = "x-api-key"
HEALTH_PATH = "/health"
LOGGED = ("BLOCK", "COUNT", "EXCLUDED_AS_COUNT")

FORBIDDEN, TOO_MANY = "forbidden", "throttled"
PROBLEMS = {
    FORBIDDEN: {
        "type": "/problems/forbidden",
        "title": "The request is not allowed",
        "status": 403,
        "detail": "Do not repeat it as it is.",
    },
    TOO_MANY: {
        "type": "/problems/throttled",
        "title": "Too many requests",
        "status": 429,
        "detail": "Try again later, with the same Idempotency-Key.",
    },
}
"""What AWS WAF answers by itself: as application/json, as it takes no other type of JSON and no Content-Type of ours
(AWS WAF API Reference, CustomResponse). A REST API says application/problem+json of what it refuses by its gateway
response, which a custom response would come before (API Gateway Developer Guide, "Gateway response types")."""


class Firewall(pulumi.ComponentResource):
    """A web ACL in each region, before the API's stage or the load balancer.

    In order: Route 53's checkers reach /health whatever the rest says; AWS's managed rules; and a rate by API key. By
    key, not by address: after a failover the largest merchant's clients come back from one address, all at once.
    Neither a failover nor a way back needs anything of it.
    """

    def __init__(
        self, name: str, regions: PerRole[Region], settings: FirewallSettings, compute: PerRole[ComputeOutputs]
    ) -> None:
        super().__init__("payments:edge:Firewall", name)
        self._name = name
        self._settings = settings
        for role, region in regions.items():
            self._guard(role, region, compute.of(role))
        self.register_outputs({})

    def _guard(self, role: Role, region: Region, compute: ComputeOutputs) -> None:
        options = region.options(self)
        # WAF takes no prefix list. Each update of this layer brings it up to date, as the stop switch's readers.
        checkers = aws.wafv2.IpSet(
            f"{self._name}-checkers-{role}",
            name=region.named(naming.CHECKER_ADDRESSES),
            description="Health checkers of Route 53, as AWS publishes them",
            scope="REGIONAL",
            ip_address_version="IPV4",
            addresses=checker_ranges(region),
            opts=options,
        )
        acl = aws.wafv2.WebAcl(
            f"{self._name}-{role}",
            name=region.named(naming.FIREWALL),
            description=f"Before the API of {region.foundation.name}, {role}",
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=list(self._rules(checkers.arn, compute)),
            custom_response_bodies=[
                {"key": key, "content_type": "APPLICATION_JSON", "content": json.dumps(problem)}
                for key, problem in PROBLEMS.items()
            ],
            # A key in a log or a sample would be one that pays. Hashed, it still says whose requests are one client's.
            data_protection_config={
                "data_protections": [
                    {"action": "HASH", "field": {"field_type": "SINGLE_HEADER", "field_keys": [API_KEY]}}
                ]
            },
            visibility_config={
                "cloudwatch_metrics_enabled": True,
                "metric_name": region.named(naming.FIREWALL),
                "sampled_requests_enabled": True,
            },
            opts=options,
        )
        log = aws.cloudwatch.LogGroup(
            f"{self._name}-{role}",
            name=region.named(naming.FIREWALL_LOG_GROUP),
            retention_in_days=region.foundation.log_retention_days.access,
            opts=options,
        )
        aws.wafv2.WebAclLoggingConfiguration(
            f"{self._name}-{role}",
            resource_arn=acl.arn,
            log_destination_configs=[log.arn],
            # What no rule finds is in the entry point's own log.
            logging_filter={
                "default_behavior": "DROP",
                "filters": [
                    {
                        "behavior": "KEEP",
                        "requirement": "MEETS_ANY",
                        "conditions": [{"action_condition": {"action": action}} for action in LOGGED],
                    }
                ],
            },
            opts=options,
        )
        aws.wafv2.WebAclAssociation(
            f"{self._name}-{role}",
            resource_arn=_entry_point(compute),
            web_acl_arn=acl.arn,
            # A resource has one web ACL: the old association's end would take the new one away.
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(delete_before_replace=True)),
        )

    def _rules(self, checkers: pulumi.Input[str], compute: ComputeOutputs) -> Iterator[WebAclRuleArgsDict]:
        first = _rule("route53-checkers", 0, _asks_health_from(checkers))
        first["action"] = {"allow": {}}
        yield first
        # A load balancer's own answer is a page; a REST API's gateway response says application/problem+json.
        answers = compute.rest_api is None
        for place, group in enumerate(GROUPS, 1):
            yield _managed(group, place, self._settings.managed, answers=answers)
        yield _rate(self._settings.rate, len(GROUPS) + 1)


def _entry_point(compute: ComputeOutputs) -> pulumi.Input[str]:
    if compute.rest_api is not None:
        return compute.rest_api.stage_arn
    if compute.load_balancer is not None:
        return compute.load_balancer.arn
    raise ValueError("a region has a REST API or a load balancer")


def _asks_health_from(addresses: pulumi.Input[str]) -> WebAclRuleStatementArgsDict:
    """Its end, as a path that names a stage begins with that."""
    return {
        "and_statement": {
            "statements": [
                {"ip_set_reference_statement": {"arn": addresses}},
                {
                    "byte_match_statement": {
                        "field_to_match": {"uri_path": {}},
                        "positional_constraint": "ENDS_WITH",
                        "search_string": HEALTH_PATH,
                        "text_transformations": [{"priority": 0, "type": "NONE"}],
                    }
                },
            ]
        }
    }


def _managed(group: RuleGroup, priority: int, mode: Mode, *, answers: bool) -> WebAclRuleArgsDict:
    """`answers`: what is refused has the web ACL's answer, else the entry point's own."""
    counted: list[WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgsDict] = [
        {"name": name, "action_to_use": {"count": {}}} for name in group.counting
    ]
    answered: list[WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgsDict] = [
        {
            "name": name,
            "action_to_use": {
                "block": {"custom_response": {"response_code": 403, "custom_response_body_key": FORBIDDEN}}
            },
        }
        for name in (group.blocking if answers else ())
    ]
    overrides = [*counted, *answered]
    statement: WebAclRuleStatementArgsDict = {
        "managed_rule_group_statement": {"vendor_name": "AWS", "name": group.name, "rule_action_overrides": overrides}
    }
    rule = _rule(group.purpose, priority, statement)
    if mode == "count":
        rule["override_action"] = {"count": {}}  # whatever a rule of the group says
    else:
        rule["override_action"] = {"none": {}}
    return rule


def _rate(rate: RateSettings, priority: int) -> WebAclRuleArgsDict:
    """Who sends no key is not counted here: such a request pays nothing, and the function answers 401."""
    statement: WebAclRuleStatementArgsDict = {
        "rate_based_statement": {
            "aggregate_key_type": "CUSTOM_KEYS",
            "custom_keys": [
                {"header": {"name": API_KEY, "text_transformations": [{"priority": 0, "type": "NONE"}]}},
            ],
            "limit": rate.requests,
            "evaluation_window_sec": rate.window_seconds,
        }
    }
    rule = _rule(naming.RATE_RULE, priority, statement)
    if rate.mode == "count":
        rule["action"] = {"count": {}}
    else:
        rule["action"] = {
            "block": {
                "custom_response": {
                    "response_code": 429,
                    "custom_response_body_key": TOO_MANY,
                    "response_headers": [{"name": "Retry-After", "value": str(rate.window_seconds)}],
                }
            }
        }
    return rule


def _rule(name: str, priority: int, statement: WebAclRuleStatementArgsDict) -> WebAclRuleArgsDict:
    visible: WebAclRuleVisibilityConfigArgsDict = {
        "cloudwatch_metrics_enabled": True,
        "metric_name": name,
        "sampled_requests_enabled": True,
    }
    return {"name": name, "priority": priority, "statement": statement, "visibility_config": visible}
