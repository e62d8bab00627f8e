"""Every name of the emulator that the cloud uses. Most are private: a newer emulator may lack them.

`tests/unit/sandbox/test_names.py` compares this list with the sources: it has all of them, and nothing else.
"""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from shared import files
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.machinery import ModuleSpec

VERSION = "1.5.33"
"""The emulator that has them all."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "ministack.app": (
        "_get_module()",
        "_loaded_modules",
        "_version()",
        "app()",
        "pin_request_origin()",
    ),
    "ministack.core.arn": ("parse_arn()",),
    "ministack.core.concurrency": ("run_reentrant()",),
    "ministack.core.iam_actions": (
        "SERVICE_TO_IAM_NAMESPACE.get()",
        "_BOTOCORE_SERVICE_MAP.update()",
        "_get_routes_for_service()",
        "_lambda_action()",
        "_match_rest_action()",
        "_tag_operations()",
        "dynamodb_service_context()",
        "extract_iam_action()",
        "extract_resource_arn()",
    ),
    "ministack.core.iam_evaluator": (
        "AuthError()",
        "EvalContext()",
        "_gather_role_policies()",
        "_principal_keys()",
        "_request_origin.get()",
        "_resolve_condition_key()",
        "enforce()",
        "evaluate()",
        "evaluate_resource_policy()",
        "is_root_access_key()",
    ),
    "ministack.core.lambda_runtime": (
        "_worker_class_for()",
        "execution_credentials()",
        "kill_workers()",
    ),
    "ministack.core.responses": (
        "AccountRegionScopedDict()",
        "AccountScopedDict()",
        "_BOTOCORE_NAME.get()",
        "_service_model()",
        "error_response_json()",
        "get_account_id()",
        "get_region()",
        "get_request_client_ip()",
        "json_response()",
        "request_scope()",
    ),
    "ministack.core.router": (
        "_KNOWN_AWS_SERVICE_NAMES",
        "extract_access_key_id()",
    ),
    "ministack.services.acm": (
        "_certificates.get_scoped()",
        "_certificates.items()",
        "_validation_options()",
    ),
    "ministack.services.alb": (
        "_ACTION_MAP",
        "_ACTION_MAP[CreateLoadBalancer]()",
        "_ACTION_MAP[CreateTargetGroup]()",
        "_ACTION_MAP[DeleteListener]()",
        "_ACTION_MAP[DeleteLoadBalancer]()",
        "_ACTION_MAP[DeleteTargetGroup]()",
        "_ACTION_MAP[ModifyLoadBalancerAttributes]()",
        "_ACTION_MAP[RegisterTargets]()",
        "_action_xml()",
        "_error()",
        "_lb_attrs.get()",
        "_lb_attrs.get_scoped()",
        "_lb_xml()",
        "_lbs",
        "_lbs.all_items()",
        "_listener_attrs.get_scoped()",
        "_listeners.all_items()",
        "_listeners.values()",
        "_p()",
        "_parse_member_list()",
        "_parse_targets_param()",
        "_rules.all_items()",
        "_rules.values()",
        "_targets.get_scoped()",
        "_tg_attrs",
        "_tg_attrs.get_scoped()",
        "_tg_xml()",
        "_tgs.get()",
        "_tgs.get_scoped()",
        "_tgs.values()",
        "_xml()",
        "get_region()",
    ),
    "ministack.services.apigateway_v1": (
        "_GatewayError()",
        "_HTTP_METHOD_TOKENS",
        "_METHOD_SETTING_CATEGORIES",
        "_STAGE_ROOT_PATH_PREFIXES",
        "_account_settings.get()",
        "_api_keys",
        "_apply_patch()",
        "_base_path_mappings.all_items()",
        "_base_path_mappings.get()",
        "_build_lambda_event_v1()",
        "_check_request_validation()",
        "_check_throttle()",
        "_create_base_path_mapping()",
        "_create_domain_name()",
        "_create_rest_api()",
        "_default_gateway_response()",
        "_domain_names",
        "_domain_names.all_items()",
        "_domain_names.get()",
        "_execute_in_scope()",
        "_extract_lambda_ref_from_integration_uri()",
        "_gateway_error_response()",
        "_gateway_response_family()",
        "_gateway_response_for_type()",
        "_get_v1_tags()",
        "_gw_error()",
        "_header_ci()",
        "_invoke_lambda_custom_v1()",
        "_invoke_lambda_proxy_v1()",
        "_lambda_proxy_response()",
        "_method_throttle_settings()",
        "_public_mapping()",
        "_resolve_v1_tag_resource_arn()",
        "_rest_api_view()",
        "_rest_apis",
        "_rest_apis.all_items()",
        "_rest_apis.get()",
        "_stages_v1",
        "_stages_v1.all_items()",
        "_stages_v1.get()",
        "_tag_v1_resource()",
        "_take_token()",
        "_try_apply_method_settings_patch()",
        "_untag_v1_resource()",
        "_update_account()",
        "_update_rest_api()",
        "_update_stage()",
        "_usage_plans",
        "_v1_error()",
        "_v1_response()",
        "_v1_tags.pop()",
        "find_api_scope()",
        "handle_execute()",
        "handle_request()",
    ),
    "ministack.services.backup": (
        "_create_plan()",
        "_delete_plan()",
        "_delete_vault()",
        "_describe_vault()",
        "_epoch()",
        "_err()",
        "_jobs",
        "_no_content()",
        "_ok()",
        "_plans._data.items()",
        "_selections.values()",
        "_update_plan()",
        "_vault_arn()",
        "_vaults",
        "_vaults.get()",
        "handle_request()",
    ),
    "ministack.services.cloudwatch": (
        "_alarms.all_items()",
        "_alarms._data.items()",
        "_alarms.get()",
        "_cbor_ok()",
        "_cbor_timestamp()",
        "_describe_alarm_history()",
        "_describe_alarms()",
        "_describe_alarms_for_metric()",
        "_dispatch_alarm_actions()",
        "_error()",
        "_evaluate_alarm()",
        "_evaluate_all_alarms()",
        "_evaluate_parent_alarms()",
        "_evict_old_metrics()",
        "_get_metric_data()",
        "_get_metric_statistics()",
        "_json_ok()",
        "_list_metrics()",
        "_metrics._data",
        "_p()",
        "_parse_ts()",
        "_put_metric_alarm()",
        "_put_metric_data()",
        "_record_history()",
        "_ts_iso()",
        "_xml()",
        "record_metric()",
        "time",
    ),
    "ministack.services.cloudwatch_logs": ("_log_groups",),
    "ministack.services.dynamodb": (
        "_create_table()",
        "_describe_continuous_backups()",
        "_emit_stream_event()",
        "_extract_key_val()",
        "_items_replaced()",
        "_normalize_table_name()",
        "_pitr_settings.get()",
        "_remove_item()",
        "_replicate_write()",
        "_restore_table_to_point_in_time()",
        "_set_item()",
        "_sse_description_from_spec()",
        "_table_description()",
        "_tables",
        "_tables._data.items()",
        "_tables._data.values()",
        "_tables.get()",
        "_tables.get_scoped()",
        "_update_continuous_backups()",
        "_update_table()",
        "handle_request()",
    ),
    "ministack.services.ec2": (
        "_ACTION_MAP[CreateFlowLogs]()",
        "_ACTION_MAP[CreateNetworkAclEntry]()",
        "_ACTION_MAP[CreateVpcEndpoint]()",
        "_ACTION_MAP[DescribeFlowLogs]()",
        "_ACTION_MAP[DescribeNetworkAcls]()",
        "_ACTION_MAP[ModifyVpcEndpoint]()",
        "_ACTION_MAP[ReplaceNetworkAclAssociation]()",
        "_ACTION_MAP[ReplaceNetworkAclEntry]()",
        "_default_initialized_scopes",
        "_error()",
        "_flow_logs",
        "_network_acl_entry_xml()",
        "_network_acls",
        "_p()",
        "_parse_filters()",
        "_parse_ip_permissions()",
        "_parse_member_list()",
        "_parse_tag_specs()",
        "_route_tables",
        "_sg_rule_xml()",
        "_subnets",
        "_subnets.get()",
        "_subnets.get_scoped()",
        "_tags.items()",
        "_vpc_endpoints",
        "_vpc_endpoints.values()",
        "_vpce_fields_xml()",
        "_xml()",
    ),
    "ministack.services.eventbridge": (
        "_cron_next_fire()",
        "_dispatch_to_sqs()",
        "_invoke_target()",
        "_now_ts()",
        "_parse_cron_fields()",
        "_parse_rate_seconds()",
        "_pattern_event_view()",
        "_rules._data.items()",
        "_targets._data.get()",
        "_tick_scheduled_rules()",
    ),
    "ministack.services.iam": (
        "_access_keys",
        "_attach_role_policy()",
        "_create_role()",
        "_create_user()",
        "_mfa_devices.get()",
        "_now()",
        "_put_user_policy()",
        "_roles",
        "_users",
    ),
    "ministack.services.kms": (
        "_check_key_state()",
        "_mrk_members()",
        "_resolve_key()",
        "_schedule_key_deletion()",
        "get_state()",
        "load_persisted_state()",
    ),
    "ministack.services.lambda_svc": (
        "_LAMBDA_STATE_TRANSITION_DELAY",
        "_acquire_execution_slot()",
        "_build_config()",
        "_create_function()",
        "_delete_function()",
        "_effective_func_record_for_qualifier()",
        "_emit_lambda_logs()",
        "_emit_lambda_metrics()",
        "_ensure_poller()",
        "_esms.has_any()",
        "_execute_function()",
        "_execute_function_dispatch()",
        "_execute_function_with_config_scope()",
        "_execution_record_for_config()",
        "_functions._data",
        "_functions._data.values()",
        "_functions.get_scoped()",
        "_functions.items()",
        "_get_account_settings()",
        "_get_func_record_for_ref()",
        "_get_func_record_for_ref_in_scope()",
        "_inflight.get()",
        "_inflight_key()",
        "_iter_all_esms()",
        "_put_function_concurrency()",
        "_reserved_concurrency()",
        "_update_code()",
        "_update_config()",
        "acquire_worker()",
        "invoke_async_with_retry()",
        "release_worker()",
    ),
    "ministack.services.route53": (
        "_error_response()",
        "_find()",
        "_findall()",
        "_health_checks",
        "_health_checks._data",
        "_health_checks.get()",
        "_parse_body()",
        "_parse_health_check_config()",
        "_records.get()",
        "_tags.get()",
        "_xml_response()",
        "_zones",
        "_zones.values()",
        "handle_request()",
    ),
    "ministack.services.s3": (
        "_apply_object_lock_from_headers()",
        "_bucket_default_sse_headers()",
        "_bucket_lifecycle",
        "_bucket_policies",
        "_bucket_replication",
        "_buckets",
        "_error()",
        "_get_object_data()",
        "_maybe_replicate()",
        "_maybe_replicate_delete_marker()",
        "_object_record_from_version()",
        "_object_tags",
        "_object_versions",
        "_parse_bucket_key()",
        "_persist_object()",
        "_put_bucket_logging()",
        "_replication_rule_for()",
        "_stored_sse_headers()",
        "_version_body()",
        "get_state()",
        "handle_request()",
        "load_persisted_state()",
        "now_iso()",
    ),
    "ministack.services.secretsmanager": (
        "_add_stage()",
        "_apply_current_promotion()",
        "_create_secret()",
        "_list_secret_version_ids()",
        "_put_secret_value()",
        "_remove_stage_everywhere()",
        "_replicate_secret_to_regions()",
        "_resolve()",
        "_secrets._data.items()",
        "_secrets.get_scoped()",
        "_secrets.pop_scoped()",
        "_sync_replicas()",
        "error_response_json()",
        "handle_request()",
        "json_response()",
    ),
    "ministack.services.sns": (
        "_confirm_subscription()",
        "_deliver_to_sqs()",
        "_fanout()",
        "_http_post_sync()",
        "_list_subscriptions_by_topic()",
        "_p()",
        "_subscribe()",
        "_topic_by_arn_any_scope()",
        "_topics._data.items()",
        "_topics.get_scoped()",
    ),
    "ministack.services.sqs": (
        "_get_q()",
        "_queue_by_arn()",
        "_queue_url_for_account()",
        "_queues._data.values()",
        "_receive_messages_for_esm()",
        "queue_policy_allows()",
    ),
    "ministack.services.ssm": (
        "_get_parameter()",
        "_parameters.get()",
        "_put_parameter()",
    ),
    "ministack.services.sts": (
        "_caller_identity()",
        "_principal_keys()",
        "_sessions",
        "_sessions.get()",
        "_sessions.keys()",
        "handle_request()",
    ),
    "ministack.services.tagging": ("_RESOURCE_TAG_COLLECTORS",),
    "ministack.services.waf": (
        "_associate_web_acl()",
        "_associations",
        "_associations.get_scoped()",
        "_associations.items()",
        "_create_web_acl()",
        "_delete_ip_set()",
        "_delete_web_acl()",
        "_get_web_acl_for_resource()",
        "_ip_sets",
        "_ip_sets.get_scoped()",
        "_resource_from_scope()",
        "_update_ip_set()",
        "_update_web_acl()",
        "_values_for_scope()",
        "_waf_err()",
        "_web_acls",
        "_web_acls.get_scoped()",
        "create_web_acl_record()",
        "handle_request()",
        "web_acl_record()",
    ),
}
"""By module. What can be called ends with (); what is found in a table by its key is in brackets after the table."""

_READ_ONLY = "ministack.services.s3"
"""It reads the objects on disk when it is imported, and `persistence` has yet to say whether they are the cloud's."""


def check(found: Path, digest: str) -> None:
    """Raise a Problem that says what is missing, and who uses it, unless the emulator has all names.

    That a name can be called, or cannot, is part of it. `found` remembers for which sources and libraries, by their
    digest, all of them were there: importing every module for that would make each start a fifth longer.
    """
    if found.exists() and found.read_text() == digest:
        return
    if gone := list(_gone()):
        raise Problem(_told(gone))
    files.replace(found, digest)


def _told(gone: list[str]) -> str:
    from sandbox.cloud.uses import uses  # noqa: PLC0415 - only here is it worth the time to read all sources

    users: dict[str, set[str]] = defaultdict(set)
    for use in uses():
        users[f"{use.module}.{use.name}"].add(use.place)
        users[use.module].add(use.place)
    missing = [f"{name} (used by {', '.join(sorted(users[name.removesuffix('()')]))})" for name in gone]
    return (
        f"ministack {_installed()} lacks {'; '.join(missing)}: "
        f"pin {VERSION} in pyproject.toml and requirements.lock again, or mend what uses it"
    )


def _gone() -> Iterator[str]:
    for module, names in NAMES.items():
        if _spec(module) is None:
            yield module
        else:
            yield from (f"{module}.{name}" for name in names if not _has(module, name))


def _has(module: str, name: str) -> bool:
    path = name.removesuffix("()")
    if module == _READ_ONLY:
        written = rf"^(?:async )?def {path}\(|^    {path},$" if path != name else rf"^{path}\b.*="
        return re.search(written, _source(module), re.MULTILINE) is not None
    found = importlib.import_module(module)
    try:
        for attribute, key in re.findall(r"(\w+)(?:\[(\w+)\])?", path):
            found = getattr(found, attribute)
            if key:
                found = found[key]
    except (AttributeError, KeyError):
        return False
    return callable(found) == name.endswith("()")


def _source(module: str) -> str:
    spec = _spec(module)
    return Path(spec.origin).read_text() if spec and spec.origin else ""


def _spec(module: str) -> ModuleSpec | None:
    try:
        return util.find_spec(module)
    except ModuleNotFoundError:  # of the package that it would be in
        return None


def _installed() -> str:
    try:
        return metadata.version("ministack")
    except metadata.PackageNotFoundError:
        return "(not installed)"
