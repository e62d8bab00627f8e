"""Every number and switch that a resource is given, once more: a value that is changed is noticed.

One row for each property, with what any resource of the type has; of alarms, functions and checks, whose values differ,
a row for each. A change that is meant is a change of its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.projects.mocked_programs import Made, run_environment

EACH = {"Function", "HealthCheck", "Integration", "MetricAlarm", "NetworkAclRule"}
"""Types of which each resource has values of its own."""


def numbers(value: object, path: str) -> Iterator[tuple[str, float | bool]]:
    """The numbers and switches inside an input, with their path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner, path)
    elif isinstance(value, (bool, int, float)):
        yield path, value


def whose(resource: Made) -> str:
    """The resource's type, and its name where each counts; the regions' are the same."""
    kind = resource.type.rpartition(":")[2]
    return f"{kind} {re.sub(r'-(primary|secondary)$', '', resource.name)}" if kind in EACH else kind


def given() -> dict[str, set[float | bool]]:
    found: dict[str, set[float | bool]] = {}
    for run in run_environment().values():
        for resource in run.recorder.cloud:
            for name, value in resource.inputs.items():
                for path, number in numbers(value, f"{whose(resource)}.{name}"):
                    found.setdefault(path, set()).add(number)
    return found


def test_every_value_is_the_one_that_was_meant():
    assert given() == VALUES


VALUES: dict[str, set[float | bool]] = {
    "Bucket.forceDestroy": {True},
    "BucketLifecycleConfiguration.rules.abortIncompleteMultipartUpload.daysAfterInitiation": {1},
    "BucketLifecycleConfiguration.rules.expiration.expiredObjectDeleteMarker": {True},
    "BucketLifecycleConfiguration.rules.noncurrentVersionExpiration.noncurrentDays": {30},
    "BucketLifecycleConfiguration.rules.transitions.days": {30, 90},
    "BucketPublicAccessBlock.blockPublicAcls": {True},
    "BucketPublicAccessBlock.blockPublicPolicy": {True},
    "BucketPublicAccessBlock.ignorePublicAcls": {True},
    "BucketPublicAccessBlock.restrictPublicBuckets": {True},
    "BucketReplicationConfig.rules.destination.metrics.eventThreshold.minutes": {15},
    "BucketReplicationConfig.rules.destination.replicationTime.time.minutes": {15},
    "BucketReplicationConfig.rules.priority": {1},
    "BucketServerSideEncryptionConfiguration.rules.bucketKeyEnabled": {True},
    "EventSourceMapping.batchSize": {10},
    "EventSourceMapping.maximumBatchingWindowInSeconds": {5},
    "EventTarget.retryPolicy.maximumEventAgeInSeconds": {60, 900},
    "EventTarget.retryPolicy.maximumRetryAttempts": {0, 2},
    "FlowLog.maxAggregationInterval": {60},
    "Function audit.memorySize": {256},
    "Function audit.publish": {True},
    "Function audit.reservedConcurrentExecutions": {10},
    "Function audit.timeout": {60},
    "Function canary.memorySize": {256},
    "Function canary.publish": {True},
    "Function canary.reservedConcurrentExecutions": {-1},
    "Function canary.timeout": {50},
    "Function health.memorySize": {128},
    "Function health.publish": {True},
    "Function health.reservedConcurrentExecutions": {50},
    "Function health.timeout": {1},
    "Function payment.memorySize": {256},
    "Function payment.publish": {True},
    "Function payment.reservedConcurrentExecutions": {250},
    "Function payment.timeout": {10},
    "Function stop-switch.memorySize": {256},
    "Function stop-switch.publish": {True},
    "Function stop-switch.reservedConcurrentExecutions": {5},
    "Function stop-switch.timeout": {60},
    "FunctionEventInvokeConfig.maximumEventAgeInSeconds": {3600},
    "FunctionEventInvokeConfig.maximumRetryAttempts": {2},
    "HealthCheck checks-fast.enableSni": {True},
    "HealthCheck checks-fast.failureThreshold": {3},
    "HealthCheck checks-fast.port": {443},
    "HealthCheck checks-fast.requestInterval": {10},
    "HealthCheck checks-gate.childHealthThreshold": {4},
    "HealthCheck checks-standard.enableSni": {True},
    "HealthCheck checks-standard.failureThreshold": {2},
    "HealthCheck checks-standard.port": {443},
    "HealthCheck checks-standard.requestInterval": {30},
    "HealthCheck checks-stop-switch.enableSni": {True},
    "HealthCheck checks-stop-switch.failureThreshold": {3},
    "HealthCheck checks-stop-switch.invertHealthcheck": {True},
    "HealthCheck checks-stop-switch.port": {443},
    "HealthCheck checks-stop-switch.requestInterval": {10},
    "HealthCheck checks.enableSni": {True},
    "HealthCheck checks.failureThreshold": {2},
    "HealthCheck checks.port": {443},
    "HealthCheck checks.requestInterval": {30},
    "Integration api-create-payment.timeoutMilliseconds": {10500},
    "Integration api-get-health.timeoutMilliseconds": {1000},
    "Integration api-get-payment.timeoutMilliseconds": {10500},
    "Integration api-head-health.timeoutMilliseconds": {1000},
    "Integration api-head-payment.timeoutMilliseconds": {10500},
    "Key.deletionWindowInDays": {7},
    "Key.enableKeyRotation": {True},
    "Key.multiRegion": {True},
    "LogGroup.retentionInDays": {7},
    "Method.requestParameters.method.request.header.Idempotency-Key": {True},
    "Method.requestParameters.method.request.path.paymentId": {True},
    "MethodSettings.settings.metricsEnabled": {True},
    "MethodSettings.settings.throttlingBurstLimit": {250},
    "MethodSettings.settings.throttlingRateLimit": {500},
    "MetricAlarm alarms-audit-function-errors.evaluationPeriods": {1},
    "MetricAlarm alarms-audit-function-errors.period": {60},
    "MetricAlarm alarms-audit-function-errors.threshold": {0},
    "MetricAlarm alarms-audit-replication-failures.evaluationPeriods": {1},
    "MetricAlarm alarms-audit-replication-failures.period": {300},
    "MetricAlarm alarms-audit-replication-failures.threshold": {0},
    "MetricAlarm alarms-audit-replication-lag.evaluationPeriods": {1},
    "MetricAlarm alarms-audit-replication-lag.period": {300},
    "MetricAlarm alarms-audit-replication-lag.threshold": {900},
    "MetricAlarm alarms-audits-owed.evaluationPeriods": {3},
    "MetricAlarm alarms-audits-owed.period": {300},
    "MetricAlarm alarms-audits-owed.threshold": {0},
    "MetricAlarm alarms-contradictions.evaluationPeriods": {1},
    "MetricAlarm alarms-contradictions.period": {60},
    "MetricAlarm alarms-contradictions.threshold": {0},
    "MetricAlarm alarms-dead-letters.evaluationPeriods": {1},
    "MetricAlarm alarms-dead-letters.period": {300},
    "MetricAlarm alarms-dead-letters.threshold": {0},
    "MetricAlarm alarms-dynamodb-read-throttles.evaluationPeriods": {1},
    "MetricAlarm alarms-dynamodb-read-throttles.period": {60},
    "MetricAlarm alarms-dynamodb-read-throttles.threshold": {0},
    "MetricAlarm alarms-dynamodb-user-errors.evaluationPeriods": {1},
    "MetricAlarm alarms-dynamodb-user-errors.period": {300},
    "MetricAlarm alarms-dynamodb-user-errors.threshold": {10},
    "MetricAlarm alarms-dynamodb-write-throttles.evaluationPeriods": {1},
    "MetricAlarm alarms-dynamodb-write-throttles.period": {60},
    "MetricAlarm alarms-dynamodb-write-throttles.threshold": {0},
    "MetricAlarm alarms-error-rate.evaluationPeriods": {3},
    "MetricAlarm alarms-error-rate.period": {60},
    "MetricAlarm alarms-error-rate.threshold": {0.01},
    "MetricAlarm alarms-errors.evaluationPeriods": {1},
    "MetricAlarm alarms-errors.period": {300},
    "MetricAlarm alarms-errors.threshold": {10},
    "MetricAlarm alarms-failover-traffic.datapointsToAlarm": {1},
    "MetricAlarm alarms-failover-traffic.evaluationPeriods": {12},
    "MetricAlarm alarms-failover-traffic.period": {10},
    "MetricAlarm alarms-failover-traffic.threshold": {1},
    "MetricAlarm alarms-health-function-errors.evaluationPeriods": {1},
    "MetricAlarm alarms-health-function-errors.period": {60},
    "MetricAlarm alarms-health-function-errors.threshold": {0},
    "MetricAlarm alarms-health-latency.evaluationPeriods": {1},
    "MetricAlarm alarms-health-latency.period": {300},
    "MetricAlarm alarms-health-latency.threshold": {100},
    "MetricAlarm alarms-latch-silent.evaluationPeriods": {5},
    "MetricAlarm alarms-latch-silent.period": {60},
    "MetricAlarm alarms-latch-silent.threshold": {0},
    "MetricAlarm alarms-latency.evaluationPeriods": {3},
    "MetricAlarm alarms-latency.period": {60},
    "MetricAlarm alarms-latency.threshold": {500},
    "MetricAlarm alarms-notification-dead-letters.evaluationPeriods": {1},
    "MetricAlarm alarms-notification-dead-letters.period": {300},
    "MetricAlarm alarms-notification-dead-letters.threshold": {0},
    "MetricAlarm alarms-primary-unhealthy.evaluationPeriods": {1},
    "MetricAlarm alarms-primary-unhealthy.period": {60},
    "MetricAlarm alarms-primary-unhealthy.threshold": {1},
    "MetricAlarm alarms-primary-unserved.evaluationPeriods": {2},
    "MetricAlarm alarms-primary-unserved.period": {60},
    "MetricAlarm alarms-primary-unserved.threshold": {0},
    "MetricAlarm alarms-processor-function-errors.evaluationPeriods": {1},
    "MetricAlarm alarms-processor-function-errors.period": {60},
    "MetricAlarm alarms-processor-function-errors.threshold": {0},
    "MetricAlarm alarms-secondary-unhealthy.evaluationPeriods": {1},
    "MetricAlarm alarms-secondary-unhealthy.period": {60},
    "MetricAlarm alarms-secondary-unhealthy.threshold": {1},
    "MetricAlarm alarms-secondary-unserved.evaluationPeriods": {2},
    "MetricAlarm alarms-secondary-unserved.period": {60},
    "MetricAlarm alarms-secondary-unserved.threshold": {0},
    "MetricAlarm alarms-stuck-payments.evaluationPeriods": {1},
    "MetricAlarm alarms-stuck-payments.period": {300},
    "MetricAlarm alarms-stuck-payments.threshold": {0},
    "MetricAlarm alarms-switch-ranges-stale.evaluationPeriods": {1},
    "MetricAlarm alarms-switch-ranges-stale.period": {10_800},
    "MetricAlarm alarms-switch-ranges-stale.threshold": {1},
    "MetricAlarm alarms-table-replication-lag.evaluationPeriods": {3},
    "MetricAlarm alarms-table-replication-lag.period": {60},
    "MetricAlarm alarms-table-replication-lag.threshold": {5000},
    "MetricAlarm alarms-unexpected-errors.evaluationPeriods": {1},
    "MetricAlarm alarms-unexpected-errors.period": {60},
    "MetricAlarm alarms-unexpected-errors.threshold": {0},
    "MetricAlarm alarms-unfinished-payments.evaluationPeriods": {1},
    "MetricAlarm alarms-unfinished-payments.period": {600},
    "MetricAlarm alarms-unfinished-payments.threshold": {1200},
    "MetricAlarm checks-grey-failure.evaluationPeriods": {2},
    "MetricAlarm checks-grey-failure.period": {60},
    "MetricAlarm checks-grey-failure.threshold": {0.5},
    "NetworkAclRule vpc-answers-of-gateway-endpoints.egress": {False},
    "NetworkAclRule vpc-answers-of-gateway-endpoints.fromPort": {1024},
    "NetworkAclRule vpc-answers-of-gateway-endpoints.ruleNumber": {100},
    "NetworkAclRule vpc-answers-of-gateway-endpoints.toPort": {65535},
    "NetworkAclRule vpc-answers-of-interface-endpoints.egress": {True},
    "NetworkAclRule vpc-answers-of-interface-endpoints.fromPort": {1024},
    "NetworkAclRule vpc-answers-of-interface-endpoints.ruleNumber": {110},
    "NetworkAclRule vpc-answers-of-interface-endpoints.toPort": {65535},
    "NetworkAclRule vpc-requests-to-gateway-endpoints.egress": {True},
    "NetworkAclRule vpc-requests-to-gateway-endpoints.fromPort": {443},
    "NetworkAclRule vpc-requests-to-gateway-endpoints.ruleNumber": {100},
    "NetworkAclRule vpc-requests-to-gateway-endpoints.toPort": {443},
    "NetworkAclRule vpc-requests-to-interface-endpoints.egress": {False},
    "NetworkAclRule vpc-requests-to-interface-endpoints.fromPort": {443},
    "NetworkAclRule vpc-requests-to-interface-endpoints.ruleNumber": {110},
    "NetworkAclRule vpc-requests-to-interface-endpoints.toPort": {443},
    "Queue.messageRetentionSeconds": {1209600},
    "Queue.sqsManagedSseEnabled": {True},
    "Queue.visibilityTimeoutSeconds": {30, 365},
    "RandomPassword.length": {40},
    "RandomPassword.special": {False},
    "Record.ttl": {30, 300},
    "ReplicaKey.deletionWindowInDays": {7},
    "RequestValidator.validateRequestBody": {True},
    "Role.maxSessionDuration": {3600},
    "RequestValidator.validateRequestParameters": {True},
    "Secret.recoveryWindowInDays": {0},
    "SecurityGroupEgressRule.fromPort": {443},
    "SecurityGroupEgressRule.toPort": {443},
    "SecurityGroupIngressRule.fromPort": {443},
    "SecurityGroupIngressRule.toPort": {443},
    "Stage.xrayTracingEnabled": {True},
    "Table.deletionProtectionEnabled": {False},
    "Table.pointInTimeRecovery.enabled": {True},
    "Table.pointInTimeRecovery.recoveryPeriodInDays": {35},
    "Table.replicas.pointInTimeRecovery": {True},
    "Table.serverSideEncryption.enabled": {True},
    "Vpc.enableDnsHostnames": {True},
    "Vpc.enableDnsSupport": {True},
    "VpcEndpoint.privateDnsEnabled": {True},
    "Zone.forceDestroy": {True},
}
