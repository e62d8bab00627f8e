"""Whether both regions have what clients have paid and what functions read: table, records, secrets, parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestration.api_keys import CURRENT
from orchestration.aws import or_none
from orchestration.pairs import seen_from_its_region
from orchestration.readiness.facts import DAY, MINUTE, Examined, Fact, FactQuestion
from shared import naming
from shared.roles import PRIMARY, SECONDARY, PerRole, Role, other

LOOKED_BACK: Final = 15
"""Minutes of which the delay of copies is told."""
NO_RULES: Final = "ReplicationConfigurationNotFoundError"
S3: Final = "AWS/S3"
TABLE_PAGE, AUDIT_PAGE = "docs/runbooks/table.md", "docs/runbooks/audit-records.md"


def questions(examined: Examined) -> Iterator[FactQuestion]:
    todo = examined.unanswered
    yield from examined.of_each("table", lambda role: _table(examined, role))
    yield from examined.of_each("data key", lambda role: _key(examined, role))
    yield from examined.of_each("audit records' copies", lambda role: _copies(examined, role))
    yield FactQuestion("database credentials", examined.both, lambda: _secret(examined, naming.DATABASE_SECRET), todo)
    yield FactQuestion("API keys' replica", examined.both, lambda: _secret(examined, naming.API_KEYS_SECRET), todo)
    yield FactQuestion("parameters", examined.both, lambda: _parameters(examined), todo)


def _table(examined: Examined, role: Role) -> Fact:
    """As its own region sees it: active, with its peer, and with the witness where writes are strongly consistent."""
    settings = examined.settings
    name = examined.named(naming.PAYMENTS_TABLE)
    found = examined.called("dynamodb", role, "describe_table", TableName=name)["Table"]
    members = {"itself": str(found["TableStatus"])}
    peer = settings.region(other(role))
    replicas = {each["RegionName"]: each.get("ReplicaStatus", "") for each in found.get("Replicas", ())}
    members[peer] = replicas.get(peer, "no replica")
    if settings.data.consistency == "strong":
        witness = settings.regions.witness
        seen = {each["RegionName"]: each.get("WitnessStatus", "") for each in found.get("GlobalTableWitnesses", ())}
        members[f"witness {witness}"] = seen.get(witness, "no witness")
    said = ", ".join(f"{member} {status}" for member, status in members.items())
    if any(status != "ACTIVE" for status in members.values()):
        return Fact(said, "not fit", TABLE_PAGE)
    return Fact(said)


def _key(examined: Examined, role: Role) -> Fact:
    """The multi-region key of a region: without it nothing there can be read."""
    told = examined.called("kms", role, "describe_key", KeyId=examined.named(naming.DATA_KEY))
    state = str(told["KeyMetadata"]["KeyState"])
    return Fact(state) if state == "Enabled" else Fact(state, "not fit", "aws kms enable-key, or cancel-key-deletion")


def _copies(examined: Examined, role: Role) -> Fact:
    """Of the audit records that a region writes: the rule that copies them, and how late and how many copies are.

    S3 tells delay and number where copies arrive, and failures where they come from (S3 User Guide, "Using
    replication metrics"). It tells nothing while nothing is copied.
    """
    to, minutes = other(role), examined.settings.observability.replication_minutes
    buckets = PerRole.build(lambda each: examined.named(naming.AUDIT_BUCKET, each))
    rule = naming.replication_rule(to)
    bucket = buckets.of(role)
    found = or_none(lambda: examined.called("s3", role, "get_bucket_replication", Bucket=bucket), NO_RULES)
    rules = found["ReplicationConfiguration"]["Rules"] if found else []
    status = next((str(each["Status"]) for each in rules if each.get("ID") == rule), "not there")
    if status != "Enabled":
        return Fact(f"rule {rule} is {status}", "not fit", f"./invoke deploy --layer data --refresh{examined.options}")
    dimensions = {"SourceBucket": buckets.of(role), "DestinationBucket": buckets.of(to), "RuleId": rule}
    late = examined.metric(to, (S3, "ReplicationLatency"), dimensions, "Maximum", LOOKED_BACK)
    waiting = examined.metric(to, (S3, "OperationsPendingReplication"), dimensions, "Maximum", LOOKED_BACK)
    failed = examined.metric(role, (S3, "OperationsFailedReplication"), dimensions, "Sum", DAY // MINUTE)
    lost = sum(failed.values())
    seconds, number = (values[max(values)] if values else 0 for values in (late, waiting))
    said = f"enabled; {number:g} waiting, {seconds:g} s late, {lost:g} failed in a day"
    if lost or seconds > minutes * MINUTE:
        return Fact(said, "not fit", AUDIT_PAGE)
    return Fact(said)


def _secret(examined: Examined, kind: naming.Kind) -> Fact:
    """Its replica is in sync, and both regions have the same current version. No value is read."""
    name = examined.named(kind)
    told = PerRole.build(lambda role: examined.called("secretsmanager", role, "describe_secret", SecretId=name))
    secondary = examined.settings.region(SECONDARY)
    versions = told.map(_current)
    replica = next((each for each in told.primary.get("ReplicationStatus", ()) if each["Region"] == secondary), None)
    status = replica["Status"] if replica else "no replica"
    if status != "InSync":
        said = f"{status}: {replica.get('StatusMessage', '')}".rstrip(": ") if replica else status
        return Fact(said, "not fit", "docs/runbooks/rotate-a-key.md")
    if versions.primary != versions.secondary:
        return Fact(f"versions {versions.primary} and {versions.secondary}", "not fit", "docs/runbooks/rotate-a-key.md")
    return Fact(f"in sync, version {versions.primary[:8]}")


def _current(told: Mapping[str, Any]) -> str:
    labels = told.get("VersionIdsToStages", {})
    return next((version for version, stages in labels.items() if CURRENT in stages), "none")


def _parameters(examined: Examined) -> Fact:
    """SSM copies nothing: the same names, types and versions must be there, and values that say the same.

    Values that are encrypted are not read.
    """
    path = examined.named(naming.PARAMETERS)
    found = PerRole.build(lambda role: _of_region(examined, role, path))
    names = found.primary.keys() | found.secondary.keys()
    if pager := examined.settings.edge.pager:
        names |= {pager}
    if not names:
        return Fact("none", "not fit", f"./invoke deploy --layer data{examined.options}")
    gone = {
        f"{name} is not in {examined.settings.region(role)}"
        for role in (PRIMARY, SECONDARY)
        for name in names
        if name not in found.of(role)
    }
    differ = {
        f"{name}: {here['said']} and {there['said']}"
        for name, here in found.primary.items()
        if (there := found.secondary.get(name)) and name != pager and here["said"] != there["said"]
    }
    if gone or differ:
        return Fact("; ".join(sorted(gone | differ)), "not fit", f"./invoke deploy-all --refresh{examined.options}")
    versions = {
        name: (here["version"], there["version"])
        for name, here in found.primary.items()
        if (there := found.secondary.get(name)) and name != pager and here["version"] != there["version"]
    }
    if versions:
        said = "; ".join(f"{name} has version {here} and {there}" for name, (here, there) in sorted(versions.items()))
        return Fact(f"{said}: changed in one region alone", "attention", f"./invoke drift{examined.options}")
    return Fact(f"{len(names)} in both regions, with the same versions")


def _of_region(examined: Examined, role: Role, path: str) -> dict[str, dict[str, Any]]:
    named = examined.listed("ssm", role, "get_parameters_by_path", "Parameters", Path=path, Recursive=True)
    found = {
        str(each["Name"]): {
            "version": each["Version"],
            "said": f"{each['Type']} {_plainly(examined, role, each)}".rstrip(),
        }
        for each in named
    }
    pager = examined.settings.edge.pager
    filters = [{"Key": "Name", "Option": "Equals", "Values": [pager]}]
    if pager and examined.listed("ssm", role, "describe_parameters", "Parameters", ParameterFilters=filters):
        found[pager] = {"version": 0, "said": ""}
    return found


def _plainly(examined: Examined, role: Role, parameter: Mapping[str, Any]) -> str:
    if parameter["Type"] == "SecureString":
        return ""
    return seen_from_its_region(examined.settings, role, parameter["Value"])
