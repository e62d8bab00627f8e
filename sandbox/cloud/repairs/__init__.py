"""What ministack 1.5.33 does otherwise than AWS, where the stacks depend on it.

Each repair is a function that changes one of the emulator's modules; its docstring says what the emulator does wrong.
A test of the same behaviour fails without it. When a newer ministack makes one superfluous, remove it.
"""

from __future__ import annotations

from sandbox.cloud.repairs import (
    apigateway,
    cloudwatch,
    dynamodb,
    endpoints,
    functions,
    network_acls,
    permissions,
    routing,
    secrets,
    security_groups,
    sqs,
    transport,
)

REPAIRS = (
    routing.known_services,
    apigateway.base_path_mapping,
    apigateway.domain_name_updates,
    apigateway.domain_of_request,
    apigateway.integration_timeout,
    apigateway.patches,
    cloudwatch.percentile_alarms,
    dynamodb.multi_region_consistency,
    dynamodb.recovery_period,
    endpoints.flow_logs,
    endpoints.vpc_endpoints,
    functions.ready_at_once,
    functions.prepared_when_created,
    network_acls.entries,
    network_acls.associations,
    permissions.of_apis,
    permissions.of_rules,
    permissions.of_function_urls,
    routing.health_check_lists,
    secrets.replicas_at_creation,
    secrets.end_of_replication,
    security_groups.prefix_lists,
    sqs.queue_urls,
    sqs.batching_windows,
    transport.loopback_is_private,
    transport.protocols_are_read_without_the_models,
)


def apply() -> None:
    """Repair the emulator; its modules are imported for that."""
    for repair in REPAIRS:
        repair()
