"""IAM: roles and their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting, tag_list
from sandbox.provider.schema import Integer, Json, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Iam(Resource):
    """What IAM's types share."""

    service = "iam"
    regional = False
    gone = ("NoSuchEntity",)


class Role(Iam):
    """A role."""

    resource_type = "aws:iam/role:Role"
    taggable = True
    properties = {
        "name": Text(replaces=True, api="roleName"),
        "assumeRolePolicy": Json(required=True, api="assumeRolePolicyDocument"),
        "description": Text(default=""),
        "maxSessionDuration": Integer(default=3600, within=(3600, 43200)),
        "path": Text(default="/", replaces=True),
        "permissionsBoundary": Text(),
    }
    outputs = ("arn", "createDate", "uniqueId")
    identity = ("name",)
    auto_name = "name"
    exists = ("EntityAlreadyExists",)

    def create(self) -> str:
        self.made = self.call("create_role", **self.arguments("create_role"), Tags=self.tag_list)["Role"]
        return str(self["name"])

    @setting("assumeRolePolicy")
    def _trust(self) -> None:
        self.call("update_assume_role_policy", RoleName=self.id, PolicyDocument=self["assumeRolePolicy"])

    @setting("description", "maxSessionDuration")
    def _describe(self) -> None:
        self.call(
            "update_role",
            RoleName=self.id,
            Description=self["description"],
            MaxSessionDuration=self["maxSessionDuration"],
        )

    @setting("permissionsBoundary")
    def _bound(self) -> None:
        if self.get("permissionsBoundary"):
            self.call(
                "put_role_permissions_boundary", RoleName=self.id, PermissionsBoundary=self["permissionsBoundary"]
            )
        else:
            self.call("delete_role_permissions_boundary", RoleName=self.id)

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("tag_role", RoleName=self.id, Tags=tag_list(tags))

    def untag(self, keys: Sequence[str]) -> None:
        self.call("untag_role", RoleName=self.id, TagKeys=keys)

    def read(self) -> Mapping[str, Any]:
        role = self.made or self.call("get_role", RoleName=self.id)["Role"]
        boundary = (role.pop("PermissionsBoundary", None) or {}).get("PermissionsBoundaryArn")
        return self.observed(
            {"Tags": [], **role, "PermissionsBoundary": boundary},
            createDate=role["CreateDate"].isoformat(),
            uniqueId=role["RoleId"],
        )

    def delete(self) -> None:
        self.call("delete_role", RoleName=self.id)


class RolePolicy(Iam):
    """A policy inside a role."""

    resource_type = "aws:iam/rolePolicy:RolePolicy"
    properties = {
        "role": Text(required=True, replaces=True, api="roleName"),
        "name": Text(replaces=True, api="policyName"),
        "policy": Json(required=True, api="policyDocument"),
    }
    identity = ("role", "name")
    auto_name = "name"

    def create(self) -> str:
        self._put()
        return f"{self['role']}:{self['name']}"

    @setting("policy")
    def _put(self) -> None:
        self.call("put_role_policy", **self.arguments("put_role_policy"))

    def _place(self) -> dict[str, str]:
        role, _, name = self.id.partition(":")
        return {"RoleName": role, "PolicyName": name}

    def read(self) -> Mapping[str, Any]:
        return self.observed(self.call("get_role_policy", **self._place()))

    def delete(self) -> None:
        self.call("delete_role_policy", **self._place())


class RolePolicyAttachment(Iam):
    """A managed policy that a role has."""

    resource_type = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    properties = {
        "role": Text(required=True, replaces=True, api="roleName"),
        "policyArn": Text(required=True, replaces=True),
    }
    identity = ("role", "policyArn")

    def create(self) -> str:
        self.call("attach_role_policy", **self.arguments("attach_role_policy"))
        return f"{self['role']}/{self['policyArn']}"

    def _place(self) -> tuple[str, str]:
        role, _, policy = self.id.partition("/")
        return role, policy

    def read(self) -> Mapping[str, Any] | None:
        role, policy = self._place()
        attached = self.call("list_attached_role_policies", RoleName=role)["AttachedPolicies"]
        there = any(each["PolicyArn"] == policy for each in attached)
        return {"role": role, "policyArn": policy} if there else None

    def delete(self) -> None:
        role, policy = self._place()
        self.call("detach_role_policy", RoleName=role, PolicyArn=policy)
