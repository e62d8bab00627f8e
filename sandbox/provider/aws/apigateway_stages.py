"""API Gateway: what serves an API: deployments, stages, domain names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.aws.apigateway import REST_API, TLS, ApiGateway, Numbered, Part
from sandbox.provider.resource import setting
from sandbox.provider.schema import Block, Boolean, Integer, Map, Number, Text
from sandbox.provider.tagging import TaggedLater

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE_DOMAIN = "(none)"
"""How API Gateway writes the empty base path."""


class Deployment(Numbered):
    """An API as it was at one moment."""

    resource_type = "aws:apigateway/deployment:Deployment"
    properties = {
        "restApi": REST_API,
        "description": Text(default=""),
        "triggers": Map(replaces=True, carried="it only says when to deploy again, and the cloud does not know it"),
    }

    def create(self) -> str:
        return str(
            self.call("create_deployment", **self.arguments("create_deployment", "restApi", "description"))["id"]
        )

    @setting("description")
    def _describe(self) -> None:
        place = {"restApiId": self.api(), "deploymentId": self.id}
        self.call("update_deployment", **place, patchOperations=self.patches(("description",)))

    def read(self) -> Mapping[str, Any]:
        api = self.api()
        return self.seen(self.call("get_deployment", restApiId=api, deploymentId=self.id), restApi=api)

    def delete(self) -> None:
        self.call("delete_deployment", restApiId=self.api(), deploymentId=self.id)


STAGE_SETTINGS = {
    "deployment": Text(required=True, api="deploymentId"),
    "description": Text(default=""),
    "variables": Map(default={}),
    "xrayTracingEnabled": Boolean(default=False, api="tracingEnabled"),
}


class Stage(TaggedLater, Part):
    """A deployment under a name."""

    resource_type = "aws:apigateway/stage:Stage"
    parts = ("restApi", "stageName")
    identity = parts
    properties = {
        "restApi": REST_API,
        "stageName": Text(required=True, replaces=True),
        "accessLogSettings": Block(fields={"destinationArn": Text(required=True), "format": Text(required=True)}),
        **STAGE_SETTINGS,
    }
    outputs = ("arn", "executionArn", "invokeUrl")

    def create(self) -> str:
        told = self.arguments("create_stage", "restApi", "stageName", *STAGE_SETTINGS)
        self.call("create_stage", **told)
        return self.find()

    @setting(*STAGE_SETTINGS)
    def _change(self) -> None:
        self._patch(self.patches(tuple(STAGE_SETTINGS)))

    @setting("accessLogSettings", after_create=True)
    def _log(self) -> None:
        wanted = self.get("accessLogSettings")
        if wanted:
            self._patch(
                [{"op": "replace", "path": f"/accessLogSettings/{name}", "value": wanted[name]} for name in wanted],
            )
        else:
            self._patch([{"op": "remove", "path": "/accessLogSettings"}])

    def _patch(self, patches: list[dict[str, str]]) -> None:
        self.call("update_stage", **self.place(), patchOperations=patches)

    def read(self) -> Mapping[str, Any]:
        found, place = self.call("get_stage", **self.place()), self.placed()
        api, stage = place.values()
        return self.seen(
            found,
            **place,
            accessLogSettings=found.get("accessLogSettings") or None,
            arn=self.own_arn(),
            executionArn=self.arn(f"{api}/{stage}", service="execute-api"),
            invokeUrl=f"https://{api}.execute-api.{self.region}.amazonaws.com/{stage}",
            tagsAll=self.found_tags(),
        )

    def delete(self) -> None:
        self.call("delete_stage", **self.place())

    def own_arn(self) -> str:
        api, stage = self.place().values()
        return self.gateway_arn(f"/restapis/{api}/stages/{stage}")


METHOD_SETTING_PATHS = {
    "dataTraceEnabled": "logging/dataTrace",
    "loggingLevel": "logging/loglevel",
    "metricsEnabled": "metrics/enabled",
    "throttlingBurstLimit": "throttling/burstLimit",
    "throttlingRateLimit": "throttling/rateLimit",
}


class MethodSettings(Part):
    """How a stage treats the requests of a method, or of all (`*/*`).

    The path is handed on as it is given, and looked up by it: AWS's own form has the slashes of a nested one as `~1`.
    """

    resource_type = "aws:apigateway/methodSettings:MethodSettings"
    parts = ("restApi", "stageName", "methodPath")
    identity = parts
    properties = {
        "restApi": REST_API,
        "stageName": Text(required=True, replaces=True),
        "methodPath": Text(required=True, replaces=True),
        "settings": Block(
            required=True,
            fields={
                "dataTraceEnabled": Boolean(default=False),
                "loggingLevel": Text(default="OFF", choices=("ERROR", "INFO", "OFF")),
                "metricsEnabled": Boolean(default=False),
                "throttlingBurstLimit": Integer(default=5000),
                "throttlingRateLimit": Number(default=10000.0),
            },
        ),
    }

    def create(self) -> str:
        self._put()
        return self.find()

    @setting("settings")
    def _put(self) -> None:
        """Every setting is told, so that one that is no longer given goes back to the account's."""
        fields = self.properties["settings"].fields  # type: ignore[attr-defined]
        given = self["settings"]
        wanted = {name: given.get(name, fields[name].default) for name in METHOD_SETTING_PATHS}
        patches = [
            {"op": "replace", "path": f"/{self['methodPath']}/{path}", "value": str(wanted[name]).lower()}
            for name, path in METHOD_SETTING_PATHS.items()
            if name != "loggingLevel"
        ]
        level = {"op": "replace", "path": f"/{self['methodPath']}/logging/loglevel", "value": wanted["loggingLevel"]}
        self._patch([*patches, level])

    def _patch(self, patches: list[dict[str, str]]) -> None:
        api, stage, _ = self.place().values()
        self.call("update_stage", restApiId=api, stageName=stage, patchOperations=patches)

    def read(self) -> Mapping[str, Any] | None:
        api, stage, path = self.place().values()
        found = self.call("get_stage", restApiId=api, stageName=stage)["methodSettings"].get(path)
        if found is None:
            return None
        return {**self.placed(), "settings": self.properties["settings"].from_api(found)}

    def delete(self) -> None:
        self._patch([{"op": "remove", "path": f"/{self.place()['methodPath']}"}])


class DomainName(TaggedLater, ApiGateway):
    """A name of one's own for the APIs of a region."""

    resource_type = "aws:apigateway/domainName:DomainName"
    identity = ("domainName",)
    properties = {
        "domainName": Text(required=True, replaces=True),
        "endpointConfiguration": Block(computed=True, replaces=True, fields={"types": Text(required=True)}),
        "regionalCertificateArn": Text(),
        **TLS,
    }
    outputs = ("arn", "regionalDomainName", "regionalZoneId")
    changeable = ("regionalCertificateArn", *TLS)

    def create(self) -> str:
        told = self.arguments("create_domain_name", "domainName", *self.changeable)
        endpoint = self.get("endpointConfiguration")
        types = {"types": [endpoint["types"]]} if endpoint else None
        self.call("create_domain_name", **told, endpointConfiguration=types)
        return str(self["domainName"])

    @setting(*changeable)
    def _change(self) -> None:
        patches = self.patches(self.changeable)
        self.call("update_domain_name", domainName=self.id, patchOperations=patches)

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_domain_name", domainName=self.id)
        return self.seen(
            found,
            endpointConfiguration={"types": found["endpointConfiguration"]["types"][0]},
            regionalZoneId=found["regionalHostedZoneId"],
            arn=self.own_arn(),
            tagsAll=self.found_tags(),
        )

    def delete(self) -> None:
        self.call("delete_domain_name", domainName=self.id)

    def own_arn(self) -> str:
        return self.gateway_arn(f"/domainnames/{self.id}")


class BasePathMapping(ApiGateway):
    """Which stage a domain name, or a path of it, leads to. Its id is `<domain name>/<base path>`."""

    resource_type = "aws:apigateway/basePathMapping:BasePathMapping"
    identity = ("domainName", "basePath")
    properties = {
        "domainName": Text(required=True, replaces=True),
        "basePath": Text(default="", replaces=True),
        "restApi": Text(required=True, api="restApiId"),
        "stageName": Text(api="stage"),
    }

    def create(self) -> str:
        self.call("create_base_path_mapping", **self.arguments("create_base_path_mapping"))
        return self.find()

    def find(self) -> str:
        return f"{self['domainName']}/{self['basePath']}"

    @setting("restApi", "stageName")
    def _lead_elsewhere(self) -> None:
        domain, _, path = self.id.partition("/")
        place = {"domainName": domain, "basePath": path or WHOLE_DOMAIN}
        patches = self.patches(("restApi", "stageName"))
        self.call("update_base_path_mapping", **place, patchOperations=patches)

    def read(self) -> Mapping[str, Any]:
        domain, _, path = self.id.partition("/")
        found = self.call("get_base_path_mapping", domainName=domain, basePath=path or WHOLE_DOMAIN)
        return self.seen(found, domainName=domain, basePath=path)

    def delete(self) -> None:
        domain, _, path = self.id.partition("/")
        self.call("delete_base_path_mapping", domainName=domain, basePath=path or WHOLE_DOMAIN)
