"""What the emulator does otherwise than AWS, where the stacks depend on it.

Each repair is a function that changes one of the emulator's modules; its docstring says what the emulator does wrong.
`tests/sandbox/proofs.py` names the tests that fail without it, and `./invoke prove` sees them fail. When it does not,
because a newer emulator needs the repair no more, remove it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sandbox.cloud.repairs import (
    access_logs,
    apigateway,
    authorization,
    backups,
    certificates,
    cloudwatch,
    dead_letters,
    dynamodb,
    endpoints,
    firewall,
    functions,
    gateway,
    keys,
    load_balancers,
    metrics,
    network_acls,
    permissions,
    recovery,
    rights,
    routing,
    schedules,
    secrets,
    security_groups,
    sqs,
    storage,
    topics,
    transport,
)
from sandbox.tricks import Trick, on
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

WITHOUT = "SANDBOX_WITHOUT_REPAIR"
"""The environment variable by which a test leaves one repair out."""

_REPAIRS: tuple[Callable[[], None], ...] = (
    routing.known_services,
    access_logs.of_buckets,
    access_logs.of_load_balancers,
    apigateway.base_path_mapping,
    apigateway.domain_name_updates,
    apigateway.domain_names,
    apigateway.domain_of_request,
    apigateway.integration_timeout,
    apigateway.logging_needs_a_role,
    apigateway.models_by_content_type,
    apigateway.patches,
    apigateway.security_policies,  # behind domain names, and patches as they are repaired
    apigateway.repeated_headers,
    apigateway.callers_address,  # behind every line of what was forwarded
    apigateway.tags,
    authorization.of_functions,
    authorization.of_keys,
    authorization.of_leading_keys,
    authorization.of_log_streams,
    authorization.of_unknown_actions,
    authorization.of_missing_objects,
    authorization.of_endpoints,
    rights.of_lambda_actions,
    rights.of_resources,
    rights.of_tags,
    rights.of_passed_roles,
    rights.of_mfa,
    backups.recovery_points,
    backups.vault_locks,
    backups.rules_of_plans,
    certificates.validation_records,
    cloudwatch.answers_in_the_query_protocol,
    cloudwatch.functions_as_actions,
    cloudwatch.whole_alarms,
    cloudwatch.evaluated_by_the_clock,
    cloudwatch.virtual_time,
    dynamodb.multi_region_consistency,
    dynamodb.recovery_period,
    endpoints.flow_logs,
    endpoints.vpc_endpoints,
    firewall.associations,
    firewall.filtered_stages,
    firewall.ip_sets,
    firewall.judged_rules,
    firewall.logging,
    firewall.web_acl_settings,
    firewall.what_is_in_use,
    functions.environments,
    functions.invoked_by_alias,
    functions.ready_at_once,
    functions.prepared_when_created,
    functions.reserved_concurrency,
    functions.unreserved_concurrency,
    gateway.function_errors,
    gateway.gateway_response_statuses,
    gateway.method_settings,
    gateway.metrics,
    gateway.remapped_headers,
    gateway.time_of_requests,
    keys.pending_replicas,
    load_balancers.fixed_responses,
    load_balancers.functions_as_targets,
    load_balancers.network_of_load_balancers,
    load_balancers.target_groups_of_functions,
    load_balancers.what_is_in_use,
    metrics.by_dimensions,
    metrics.in_logs,
    metrics.of_invocations,
    network_acls.entries,
    network_acls.associations,
    permissions.of_apis,
    permissions.of_namespaces,
    permissions.of_rules,
    dead_letters.of_rules,
    dead_letters.of_topics,
    routing.account_limits,
    recovery.to_a_point_in_time,
    routing.health_check_lists,
    routing.health_check_status,
    routing.signing_of_zones,
    routing.tags_of_several,
    schedules.by_the_clock,
    secrets.first_versions,
    secrets.replicas_at_creation,
    secrets.end_of_replication,
    secrets.labels_of_versions,
    secrets.promoted_replicas,
    security_groups.prefix_lists,
    sqs.queue_urls,
    sqs.batching_windows,
    storage.retention_of_replicas,
    storage.size_rule,
    storage.virtual_time,
    topics.mail,
    topics.https_endpoints,
    topics.confirmations,
    topics.pending_subscriptions,
    transport.loopback_is_private,
    transport.protocols_are_read_without_the_models,
)


REPAIRS = {f"{repair.__module__.rpartition('.')[2]}.{repair.__name__}": repair for repair in _REPAIRS}
"""By name, in the order in which they are applied."""
FOR_SPEED = "transport.protocols_are_read_without_the_models"
"""The repair that is a trick: the emulator does nothing wrong there, but takes its time."""


def apply() -> None:
    """Repair the emulator, but for the repair that a test leaves out, and the trick where that is turned off."""
    without = os.environ.get(WITHOUT, "")
    if without and without not in REPAIRS:
        raise Problem(f"{WITHOUT}={without} is no repair; there are {', '.join(REPAIRS)}")
    left_out = {without} if on(Trick.PROTOCOLS) else {without, FOR_SPEED}
    for name, repair in REPAIRS.items():
        if name not in left_out:
            repair()
