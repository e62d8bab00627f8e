from __future__ import annotations

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example

HEALTH_CHECK = "aws:route53/healthCheck:HealthCheck"


@example("aws:route53/zone:Zone")
def zone(engine: Engine) -> Example:
    return Example(
        {"name": "zone.example.com", "comment": "Example"},
        update={"comment": None, "forceDestroy": True, "tags": {"a": "b"}},
        replace={"name": "other.example.com"},
    )


@example("aws:route53/record:Record")
def failover_record(engine: Engine) -> Example:
    zone = engine.make("aws:route53/zone:Zone", name="records.example.com")
    check = engine.make(HEALTH_CHECK, type="HTTPS", fqdn="primary.records.example.com", port=443)
    return Example(
        {
            "zoneId": zone.zoneId,
            "name": "api.records.example.com",
            "type": "CNAME",
            "ttl": 30,
            "records": ["d-1.execute-api.us-east-1.amazonaws.com"],
            "setIdentifier": "primary",
            "failoverRoutingPolicies": [{"type": "PRIMARY"}],
            "healthCheckId": check.id,
        },
        update={
            "ttl": 60,
            "records": ["d-2.execute-api.us-east-1.amazonaws.com"],
            "healthCheckId": None,
            "allowOverwrite": True,
        },
        replace={"name": "pay.records.example.com", "type": "A", "setIdentifier": "secondary", "zoneId": "Z1"},
    )


@example("aws:route53/record:Record")
def record_of_a_relative_name(engine: Engine) -> Example:
    zone = engine.make("aws:route53/zone:Zone", name="relative.example.com")
    return Example(
        {"zoneId": zone.zoneId, "name": "_1.primary", "type": "CNAME", "ttl": 300, "records": ["b.example.com"]},
        update={"records": ["c.example.com"]},
    )


@example(HEALTH_CHECK)
def check_of_an_endpoint(engine: Engine) -> Example:
    return Example(
        {
            "type": "HTTPS",
            "fqdn": "primary.example.com",
            "port": 443,
            "resourcePath": "/health",
            "requestInterval": 10,
            "failureThreshold": 3,
            "measureLatency": True,
            "enableSni": True,
            "regions": ["eu-west-1", "us-east-1", "us-west-2"],
        },
        update={"failureThreshold": 2, "resourcePath": "/other", "invertHealthcheck": True, "tags": {"a": "b"}},
        replace={"requestInterval": 30, "measureLatency": False, "type": "HTTP"},
    )


@example(HEALTH_CHECK)
def check_of_a_string(engine: Engine) -> Example:
    return Example(
        {"type": "HTTPS_STR_MATCH", "fqdn": "stop.example.com", "searchString": "evacuate", "invertHealthcheck": True},
        update={"searchString": "restore", "invertHealthcheck": None},
    )


@example(HEALTH_CHECK)
def check_of_checks(engine: Engine) -> Example:
    children = [engine.make(HEALTH_CHECK, type="HTTPS", fqdn=f"{name}.example.com").id for name in "abc"]
    return Example(
        {"type": "CALCULATED", "childHealthchecks": children[:2], "childHealthThreshold": 2},
        update={"childHealthchecks": children, "childHealthThreshold": 3},
    )


@example(HEALTH_CHECK)
def check_of_an_alarm(engine: Engine) -> Example:
    return Example(
        {
            "type": "CLOUDWATCH_METRIC",
            "cloudwatchAlarmName": "example-errors",
            "cloudwatchAlarmRegion": "us-east-1",
            "insufficientDataHealthStatus": "Healthy",
            "triggers": {"threshold": "1"},
        },
        update={"cloudwatchAlarmName": "example-other-errors", "insufficientDataHealthStatus": "Unhealthy"},
    )
