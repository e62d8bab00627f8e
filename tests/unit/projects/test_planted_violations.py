"""docs/requirements.md is true: each row's file and test are there, and a violation of the row makes the test fail."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import NamedTuple

import pytest

from shared.root import ROOT
from tests.sampling import sampled
from tools import checkout


class Violation(NamedTuple):
    """A line of a source, and what stands there instead."""

    path: str
    old: str
    new: str


class Row(NamedTuple):
    """One requirement: the file that makes it, and the test that holds it."""

    name: str
    made_by: str
    held_by: str


VIOLATIONS = {
    "N1": Violation(
        "projects/network/vpc.py", "self.cidr = str(settings.cidrs.of(region.role))", 'self.cidr = "10.0.0.0/16"'
    ),
    "N2": Violation(
        "projects/network/vpc.py",
        "in enumerate(ranges.items(), start=1)",
        "in enumerate([*ranges.items()][:1], start=1)",
    ),
    "N2 T": Violation("projects/network/vpc.py", "route_table_id=routes.id, opts", 'route_table_id="main", opts'),
    "N3": Violation(
        "projects/network/security.py",
        "from_port=HTTPS,\n            to_port=HTTPS,\n            referenced_security_group_id=self.functions.id",
        "from_port=0,\n            to_port=65535,\n            referenced_security_group_id=self.functions.id",
    ),
    "N3 ACL": Violation("projects/network/vpc.py", "https = (HTTPS, HTTPS)", "https = (0, 65535)"),
    "N4": Violation("projects/network/endpoints.py", '        "logs": _ours(', '        "events": _ours('),
    "N5": Violation("projects/network/flow_logs.py", 'traffic_type="ALL"', 'traffic_type="REJECT"'),
    "D1": Violation("projects/data/table.py", '"point_in_time_recovery": True,', '"point_in_time_recovery": False,'),
    "D2": Violation("projects/data/table.py", '"STRONG" if strong else "EVENTUAL"', '"EVENTUAL"'),
    "D3": Violation("shared/components/buckets.py", "block_public_policy=True", "block_public_policy=False"),
    "D3 copies": Violation("projects/data/audit.py", "REPLICATION_MINUTES = 15", "REPLICATION_MINUTES = 60"),
    "D3 ages": Violation("projects/data/audit.py", '"storage_class": "GLACIER"', '"storage_class": "STANDARD_IA"'),
    "D3 role": Violation(
        "projects/data/audit.py",
        "iam.allow(SOURCE_BUCKET, list(dict(self.arns.items()).values())),",
        "iam.allow(SOURCE_BUCKET, [self.arns.primary]),",
    ),
    "D4": Violation(
        "projects/data/credentials.py", 'ignore_changes=["secretString", "versionStages"]', "ignore_changes=[]"
    ),
    "D5": Violation("projects/data/parameters.py", 'type="SecureString"', 'type="String"'),
    "D5 readers": Violation("projects/data/parameters.py", '"peer-endpoint":', '"other-endpoint":'),
    "C1": Violation("projects/compute/functions.py", "settings.payment.timeout,", "settings.payment.timeout * 6,"),
    "C1 place": Violation(
        "shared/components/function.py", "vpc_config=_in_vpc(placement) if placement else None,", "vpc_config=None,"
    ),
    "C2": Violation("lambdas/health/health.py", "BUDGET: Final = 100", "BUDGET: Final = 300"),
    "C3": Violation("shared/components/function.py", "runtime=RUNTIME,", 'runtime="python3.11",'),
    "C4": Violation(
        "shared/components/function.py",
        "-1 if code.reserved_concurrency is None else code.reserved_concurrency",
        "-1",
    ),
    "C4 T": Violation("environments/trading.yaml", "audit: {memory_mb: 512", "audit: {memory_mb: 256"),
    "C5 P": Violation("projects/compute/api.py", "xray_tracing_enabled=True", "xray_tracing_enabled=False"),
    "C5 P TLS": Violation("projects/compute/api.py", "            **API_TLS,\n", ""),
    "C5 P valid": Violation(
        "projects/compute/api.py", "validate_request_parameters=True", "validate_request_parameters=False"
    ),
    "C6 T": Violation("projects/compute/load_balancer.py", "subnets=public.subnet_ids", "subnets=[]"),
    "C7": Violation(
        "shared/components/function.py",
        "retention_in_days=kept.payment if code.kind in OF_PAYMENTS else kept.debug",
        "retention_in_days=365",
    ),
    "C8": Violation(
        "shared/components/function.py",
        'destination_config={"on_failure": {"destination": failures.dead_letters}},',
        "destination_config=None,",
    ),
    "C9": Violation("projects/compute/sweep.py", "settings.sweep_minutes,", "settings.sweep_minutes * 60,"),
    "C9 audit": Violation("projects/compute/functions.py", 'self._file_under("payments", CANARY),', ""),
    "E1": Violation(
        "projects/edge/health.py",
        "fqdn=region.foundation.region_names.of(role),",
        "fqdn=region.foundation.failover_name,",
    ),
    "E1 first": Violation(
        "projects/edge/failover.py", "depends_on=[entry_points, checks]", "depends_on=[entry_points]"
    ),
    "E2": Violation(
        "projects/edge/failover.py",
        "health_check_id=checks.ids.gate if role == PRIMARY else None,",
        "health_check_id=checks.ids.gate if role == PRIMARY else checks.ids.secondary,",
    ),
    "E2 gate": Violation(
        "projects/edge/health.py", "child_health_threshold=len(children),", "child_health_threshold=1,"
    ),
    "E2 P": Violation(
        "projects/edge/grey_failure.py",
        '_alarm("Payments", "PaymentsUnserved", "Average", share, grey.periods)',
        '_alarm("Payments", "RequestsFailed", "Average", share, grey.periods)',
    ),
    "E2 T": Violation(
        "projects/edge/grey_failure.py",
        '_alarm("AWS/Lambda", "Errors", "Sum", errors, grey.periods)',
        '_alarm("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", errors, grey.periods)',
    ),
    "E3": Violation(
        "projects/edge/zone.py",
        'validation_method="DNS",\n            opts=self._regions.of(role).options(self),',
        'validation_method="DNS",\n            opts=self._regions.primary.options(self),',
    ),
    "E3 P": Violation("projects/edge/custom_domains.py", "**API_TLS,", 'security_policy="TLS_1_0",'),
    "E3 T": Violation("projects/edge/listeners.py", 'protocol="HTTPS",', 'protocol="HTTP",'),
    "E5": Violation("projects/edge/health.py", "invert_healthcheck=True", "invert_healthcheck=False"),
    "E5 readers": Violation(
        "projects/edge/switch_object.py", '"aws:SourceIp": list(ranges)', '"aws:SourceIp": ["0.0.0.0/0"]'
    ),
    "E5 latch": Violation("shared/components/schedules.py", "minutes: int = 1", "minutes: int = 5"),
    "E6": Violation("projects/edge/operations.py", '"StringEquals": {"sts:ExternalId": settings.external_id}, ', ""),
    "E6 scope": Violation(
        "projects/edge/operations.py",
        "data.table_arns.secondary],\n            condition=no_payment,",
        "data.table_arns.secondary],",
    ),
    "O1": Violation("projects/observability/synthetics.py", '"rate(5 minutes)"', '"rate(60 minutes)"'),
    "O2": Violation("projects/observability/rules.py", '"dynamodb-user-errors"', '"dynamodb-errors"'),
    "O2 own": Violation(
        "projects/observability/rules.py",
        '"SourceBucket": buckets.of(peer),\n                "DestinationBucket": buckets.of(own),',
        '"SourceBucket": buckets.of(own),\n                "DestinationBucket": buckets.of(peer),',
    ),
    "O2 values": Violation("projects/observability/entry_point_rules.py", "settings.error_percent / 100", "0.05"),
    "O3": Violation("projects/edge/notifications.py", "kms_master_key_id=data.key_arns.of(role),", ""),
    "O3 people": Violation("projects/edge/notifications.py", "for email in settings.emails:", "for email in ():"),
    "O3 record": Violation(
        "projects/edge/notifications.py",
        "for source, topic in topics.items():\n            aws.sns",
        "for source, topic in [(role, topics.of(role))]:\n            aws.sns",
    ),
    "O4": Violation(
        "projects/observability/dashboard.py",
        "for role in ROLES for widget in self._column",
        "for role in ROLES[:1] for widget in self._column",
    ),
    "O5": Violation("projects/observability/alarms.py", "if rule.degrades]", "if not rule.degrades]"),
    "A1": Violation("projects/compute/api.py", "name=region.named(naming.ACCESS_LOG_GROUP)", 'name="access-logs"'),
    "A2": Violation(
        "shared/components/buckets.py", "force_destroy=not region.foundation.production,", "force_destroy=False,"
    ),
    "A2 left": Violation(
        "shared/components/regions.py",
        "ignore_changes=ignore_changes,",
        "ignore_changes=ignore_changes, retain_on_delete=True,",
    ),
    "A3": Violation("projects/compute/functions.py", 'iam.allow(["dynamodb:Query"], [', 'iam.allow(["dynamodb:*"], ['),
    "A3 whom": Violation(
        "shared/components/iam.py", '{"aws:SourceAccount": account}', '{"aws:SourceAccount": "999999999999"}'
    ),
    "A3 used": Violation(
        "projects/compute/functions.py",
        'self._decrypt("dynamodb", "secretsmanager"),',
        'self._decrypt("dynamodb", "secretsmanager", "s3"),',
    ),
    "A3 logs": Violation(
        "shared/components/function.py",
        "iam.deny_elsewhere(WRITING_LOGS, own_log)",
        "iam.deny([WRITING_LOGS[0]], own_log)",
    ),
    "A4": Violation("projects/edge/notifications.py", "batch_size=10", "batch_size=1"),
    "A5": Violation("projects/edge/__main__.py", "name_servers=zone.name_servers,", ""),
    "A5 safe": Violation(
        "projects/data/__main__.py",
        "table_name=table.name,",
        "table_name=pulumi.Output.secret(table.name),",
    ),
    "A6 P": Violation("shared/environment.py", "if longest.total > self.objectives.failover:", "if False:"),
    "A6 T": Violation(
        "environments/trading.yaml", "fast: {interval: 10, threshold: 2}", "fast: {interval: 10, threshold: 3}"
    ),
    "A8": Violation("shared/components/regions.py", ', "DR-Role": use', ""),
    "A9": Violation(
        "projects/network/flow_logs.py",
        "AGGREGATION_SECONDS,",
        'AGGREGATION_SECONDS * (10 if region.role == "secondary" else 1),',
    ),
    "T names": Violation("shared/naming.py", '"environment": self.environment,', '"environment": None,'),
}
"""By row."""


@cache
def rows() -> tuple[Row, ...]:
    cell = r" *([^|]*?) *\|"
    found = re.findall(rf"^\|{cell}[^|]*\|{cell}{cell}$", (ROOT / "docs" / "requirements.md").read_text(), re.MULTILINE)
    return tuple(
        Row(name, made.strip("`"), held.strip("`"))
        for name, made, held in found
        if name != "row" and set(name) != {"-"}
    )


def test_every_row_has_a_file_a_test_and_a_violation():
    assert len(rows()) > 50
    assert {row.name for row in rows()} == VIOLATIONS.keys()
    assert len({row.name for row in rows()}) == len(rows())
    for row in rows():
        assert (ROOT / row.made_by).is_file(), row
        path, _, test = row.held_by.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(), row


@pytest.mark.parametrize("row", VIOLATIONS)
def test_a_violation_can_be_planted(row):
    path, old, new = VIOLATIONS[row]
    assert (ROOT / path).read_text().count(old) == 1
    assert old != new


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of the checkout, in which violations are planted one after another."""
    return checkout.copy(ROOT, tmp_path_factory.mktemp("violations") / "checkout").root


@pytest.mark.parametrize("row", sampled(["E2", *(name for name in VIOLATIONS if name != "E2")]))
def test_a_planted_violation_makes_its_test_fail(sources, row):
    path, old, new = VIOLATIONS[row]
    (held_by,) = (each.held_by for each in rows() if each.name == row)
    text = (sources / path).read_text()
    (sources / path).write_text(text.replace(old, new))
    try:
        command = [sources / ".venv" / "bin" / "python", "-m", "pytest", "-q", "-x", "--tb=line", held_by]
        ended = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    finally:
        (sources / path).write_text(text)
    assert ended.returncode == 1, ended.stdout + ended.stderr  # 2 and more: it could not be run
    assert " failed" in ended.stdout.splitlines()[-1] or "FAILED" in ended.stdout
