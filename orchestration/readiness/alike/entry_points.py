"""What clients come by: the REST API with its custom domains, the load balancer, the firewall before either."""

from __future__ import annotations

from collections.abc import Collection

from orchestration.readiness.alike.seen import Found, only, ours
from orchestration.readiness.facts import Examined
from shared import naming
from shared.roles import Role

TLS = ("securityPolicy", "endpointAccessMode")
"""What an API and the names that lead to it take of their clients."""


def rest_api(examined: Examined, role: Role) -> Found:
    """Its stage, and each method with the function behind it."""
    named = examined.named(naming.PAYMENT_API, role)
    apis = [each for each in examined.listed("apigateway", role, "get_rest_apis", "items") if each["name"] == named]
    for api in apis:
        place = {"restApiId": api["id"]}
        stage = examined.called("apigateway", role, "get_stage", **place, stageName=naming.STAGE)
        kept = ("methodSettings", "tracingEnabled", "variables", "accessLogSettings", "cacheClusterEnabled")
        yield (
            "RestApi",
            "api",
            only(api, "endpointConfiguration", "binaryMediaTypes", "disableExecuteApiEndpoint", *TLS),
        )
        yield "Stage", naming.STAGE, only(stage, *kept)
        for resource in examined.listed("apigateway", role, "get_resources", "items", **place, embed=["methods"]):
            for method, settings in (resource.get("resourceMethods") or {}).items():
                told = {
                    key: value
                    for key, value in settings.items()
                    if key not in {"requestValidatorId", "methodIntegration"}
                }
                integration = settings.get("methodIntegration") or {}
                ids = {"cacheNamespace"}
                told["integration"] = {key: value for key, value in integration.items() if key not in ids}
                yield "Method", f"{method} {resource['path']}", told
    yield from _domains(examined, role, {api["id"] for api in apis})


def _domains(examined: Examined, role: Role, own: Collection[str]) -> Found:
    """The names that clients and health checks come by, and whether they lead to an API of these ids."""
    foundation = examined.settings.foundation()
    names = {foundation.failover_name, foundation.region_names.of(role)}
    kept = (*TLS, "endpointConfiguration", "mutualTlsAuthentication", "domainNameStatus")
    for domain in examined.listed("apigateway", role, "get_domain_names", "items"):
        if (name := domain["domainName"]) in names:
            leads = {
                each.get("basePath", ""): f"{'api' if each['restApiId'] in own else 'another API'}, {each.get('stage')}"
                for each in examined.listed("apigateway", role, "get_base_path_mappings", "items", domainName=name)
            }
            yield "DomainName", name, {**only(domain, *kept, "regionalCertificateArn"), "leadsTo": leads}


def load_balancer(examined: Examined, role: Role) -> Found:
    """Its settings, listeners with their rules, and the groups of what it hands requests to."""
    named = examined.named(naming.LOAD_BALANCER, role)
    listed = examined.listed("elbv2", role, "describe_load_balancers", "LoadBalancers")
    for each in listed:
        if each["LoadBalancerName"] != named:
            continue
        place = {"LoadBalancerArn": each["LoadBalancerArn"]}
        told = examined.called("elbv2", role, "describe_load_balancer_attributes", **place)
        settings = {one["Key"]: one["Value"] for one in told["Attributes"]}
        yield "LoadBalancer", "api", {**only(each, "Scheme", "Type", "IpAddressType"), "attributes": settings}
        for listener in examined.listed("elbv2", role, "describe_listeners", "Listeners", **place):
            rules = examined.listed("elbv2", role, "describe_rules", "Rules", ListenerArn=listener["ListenerArn"])
            yield (
                "Listener",
                str(listener["Port"]),
                {
                    **only(listener, "Protocol", "SslPolicy"),
                    "rules": [only(one, "Priority", "Conditions", "Actions", "IsDefault") for one in rules],
                },
            )
        for group in examined.listed("elbv2", role, "describe_target_groups", "TargetGroups", **place):
            kept = ("HealthCheckEnabled", "HealthCheckPath", "HealthCheckTimeoutSeconds", "Matcher")
            yield "TargetGroup", group["TargetGroupName"], only(group, "TargetType", *kept)


def firewall(examined: Examined, role: Role) -> Found:
    listed = examined.called("wafv2", role, "list_web_acls", Scope="REGIONAL")["WebACLs"]
    for purpose, each in ours(examined, role, naming.FIREWALL, listed, "Name"):
        found = examined.called("wafv2", role, "get_web_acl", Name=each["Name"], Id=each["Id"], Scope="REGIONAL")
        yield "WebAcl", purpose, only(found["WebACL"], "DefaultAction", "Rules", "VisibilityConfig")
