"""Which tests prove each of the cloud's repairs: they fail when the emulator is left as it is there."""

from __future__ import annotations

WITHOUT = "SANDBOX_WITHOUT_REPAIR"
"""The environment variable with the repair that the tests' clouds do without."""

_REPAIRS = "tests/sandbox/test_cloud_repairs.py::"
_GATEWAY = "tests/sandbox/test_gateway.py::"
_FUNCTIONS = "tests/sandbox/test_cloud_functions.py::"
_ANSWERS = "tests/sandbox/test_cloud_answers.py::"
_GATEWAY_ANSWERS = "tests/sandbox/test_gateway_answers.py::"
_TRAFFIC = "tests/sandbox/test_traffic.py::"
_METRICS = "tests/sandbox/test_cloud_metrics.py::"
_ALARMS = "tests/sandbox/test_cloud_alarms.py::"
_SCHEDULES = "tests/sandbox/test_cloud_schedules.py::"
_PAGER = "tests/sandbox/test_pager.py::"
_FIREWALL = "tests/sandbox/test_firewall.py::"
_BALANCERS = "tests/sandbox/test_load_balancer_repairs.py::"
_RIGHTS = "tests/sandbox/test_cloud_rights.py::"
_AUTHORIZATION = "tests/sandbox/test_cloud_authorization.py::"
_LOCK = "tests/sandbox/test_object_lock.py::"
_RECOVERY = "tests/sandbox/test_recovery.py::"
_BACKUPS = "tests/sandbox/test_backups.py::"
_SPEED = "tests/sandbox/test_cloud_repairs_speed.py::"

PROOFS: dict[str, tuple[str, ...]] = {
    "apigateway.base_path_mapping": (_REPAIRS + "test_empty_base_path_is_found_again",),
    "apigateway.callers_address": (_GATEWAY + "test_a_function_gets_the_address_that_connects_whatever_is_forwarded",),
    "apigateway.domain_name_updates": (_REPAIRS + "test_domain_names_and_their_mappings_can_be_changed",),
    "apigateway.domain_names": (_ANSWERS + "test_a_domain_name_is_as_aws_describes_one",),
    "apigateway.domain_of_request": (_GATEWAY + "test_name_shared_by_two_regions_means_the_api_of_the_address",),
    "apigateway.integration_timeout": (_GATEWAY + "test_integrations_timeout_holds",),
    "apigateway.logging_needs_a_role": (_ANSWERS + "test_a_stage_logs_only_when_the_account_has_a_role_for_it",),
    "apigateway.models_by_content_type": (_GATEWAY + "test_a_body_of_another_type_is_not_the_models_business",),
    "apigateway.patches": (_REPAIRS + "test_a_patch_may_name_a_key_with_a_slash",),
    "apigateway.security_policies": (
        _ANSWERS + "test_an_api_takes_tls_1_0_until_it_is_told_otherwise",
        _ANSWERS + "test_an_enhanced_security_policy_needs_an_access_mode[api]",
        _ANSWERS + "test_an_enhanced_security_policy_needs_an_access_mode[domain]",
    ),
    "apigateway.repeated_headers": (_GATEWAY + "test_a_function_gets_every_line_of_a_header",),
    "apigateway.tags": (_ANSWERS + "test_tags_of_a_creation_and_later_ones_are_told_by_every_answer",),
    "authorization.of_endpoints": (
        _AUTHORIZATION + "test_a_function_in_a_vpc_gets_what_the_endpoint_lets_through[dynamodb:PutItem-503]",
    ),
    "authorization.of_functions": (
        _AUTHORIZATION + "test_a_condition_may_name_the_function_whose_keys_sign[own-True]",
    ),
    "authorization.of_keys": (
        _AUTHORIZATION
        + "test_what_is_encrypted_needs_its_key_through_its_service[an_object_written-kms:GenerateDataKey]",
        _AUTHORIZATION + "test_what_is_encrypted_needs_its_key_through_its_service[an_object_read-kms:Decrypt]",
        _AUTHORIZATION + "test_what_is_encrypted_needs_its_key_through_its_service[a_secret-kms:Decrypt]",
        _AUTHORIZATION + "test_what_is_encrypted_needs_its_key_through_its_service[a_parameter-kms:Decrypt]",
        _AUTHORIZATION + "test_what_is_encrypted_needs_its_key_through_its_service[an_item-kms:Decrypt]",
    ),
    "authorization.of_leading_keys": (_AUTHORIZATION + "test_a_policy_may_name_the_partition_keys[get]",),
    "authorization.of_log_streams": (_AUTHORIZATION + "test_a_right_to_a_groups_streams_is_one_to_write_them",),
    "authorization.of_unknown_actions": (
        _AUTHORIZATION + "test_what_nobody_knows_an_action_of_is_allowed_by_no_policy",
    ),
    "authorization.of_missing_objects": (
        _AUTHORIZATION + "test_only_who_may_list_a_bucket_is_told_that_an_object_is_not_there",
    ),
    "rights.of_lambda_actions": (_RIGHTS + "test_an_alias_is_read_by_a_right_to_read_it",),
    "rights.of_resources": (
        *(
            f"{_RIGHTS}test_a_right_to_one_resource_is_a_right_to_it_and_to_no_other[{each}]"
            for each in (
                *("a_table", "a_rule", "a_dashboard", "alarms", "a_health_check", "a_new_function", "a_subnet"),
                "an_ip_set",
            )
        ),
        _RIGHTS + "test_what_is_made_in_a_vpc_needs_a_right_to_both",
    ),
    "rights.of_tags": (_RIGHTS + "test_a_policy_may_name_the_tags_of_a_network",),
    "rights.of_passed_roles": (_RIGHTS + "test_who_makes_a_function_must_be_let_give_it_its_role",),
    "rights.of_mfa": (
        _RIGHTS + "test_with_mfa_the_operations_role_is_taken_on_with_a_second_factor_alone",
        _RIGHTS + "test_a_session_begun_with_a_second_factor_has_it",
    ),
    "backups.recovery_points": (_BACKUPS + "test_a_copy_in_another_region_restores_the_table_as_it_was",),
    "backups.rules_of_plans": (_BACKUPS + "test_a_plan_copies_every_day_and_what_is_over_goes",),
    "backups.vault_locks": (_BACKUPS + "test_a_lock_keeps_what_is_in_a_vault_and_the_vault",),
    "certificates.validation_records": (_ANSWERS + "test_a_name_has_one_validation_record_of_acms_form",),
    "cloudwatch.answers_in_the_query_protocol": (
        _ANSWERS + "test_a_composite_alarm_and_its_history_read_the_same_in_each_protocol[query]",
    ),
    "cloudwatch.evaluated_by_the_clock": (_ALARMS + "test_a_shape_that_is_not_evaluated_is_refused_by_its_name",),
    "cloudwatch.virtual_time": (_ALARMS + "test_history_has_the_sandboxs_time",),
    "cloudwatch.functions_as_actions": (
        _ANSWERS + "test_an_alarm_calls_a_function_at_a_transition_if_its_policy_allows",
    ),
    "cloudwatch.whole_alarms": (
        _REPAIRS + "test_percentile_alarm_has_no_other_statistic",
        _ANSWERS + "test_an_alarm_has_what_it_was_given_and_no_more_in_each_protocol[query-actions]",
        _ANSWERS + "test_an_alarm_has_what_it_was_given_and_no_more_in_each_protocol[json-percentile]",
    ),
    "dead_letters.of_rules": (_SCHEDULES + "test_a_call_that_a_rule_cannot_deliver_is_a_dead_letter",),
    "dead_letters.of_topics": (_SCHEDULES + "test_a_message_that_a_topic_cannot_deliver_is_a_dead_letter",),
    "dynamodb.multi_region_consistency": (
        _REPAIRS + "test_strongly_consistent_table_tells_its_witness_and_the_replicas_keys",
    ),
    "dynamodb.recovery_period": (_REPAIRS + "test_recovery_period_is_kept",),
    "endpoints.flow_logs": (_REPAIRS + "test_flow_log_keeps_role_interval_group_and_tags",),
    "endpoints.vpc_endpoints": (
        _REPAIRS + "test_interface_endpoint_keeps_policy_groups_and_private_dns",
        _ANSWERS + "test_an_endpoints_policy_is_changed_and_reset",
    ),
    "firewall.associations": (
        _FIREWALL + "test_only_what_is_there_is_associated_and_what_is_without_a_web_acl_has_none",
    ),
    "firewall.filtered_stages": (
        _FIREWALL + "test_a_stage_with_a_web_acl_is_filtered_and_measured",
        _FIREWALL + "test_an_ip_set_decides_by_the_address_that_asks_from_its_last_change_on",
        _FIREWALL + "test_a_rate_rule_blocks_a_key_by_the_sandboxs_clock",
        _FIREWALL + "test_a_response_of_the_web_acl_comes_before_the_gateways",
    ),
    "firewall.ip_sets": (_FIREWALL + "test_each_change_needs_the_last_lock_token_and_tells_all_that_it_changed",),
    "firewall.judged_rules": (_FIREWALL + "test_a_rule_that_is_not_judged_is_refused_by_its_name",),
    "firewall.logging": (_FIREWALL + "test_a_web_acl_is_told_where_to_log_and_tells_it",),
    "firewall.web_acl_settings": (_FIREWALL + "test_a_web_acl_tells_all_that_it_was_told",),
    "firewall.what_is_in_use": (_FIREWALL + "test_what_is_in_use_is_not_deleted",),
    "functions.environments": (
        _FUNCTIONS + "test_has_only_the_standard_library_and_what_it_brought",
        _FUNCTIONS + "test_log_is_complete_and_in_order",
        _FUNCTIONS + "test_stays_warm_after_an_exception",
        _FUNCTIONS + "test_silent_function_waits_for_nothing",
        _FUNCTIONS + "test_a_slow_import_is_done_again_within_the_invocation",
    ),
    "functions.invoked_by_alias": (_METRICS + "test_a_function_is_counted_by_the_alias_by_which_it_was_called",),
    "functions.prepared_when_created": (_FUNCTIONS + "test_its_code_is_prepared_before_anybody_calls_it",),
    "functions.ready_at_once": (_SPEED + "test_a_function_is_ready_at_once",),
    "functions.reserved_concurrency": (
        _GATEWAY_ANSWERS + "test_a_function_without_an_answer_is_an_error_that_tells_nothing[throttled]",
        _ANSWERS + "test_what_is_reserved_holds_for_versions_and_aliases",
    ),
    "functions.unreserved_concurrency": (_ANSWERS + "test_a_hundred_concurrent_executions_stay_unreserved",),
    "gateway.function_errors": (
        _GATEWAY_ANSWERS + "test_a_function_without_an_answer_is_an_error_that_tells_nothing",
        _GATEWAY_ANSWERS + "test_a_functions_failure_has_the_integrations_response_and_its_refusal_the_default",
    ),
    "gateway.gateway_response_statuses": (
        _GATEWAY_ANSWERS + "test_the_status_of_a_default_is_that_of_all_which_have_none",
    ),
    "gateway.method_settings": (
        _GATEWAY + "test_a_method_setting_is_kept_and_found_by_the_path_with_its_slashes_escaped[~1payment~1{id}/GET]",
        _GATEWAY + "test_a_method_setting_is_kept_and_found_by_the_path_with_its_slashes_escaped[~1health/GET]",
        _GATEWAY + "test_a_method_setting_of_a_nested_path_that_is_not_escaped_is_refused",
        _GATEWAY + "test_a_method_setting_that_is_not_escaped_can_be_removed_where_it_was_kept_before",
    ),
    "gateway.metrics": (_GATEWAY_ANSWERS + "test_requests_are_counted_by_api_stage_and_method",),
    "gateway.time_of_requests": (_GATEWAY_ANSWERS + "test_a_function_hears_the_sandboxs_time_of_a_request",),
    "gateway.remapped_headers": (_GATEWAY_ANSWERS + "test_headers_of_a_function_are_remapped_or_dropped",),
    "keys.pending_replicas": (_ANSWERS + "test_a_primary_key_waits_until_its_replicas_are_gone",),
    "access_logs.of_buckets": (_REPAIRS + "test_a_bucket_logs_into_a_bucket_of_its_region_that_is_there",),
    "access_logs.of_load_balancers": (_BALANCERS + "test_a_load_balancer_logs_only_into_a_bucket_where_it_may_write",),
    "load_balancers.fixed_responses": (_BALANCERS + "test_a_fixed_response_may_say_anything",),
    "load_balancers.functions_as_targets": (
        _BALANCERS + "test_a_function_is_a_target_only_where_its_policy_lets_the_group_call_it",
    ),
    "load_balancers.network_of_load_balancers": (_BALANCERS + "test_a_load_balancer_is_where_its_subnets_are",),
    "load_balancers.target_groups_of_functions": (
        _BALANCERS + "test_a_group_of_functions_has_no_port_and_asks_for_no_health",
    ),
    "load_balancers.what_is_in_use": (
        _BALANCERS + "test_a_group_in_use_stays_and_a_load_balancer_takes_its_listeners_along",
        _BALANCERS + "test_a_protected_load_balancer_stays",
    ),
    "metrics.by_dimensions": (
        _METRICS + "test_metrics_are_told_by_dimensions_in_each_protocol",
        _METRICS + "test_data_is_told_newest_first_and_refused_where_aws_refuses_it",
    ),
    "metrics.in_logs": (
        _METRICS + "test_what_a_functions_log_measures_is_a_metric",
        _METRICS + "test_a_function_that_may_make_no_log_group_leaves_none[denied]",
        _METRICS + "test_a_function_that_may_make_no_log_group_leaves_none[not_allowed]",
        _METRICS + "test_a_function_that_may_make_no_log_group_leaves_none[no_role]",
    ),
    "metrics.of_invocations": (_METRICS + "test_every_invocation_is_counted_whoever_calls",),
    "network_acls.associations": (_REPAIRS + "test_subnet_moves_from_the_default_network_acl_to_another",),
    "network_acls.entries": (_REPAIRS + "test_network_acl_entry_keeps_its_ports",),
    "permissions.of_apis": (_GATEWAY + "test_api_needs_the_functions_permission",),
    "permissions.of_namespaces": (
        "tests/sandbox/test_synthetics.py::test_a_role_may_measure_under_the_namespace_of_its_condition_alone[CloudWatchSynthetics-measured0]",
    ),
    "permissions.of_rules": (_GATEWAY + "test_rule_needs_the_functions_permission",),
    "routing.account_limits": (_ANSWERS + "test_route_53_tells_what_the_account_may_have_and_what_it_has",),
    "routing.health_check_lists": (_REPAIRS + "test_health_checks_keep_lists_and_booleans",),
    "routing.health_check_status": (_TRAFFIC + "test_checkers_and_dns_follow_an_endpoint",),
    "routing.known_services": (_SPEED + "test_an_unknown_service_loads_no_models",),
    "routing.tags_of_several": (_ANSWERS + "test_route_53_tells_the_tags_of_several_at_once",),
    "routing.signing_of_zones": (_ANSWERS + "test_a_zone_that_nobody_signs_says_so",),
    "recovery.to_a_point_in_time": (
        _RECOVERY + "test_a_table_is_restored_as_it_was",
        _RECOVERY + "test_a_replica_restores_what_came_from_the_other_region_too_as_a_table_of_one_region",
        _RECOVERY + "test_what_cannot_be_restored_is_refused",
    ),
    "schedules.by_the_clock": (
        _SCHEDULES + "test_a_rate_counts_from_the_moment_by_the_sandboxs_clock_at_which_its_rule_was_made",
    ),
    "secrets.end_of_replication": (
        _REPAIRS + "test_secret_is_created_with_its_replicas_and_deleted_after_them",
        _REPAIRS + "test_replica_can_become_a_secret_of_its_own",
    ),
    "secrets.first_versions": (_ANSWERS + "test_a_secret_without_a_value_has_no_version",),
    "secrets.labels_of_versions": (
        _ANSWERS + "test_each_label_is_on_one_version_and_none_is_lost",
        _ANSWERS + "test_a_version_without_labels_is_kept_and_told_only_to_who_asks",
        _ANSWERS + "test_a_token_makes_one_version",
    ),
    "secrets.promoted_replicas": (
        _REPAIRS + "test_a_promoted_replica_is_written_over_by_force_alone",
        _REPAIRS + "test_a_promoted_replica_outlives_its_former_primary",
    ),
    "secrets.replicas_at_creation": (_REPAIRS + "test_secret_is_created_with_its_replicas_and_deleted_after_them",),
    "security_groups.prefix_lists": (_REPAIRS + "test_security_group_rule_keeps_its_prefix_list",),
    "sqs.batching_windows": (_FUNCTIONS + "test_a_mapping_waits_for_a_batch_as_long_as_its_window",),
    "sqs.queue_urls": (_REPAIRS + "test_queue_urls_do_not_name_the_sandbox",),
    "storage.retention_of_replicas": (_LOCK + "test_neither_a_record_nor_its_copy_in_the_other_region_can_be_deleted",),
    "storage.virtual_time": (_ALARMS + "test_an_object_has_the_sandboxs_time",),
    "storage.size_rule": (_ANSWERS + "test_a_lifecycles_rule_for_small_objects_is_kept",),
    "topics.https_endpoints": (_PAGER + "test_a_page_tells_nobody_the_token_of_its_address",),
    "topics.confirmations": (
        _PAGER + "test_the_pager_confirms_by_the_address_that_it_is_given_and_is_told_what_an_alarm_tells",
    ),
    "topics.pending_subscriptions": (_PAGER + "test_a_subscription_that_nobody_has_confirmed_has_an_arn_for_who_asks",),
    "topics.mail": (_SCHEDULES + "test_who_is_subscribed_by_mail_gets_what_an_alarm_tells",),
    "transport.loopback_is_private": (_REPAIRS + "test_loopback_counts_as_secure_transport",),
    "transport.protocols_are_read_without_the_models": (
        _SPEED + "test_an_answers_content_type_is_found_without_the_services_model",
    ),
}
