"""The data of both regions: keys, the payments table, the audit buckets, secrets and parameters."""

from __future__ import annotations

from projects.data.access_logs import AuditAccessLogs
from projects.data.audit import AuditBuckets
from projects.data.credentials import Secrets
from projects.data.keys import DataKey
from projects.data.parameters import Parameters
from projects.data.table import PaymentsTable
from shared.components.exchange import publish
from shared.components.regions import both_regions, stays
from shared.contracts import DataOutputs
from shared.environment_sections import DataSettings

regions, settings = both_regions(DataSettings)
stays("consistency", settings.consistency_mode)

key = DataKey("data-key", regions)
table = PaymentsTable("payments", regions, settings, key)
audit = AuditBuckets("audit", regions, settings.audit, key)
AuditAccessLogs("audit-access", regions, settings.audit.access_log_days, audit)
secrets = Secrets("secrets", regions, key)
Parameters("parameters", regions, key, secrets)

publish(
    DataOutputs(
        table_name=table.name,
        table_arns=table.arns,
        consistency=table.consistency,
        audit_bucket_names=audit.names,
        audit_bucket_arns=audit.arns,
        key_arns=key.arns,
        api_keys_secret_arns=secrets.api_keys_arns,
    )
)
