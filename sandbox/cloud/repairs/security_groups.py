"""Security groups' rules."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from ministack.services import ec2

from sandbox.cloud.repairs.xml import element, within

if TYPE_CHECKING:
    from sandbox.cloud.repairs.xml import Parameters


def prefix_lists() -> None:
    """Rules lose their prefix list: a rule for a gateway endpoint would come out as one for nobody."""
    parse, xml = ec2._parse_ip_permissions, ec2._sg_rule_xml

    def parsed(parameters: Parameters, prefix: str) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = parse(parameters, prefix)
        for number, rule in enumerate(rules, 1):
            for place in count(1):
                name = f"{prefix}.{number}.PrefixListIds.{place}"
                if not (identity := ec2._p(parameters, f"{name}.PrefixListId")):
                    break
                description = ec2._p(parameters, f"{name}.Description")
                rule["PrefixListIds"].append(
                    {"PrefixListId": identity} | ({"Description": description} if description else {})
                )
        return rules

    def with_prefix_list(group: str, rule: dict[str, Any], is_egress: bool = False) -> str:
        item: str = xml(group, rule, is_egress)
        return within(item, *(element("prefixListId", each["PrefixListId"]) for each in rule.get("PrefixListIds", ())))

    ec2._parse_ip_permissions, ec2._sg_rule_xml = parsed, with_prefix_list
