"""What a function gets of an HTTP request: the events of a REST API's proxy integration and of a load balancer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FROM = "127.0.0.1"
"""Where such a request says it comes from."""


@dataclass(frozen=True)
class ProxiedRequest:
    """A request for JSON, which an entry point hands on to a function."""

    method: str
    path: str
    host: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those beside what every such request has."""
    body: str = ""
    trace: str = ""
    """`x-amzn-trace-id`."""

    @property
    def sent(self) -> dict[str, str]:
        """All headers, their names in lower case."""
        own = {"host": self.host, "accept": "application/json", "x-forwarded-for": FROM, "x-amzn-trace-id": self.trace}
        typed = {"content-type": "application/json"} if self.body else {}
        return {**own, **typed, **{name.lower(): value for name, value in self.headers.items()}}


def load_balancer_event(request: ProxiedRequest, region: str) -> dict[str, Any]:
    """What a load balancer's target group with multi-value headers sends.

    Elastic Load Balancing's User Guide, "Use Lambda functions as targets of an Application Load Balancer".
    """
    return {
        "requestContext": {"elb": {"targetGroupArn": f"arn:aws:elasticloadbalancing:{region}::none"}},
        "httpMethod": request.method,
        "path": request.path,
        "multiValueQueryStringParameters": {},
        "multiValueHeaders": {name: [value] for name, value in request.sent.items()},
        "body": request.body,
        "isBase64Encoded": False,
    }


def rest_api_event(request: ProxiedRequest, time: Any) -> dict[str, Any]:
    """What a REST API's proxy integration sends of a request that came at `time`, in milliseconds since 1970.

    API Gateway's Developer Guide, "Input format of a Lambda function for proxy integration".
    """
    return {
        "resource": request.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": request.sent,
        "multiValueHeaders": {name: [value] for name, value in request.sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "requestId": request.trace,
            "requestTimeEpoch": time,
            "domainName": request.host,
            "httpMethod": request.method,
            "path": request.path,
            "resourcePath": request.path,
            "protocol": "HTTP/1.1",
            "identity": {"sourceIp": FROM},
        },
        "body": request.body or None,
        "isBase64Encoded": False,
    }
