"""Network ACLs: ports, duplicates, and which subnet uses which."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from ministack.services import ec2

from sandbox.cloud.repairs.xml import element, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cloud.repairs.xml import Answer, Parameters

    Action = Callable[[Parameters], Answer]

_parameter = ec2._p
_acls = ec2._network_acls


def entries() -> None:
    """Entries lose their ports and ICMP types, and one number can be given twice in a direction."""
    create: Action = ec2._ACTION_MAP["CreateNetworkAclEntry"]
    replace: Action = ec2._ACTION_MAP["ReplaceNetworkAclEntry"]
    plain_xml = ec2._network_acl_entry_xml

    def noting(action: Action) -> Action:
        def act(parameters: Parameters) -> Answer:
            answer = action(parameters)
            if answer[0] == 200:
                entry = _acls[_parameter(parameters, "NetworkAclId")]["Entries"][-1]
                entry["Ranges"] = {
                    "portRange": _numbers(parameters, "PortRange", ("From", "To")),
                    "icmpTypeCode": _numbers(parameters, "Icmp", ("Code", "Type")),
                }
            return answer

        return act

    def create_once(parameters: Parameters) -> Answer:
        acl = _acls.get(_parameter(parameters, "NetworkAclId"))
        place = (int(_parameter(parameters, "RuleNumber") or 0), _parameter(parameters, "Egress") == "true")
        if acl and any((entry["RuleNumber"], entry["Egress"]) == place for entry in acl["Entries"]):
            message = f"The network acl entry identified by {place[0]} already exists."
            refused: Answer = ec2._error("NetworkAclEntryAlreadyExists", message, 400)
            return refused
        return noting(create)(parameters)

    def xml(entry: dict[str, Any]) -> str:
        ranges = {name: numbers for name, numbers in entry.get("Ranges", {}).items() if numbers}
        return within(plain_xml(entry), *(element(name, numbers) for name, numbers in ranges.items()))

    ec2._ACTION_MAP["CreateNetworkAclEntry"] = create_once
    ec2._ACTION_MAP["ReplaceNetworkAclEntry"] = noting(replace)
    ec2._network_acl_entry_xml = xml


def associations() -> None:
    """No subnet has a network ACL: there are no associations to replace, and filters by them are ignored."""
    describe: Action = ec2._ACTION_MAP["DescribeNetworkAcls"]

    def described(parameters: Parameters) -> Answer:
        _associate_new_subnets()
        filters = ec2._parse_filters(parameters)
        names = {"association.subnet-id": "SubnetId", "association.association-id": "NetworkAclAssociationId"}
        wanted = {field: filters[name] for name, field in names.items() if name in filters}
        if not wanted:
            return describe(parameters)
        found = [
            acl["NetworkAclId"]
            for acl in _acls.values()
            if any(all(each[field] in values for field, values in wanted.items()) for each in acl["Associations"])
        ]
        if not found:
            none: Answer = ec2._xml(200, "DescribeNetworkAclsResponse", "<networkAclSet/>")
            return none
        ids = {f"NetworkAclId.{number}": [acl] for number, acl in enumerate(found, 1)}
        return describe({**parameters, **ids})

    def replaced(parameters: Parameters) -> Answer:
        _associate_new_subnets()
        current, acl_id = _parameter(parameters, "AssociationId"), _parameter(parameters, "NetworkAclId")
        answer: Answer
        if acl_id not in _acls:
            answer = ec2._error("InvalidNetworkAclID.NotFound", f"The networkAcl ID '{acl_id}' does not exist", 400)
            return answer
        for acl in _acls.values():
            for each in acl["Associations"]:
                if each["NetworkAclAssociationId"] == current:
                    acl["Associations"].remove(each)
                    new = _associate(acl_id, each["SubnetId"])
                    answer = ec2._xml(200, "ReplaceNetworkAclAssociationResponse", element("newAssociationId", new))
                    return answer
        answer = ec2._error("InvalidAssociationID.NotFound", f"The association ID '{current}' does not exist", 400)
        return answer

    ec2._ACTION_MAP["DescribeNetworkAcls"] = described
    ec2._ACTION_MAP["ReplaceNetworkAclAssociation"] = replaced


def _numbers(parameters: Parameters, prefix: str, names: tuple[str, ...]) -> dict[str, int]:
    given = {name.lower(): _parameter(parameters, f"{prefix}.{name}") for name in names}
    return {name: int(value) for name, value in given.items() if value}


def _associate_new_subnets() -> None:
    """Give each new subnet its VPC's default network ACL, and forget the subnets that have gone."""
    subnets = ec2._subnets
    for acl in _acls.values():
        acl["Associations"] = [each for each in acl["Associations"] if each["SubnetId"] in subnets]
    known = {each["SubnetId"] for acl in _acls.values() for each in acl["Associations"]}
    defaults = {acl["VpcId"]: acl["NetworkAclId"] for acl in _acls.values() if acl["IsDefault"]}
    for subnet_id, subnet in subnets.items():
        if subnet_id not in known and subnet["VpcId"] in defaults:
            _associate(defaults[subnet["VpcId"]], subnet_id)


def _associate(acl_id: str, subnet_id: str) -> str:
    association = f"aclassoc-{secrets.token_hex(9)[:17]}"
    _acls[acl_id]["Associations"].append({"NetworkAclAssociationId": association, "SubnetId": subnet_id})
    return association
