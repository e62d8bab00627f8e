"""Systems Manager: parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, first, setting, tag_list
from sandbox.provider.schema import Boolean, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Parameter(Resource):
    """A parameter; its value is secret to the engine, whatever its type."""

    resource_type = "aws:ssm/parameter:Parameter"
    service = "ssm"
    taggable = True
    properties = {
        "name": Text(replaces=True),
        "type": Text(required=True, choices=("String", "StringList", "SecureString")),
        "value": Text(required=True),
        "description": Text(default=""),
        "keyId": Text(computed=True),
        "tier": Text(default="Standard"),
        "dataType": Text(default="text", replaces=True),
        "allowedPattern": Text(default=""),
        "overwrite": Boolean(default=False, carried="it is told when the parameter is made"),
    }
    outputs = ("arn", "version")
    renewed = {"version": ("type", "value", "description", "keyId", "tier", "allowedPattern")}
    identity = ("name",)
    auto_name = "name"
    gone = ("ParameterNotFound", "InvalidResourceId")
    exists = ("ParameterAlreadyExists",)

    def create(self) -> str:
        overwrite = bool(self["overwrite"])
        self._put(overwrite=overwrite, tags=None if overwrite else self.tag_list)  # the API takes not both
        self.id = str(self["name"])
        if overwrite and self.tags:
            self.tag(self.tags)
        return self.id

    def _put(self, *, overwrite: bool, tags: list[dict[str, str]] | None = None) -> None:
        names = ("name", "type", "value", "description", "keyId", "tier", "dataType", "allowedPattern")
        given = self.arguments("put_parameter", *names)
        self.call("put_parameter", **given, Overwrite=overwrite, Tags=tags)

    def told(self) -> Mapping[str, Any] | None:
        if self["overwrite"] or (self["type"] == "SecureString" and not self.get("keyId")):
            return None
        return {"arn": self.arn(f"parameter/{self.id.removeprefix('/')}"), "version": 1}

    @setting("type", "value", "description", "keyId", "tier", "allowedPattern")
    def _update(self) -> None:
        self._put(overwrite=True)

    @setting("overwrite")
    def _keep(self) -> None:
        """Nothing to tell the cloud."""

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("add_tags_to_resource", ResourceType="Parameter", ResourceId=self.id, Tags=tag_list(tags))

    def untag(self, keys: Sequence[str]) -> None:
        self.call("remove_tags_from_resource", ResourceType="Parameter", ResourceId=self.id, TagKeys=keys)

    def read(self) -> Mapping[str, Any]:
        parameter = self.call("get_parameter", Name=self.id, WithDecryption=True)["Parameter"]
        names = [{"Key": "Name", "Option": "Equals", "Values": [self.id]}]
        details = first(self.call("describe_parameters", ParameterFilters=names)["Parameters"])
        tags = self.call("list_tags_for_resource", ResourceType="Parameter", ResourceId=self.id)["TagList"]
        return self.observed({**details, **parameter, "Tags": tags})

    def delete(self) -> None:
        self.call("delete_parameter", Name=self.id)
