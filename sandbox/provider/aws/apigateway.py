"""API Gateway: REST APIs and what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.provider.attributes import changed
from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Block, Boolean, Integer, Json, Map, Set, Text
from sandbox.provider.tagging import TaggedLater

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REST_API = Text(required=True, replaces=True, api="restApiId")
TLS = {
    "securityPolicy": Text(
        computed=True,
        choices=(
            "TLS_1_0",
            "TLS_1_2",
            "SecurityPolicy_TLS12_2018_EDGE",
            "SecurityPolicy_TLS12_PFS_2025_EDGE",
            "SecurityPolicy_TLS13_2025_EDGE",
            "SecurityPolicy_TLS13_1_2_2021_06",
            "SecurityPolicy_TLS13_1_2_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_Ext2_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_Ext2_FIPS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_3_2025_09",
            "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
        ),
    ),
    "endpointAccessMode": Text(choices=("BASIC", "STRICT")),
}
"""What an API and a domain name take of their clients."""


class ApiGateway(Resource):
    """What API Gateway's types share: updates are lists of patches, tags belong to ARNs."""

    service = "apigateway"
    gone = ("NotFoundException",)
    exists = ("ConflictException",)

    def patches(self, names: Sequence[str]) -> list[dict[str, str]]:
        """What turns the previous inputs of these names into the present ones."""
        found = []
        for name in changed(self, names):
            path = f"/{self.properties[name].api or name}"
            found += _patches(path, self.previous.get(name), self[name])
        return found

    def seen(self, answer: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """An answer as properties; API Gateway shows what has no value as an empty text."""
        return self.observed({name: value for name, value in answer.items() if value != ""}, **more)

    def found_tags(self) -> dict[str, str]:
        return self.tags_there(lambda: self.call("get_tags", resourceArn=self.own_arn())["tags"])

    def gateway_arn(self, path: str) -> str:
        return f"arn:aws:apigateway:{self.region}::{path}"


def _patches(path: str, old: Any, new: Any) -> list[dict[str, str]]:
    if isinstance(old, dict) or isinstance(new, dict):
        before, now = old or {}, new or {}
        gone = [{"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in before if key not in now]
        kept = {key: value for key, value in now.items() if before.get(key) != value}
        return gone + [patch for key in kept for patch in _patches(f"{path}/{_escaped(key)}", None, kept[key])]
    text = "" if new is None else str(new).lower() if isinstance(new, bool) else str(new)
    return [{"op": "replace", "path": path, "value": text}]


def _escaped(key: str) -> str:
    """A key in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


class Part(ApiGateway):
    """A part of an API without an id of its own: the inputs in `parts` say where it is, and joined are its id."""

    parts: ClassVar[tuple[str, ...]] = ()

    def place(self) -> dict[str, str]:
        """The arguments that name it, from the inputs, or from the id when they are not known yet (an import)."""
        values = [self[name] for name in self.parts] if self[self.parts[0]] else self.id.split("/", len(self.parts) - 1)
        return {self.properties[name].api or name: value for name, value in zip(self.parts, values, strict=True)}

    def find(self) -> str:
        return "/".join(self.place().values())

    def placed(self) -> dict[str, str]:
        """The inputs that say where it is."""
        return dict(zip(self.parts, self.place().values(), strict=True))


class Numbered(ApiGateway):
    """A part of an API with an id of its own. Imported as `<API>/<id>`."""

    def api(self) -> str:
        """The API's id; after an import's id was taken apart."""
        if self["restApi"]:
            return str(self["restApi"])
        api, _, own = self.id.rpartition("/")
        if api:
            self.id = own
        return api or str(self.state["restApi"])


class RestApi(TaggedLater, ApiGateway):
    """A REST API."""

    resource_type = "aws:apigateway/restApi:RestApi"
    auto_name = "name"
    properties = {
        "name": Text(),
        "apiKeySource": Text(default="HEADER", choices=("AUTHORIZER", "HEADER")),
        "binaryMediaTypes": Set(default=[], replaces=True),
        "description": Text(default=""),
        "disableExecuteApiEndpoint": Boolean(default=False),
        "endpointConfiguration": Block(
            computed=True, replaces=True, fields={"types": Text(required=True, choices=("EDGE", "PRIVATE", "REGIONAL"))}
        ),
        **TLS,
    }
    outputs = ("arn", "executionArn", "rootResourceId")
    changeable = ("name", "apiKeySource", "description", "disableExecuteApiEndpoint", *TLS)

    def create(self) -> str:
        told = self.arguments("create_rest_api", "binaryMediaTypes", *self.changeable)
        endpoint = self.get("endpointConfiguration")
        types = {"types": [endpoint["types"]]} if endpoint else None
        return str(self.call("create_rest_api", **told, endpointConfiguration=types)["id"])

    @setting(*changeable)
    def _change(self) -> None:
        self.call("update_rest_api", restApiId=self.id, patchOperations=self.patches(self.changeable))

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_rest_api", restApiId=self.id)
        return self.seen(
            found,
            endpointConfiguration={"types": found["endpointConfiguration"]["types"][0]},
            arn=self.own_arn(),
            executionArn=self.arn(self.id, service="execute-api"),
            tagsAll=self.found_tags(),
        )

    def delete(self) -> None:
        self.call("delete_rest_api", restApiId=self.id)

    def own_arn(self) -> str:
        return self.gateway_arn(f"/restapis/{self.id}")


class ApiResource(Numbered):
    """A path of an API."""

    resource_type = "aws:apigateway/resource:Resource"
    identity = ("restApi", "parentId", "pathPart")
    properties = {
        "restApi": REST_API,
        "parentId": Text(required=True, replaces=True),
        "pathPart": Text(required=True, replaces=True),
    }
    outputs = ("path",)

    def create(self) -> str:
        self.made = self.call("create_resource", **self.arguments("create_resource"))
        return str(self.made["id"])

    def find(self) -> str | None:
        for each in self.call("get_resources", restApiId=self["restApi"], limit=500)["items"]:
            if (each.get("parentId"), each.get("pathPart")) == (self["parentId"], self["pathPart"]):
                return str(each["id"])
        return None

    def read(self) -> Mapping[str, Any]:
        api = self.api()
        return self.seen(self.made or self.call("get_resource", restApiId=api, resourceId=self.id), restApi=api)

    def delete(self) -> None:
        self.call("delete_resource", restApiId=self.api(), resourceId=self.id)


class RequestValidator(Numbered):
    """What of a request the gateway checks by itself."""

    resource_type = "aws:apigateway/requestValidator:RequestValidator"
    auto_name = "name"
    properties = {
        "restApi": REST_API,
        "name": Text(),
        "validateRequestBody": Boolean(default=False),
        "validateRequestParameters": Boolean(default=False),
    }

    def create(self) -> str:
        return str(self.call("create_request_validator", **self.arguments("create_request_validator"))["id"])

    @setting("name", "validateRequestBody", "validateRequestParameters")
    def _change(self) -> None:
        patches = self.patches(("name", "validateRequestBody", "validateRequestParameters"))
        place = {"restApiId": self.api(), "requestValidatorId": self.id}
        self.call("update_request_validator", **place, patchOperations=patches)

    def read(self) -> Mapping[str, Any]:
        api = self.api()
        answer = self.call("get_request_validator", restApiId=api, requestValidatorId=self.id)
        return self.seen(answer, restApi=api)

    def delete(self) -> None:
        self.call("delete_request_validator", restApiId=self.api(), requestValidatorId=self.id)


class Model(Part):
    """A JSON schema that request bodies are checked against."""

    resource_type = "aws:apigateway/model:Model"
    parts = ("restApi", "name")
    identity = parts
    properties = {
        "restApi": REST_API,
        "name": Text(required=True, replaces=True),
        "contentType": Text(required=True, replaces=True),
        "description": Text(default=""),
        "schema": Json(required=True),
    }

    def create(self) -> str:
        self.call("create_model", **self.arguments("create_model"))
        return self.find()

    @setting("description", "schema")
    def _change(self) -> None:
        place = {"restApiId": self["restApi"], "modelName": self["name"]}
        self.call("update_model", **place, patchOperations=self.patches(("description", "schema")))

    def read(self) -> Mapping[str, Any]:
        place = self.placed()
        return self.seen(self.call("get_model", restApiId=place["restApi"], modelName=place["name"]), **place)

    def delete(self) -> None:
        self.call("delete_model", restApiId=self["restApi"], modelName=self["name"])


OF_METHOD = {
    "restApi": REST_API,
    "resourceId": Text(required=True, replaces=True),
    "httpMethod": Text(required=True, replaces=True),
}
METHOD_SETTINGS = {
    "apiKeyRequired": Boolean(default=False),
    "authorization": Text(required=True, api="authorizationType", choices=("AWS_IAM", "NONE")),
    "operationName": Text(),
    "requestModels": Map(default={}),
    "requestParameters": Map(of=Boolean(), default={}),
    "requestValidatorId": Text(),
}


class Method(Part):
    """A method of a path."""

    resource_type = "aws:apigateway/method:Method"
    parts = tuple(OF_METHOD)
    identity = parts
    properties = {
        **OF_METHOD,
        **METHOD_SETTINGS,
    }

    def create(self) -> str:
        self.call("put_method", **self.arguments("put_method"))
        return self.find()

    @setting(*METHOD_SETTINGS)
    def _change(self) -> None:
        self.call("update_method", **self.place(), patchOperations=self.patches(tuple(METHOD_SETTINGS)))

    def read(self) -> Mapping[str, Any]:
        return self.seen(self.call("get_method", **self.place()), **self.placed())

    def delete(self) -> None:
        self.call("delete_method", **self.place())


INTEGRATION_SETTINGS = {
    "connectionType": Text(default="INTERNET"),
    "contentHandling": Text(),
    "credentials": Text(),
    "passthroughBehavior": Text(computed=True),
    "requestParameters": Map(default={}),
    "requestTemplates": Map(default={}),
    "timeoutMilliseconds": Integer(default=29000, within=(50, 300000), api="timeoutInMillis"),
    "uri": Text(),
}


class Integration(Part):
    """What answers a method's requests."""

    resource_type = "aws:apigateway/integration:Integration"
    parts = tuple(OF_METHOD)
    identity = parts
    properties = {
        **OF_METHOD,
        "integrationHttpMethod": Text(replaces=True),
        "type": Text(required=True, replaces=True, choices=("AWS", "AWS_PROXY", "HTTP", "HTTP_PROXY", "MOCK")),
        **INTEGRATION_SETTINGS,
    }

    def create(self) -> str:
        self._put()
        return self.find()

    @setting(*INTEGRATION_SETTINGS)
    def _put(self) -> None:
        """Putting replaces the whole."""
        self.call("put_integration", **self.arguments("put_integration"))

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_integration", **self.place())
        # What an answer calls httpMethod is the integration's, not the method's.
        return self.seen(found, **self.placed(), integrationHttpMethod=found.get("httpMethod"))

    def delete(self) -> None:
        self.call("delete_integration", **self.place())


class GatewayResponse(Part):
    """What the gateway itself answers in one kind of case."""

    resource_type = "aws:apigateway/response:Response"
    parts = ("restApiId", "responseType")
    identity = parts
    properties = {
        "restApiId": Text(required=True, replaces=True),
        "responseType": Text(required=True, replaces=True),
        "responseParameters": Map(default={}),
        "responseTemplates": Map(default={}),
        "statusCode": Text(computed=True),
    }

    def create(self) -> str:
        self._put()
        return self.find()

    @setting("responseParameters", "responseTemplates", "statusCode")
    def _put(self) -> None:
        """Putting replaces the whole."""
        self.call("put_gateway_response", **self.arguments("put_gateway_response"))

    def read(self) -> Mapping[str, Any] | None:
        found = self.call("get_gateway_response", **self.place())
        return None if found["defaultResponse"] else self.seen(found, **self.placed())

    def delete(self) -> None:
        self.call("delete_gateway_response", **self.place())
