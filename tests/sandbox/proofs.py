"""Which tests prove each of the cloud's repairs: they fail when the emulator is left as it is there."""

from __future__ import annotations

WITHOUT = "SANDBOX_WITHOUT_REPAIR"
"""The environment variable with the repair that the tests' clouds do without."""

_REPAIRS = "tests/sandbox/test_cloud_repairs.py::"
_GATEWAY = "tests/sandbox/test_gateway.py::"
_FUNCTIONS = "tests/sandbox/test_cloud_functions.py::"
_SPEED = "tests/sandbox/test_cloud_repairs_speed.py::"

PROOFS: dict[str, tuple[str, ...]] = {
    "apigateway.base_path_mapping": (_REPAIRS + "test_empty_base_path_is_found_again",),
    "apigateway.domain_name_updates": (_REPAIRS + "test_domain_names_and_their_mappings_can_be_changed",),
    "apigateway.domain_of_request": (_GATEWAY + "test_name_shared_by_two_regions_means_the_api_of_the_address",),
    "apigateway.integration_timeout": (_GATEWAY + "test_integrations_timeout_holds",),
    "apigateway.models_by_content_type": (_GATEWAY + "test_a_body_of_another_type_is_not_the_models_business",),
    "apigateway.patches": (_REPAIRS + "test_a_patch_may_name_a_key_with_a_slash",),
    "apigateway.repeated_headers": (_GATEWAY + "test_a_function_gets_every_line_of_a_header",),
    "cloudwatch.percentile_alarms": (_REPAIRS + "test_percentile_alarm_has_no_other_statistic",),
    "dynamodb.multi_region_consistency": (
        _REPAIRS + "test_strongly_consistent_table_tells_its_witness_and_the_replicas_keys",
    ),
    "dynamodb.recovery_period": (_REPAIRS + "test_recovery_period_is_kept",),
    "endpoints.flow_logs": (_REPAIRS + "test_flow_log_keeps_role_interval_group_and_tags",),
    "endpoints.vpc_endpoints": (_REPAIRS + "test_interface_endpoint_keeps_policy_groups_and_private_dns",),
    "functions.environments": (
        _FUNCTIONS + "test_has_only_the_standard_library_and_what_it_brought",
        _FUNCTIONS + "test_log_is_complete_and_in_order",
        _FUNCTIONS + "test_stays_warm_after_an_exception",
        _FUNCTIONS + "test_silent_function_waits_for_nothing",
    ),
    "functions.prepared_when_created": (_FUNCTIONS + "test_its_code_is_prepared_before_anybody_calls_it",),
    "functions.ready_at_once": (_SPEED + "test_a_function_is_ready_at_once",),
    "network_acls.associations": (_REPAIRS + "test_subnet_moves_from_the_default_network_acl_to_another",),
    "network_acls.entries": (_REPAIRS + "test_network_acl_entry_keeps_its_ports",),
    "permissions.of_apis": (_GATEWAY + "test_api_needs_the_functions_permission",),
    "permissions.of_function_urls": (_GATEWAY + "test_function_url_needs_both_permissions",),
    "permissions.of_rules": (_GATEWAY + "test_rule_needs_the_functions_permission",),
    "routing.health_check_lists": (_REPAIRS + "test_health_checks_keep_lists_and_booleans",),
    "routing.known_services": (_SPEED + "test_an_unknown_service_loads_no_models",),
    "secrets.end_of_replication": (
        _REPAIRS + "test_secret_is_created_with_its_replicas_and_deleted_after_them",
        _REPAIRS + "test_replica_can_become_a_secret_of_its_own",
    ),
    "secrets.replicas_at_creation": (_REPAIRS + "test_secret_is_created_with_its_replicas_and_deleted_after_them",),
    "security_groups.prefix_lists": (_REPAIRS + "test_security_group_rule_keeps_its_prefix_list",),
    "sqs.batching_windows": (_FUNCTIONS + "test_a_mapping_waits_for_a_batch_as_long_as_its_window",),
    "sqs.queue_urls": (_REPAIRS + "test_queue_urls_do_not_name_the_sandbox",),
    "transport.loopback_is_private": (_REPAIRS + "test_loopback_counts_as_secure_transport",),
    "transport.protocols_are_read_without_the_models": (
        _SPEED + "test_an_answers_content_type_is_found_without_the_services_model",
    ),
}
