"""The pack, as Pulumi's own analyzer runs it: `pulumi up --policy-pack ../../policies` in a project's folder."""

from __future__ import annotations

import functools
import os
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.deserialize import serialize_properties

from policies.asked import AskedResource
from policies.facts import Facts
from policies.rules import PACK, RULES, STACK_RULES, PolicyRule, StackRule


def main() -> None:
    facts = Facts.of_stack(os.environ["PULUMI_PROJECT"], os.environ["PULUMI_STACK"])
    each = [ResourceValidationPolicy(rule.name, rule.demands, functools.partial(_judge, rule, facts)) for rule in RULES]
    together = [
        StackValidationPolicy(rule.name, rule.demands, functools.partial(_judge_stack, rule)) for rule in STACK_RULES
    ]
    PolicyPack(PACK, [*each, *together], EnforcementLevel.MANDATORY)  # serves until the engine has gone


def _judge(rule: PolicyRule, facts: Facts, args: ResourceValidationArgs, report: ReportViolation) -> None:
    for said in rule.check(_asked(args), facts):
        report(said, None)


def _judge_stack(rule: StackRule, args: StackValidationArgs, report: ReportViolation) -> None:
    for asked, said in rule.check([_asked(each) for each in args.resources if each.resource_type in rule.types]):
        report(said, asked.urn)


def _asked(said: ResourceValidationArgs | PolicyResource) -> AskedResource:
    needs = said.property_dependencies if isinstance(said, PolicyResource) else {}
    return AskedResource(
        said.resource_type,
        said.name,
        _plain(said.props),
        _plain(said.provider.props) if said.provider else {},
        said.opts.protect,
        said.urn,
        {name: [each.urn for each in resources] for name, resources in needs.items()},
    )


def _plain(properties: Any) -> dict[str, Any]:
    """Without what raises an error where a preview does not know a value: rules know such values."""
    return dict(serialize_properties(properties))


if __name__ == "__main__":
    main()
