"""What ends by itself: certificates, runtimes, and the credentials of who would move clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.quotas import GLOBAL_REGION, canaries, of_synthetics
from orchestration.readiness.facts import DAY, Examined, Fact, FactQuestion, ours
from shared.roles import PRIMARY, SECONDARY, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLES_READ: Final = date(2026, 11, 27)
"""When the table below was last compared with AWS's page."""
LAMBDA_ENDS: Final[Mapping[str, date]] = {
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""When Lambda deprecates a runtime: no more patches; two months later functions cannot be updated.

Source: docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html.
"""
LONGEST_KEY: Final = 90
"""Days after which an access key is to be another one: AWS Config's rule `access-keys-rotated` has the same."""
CERTIFICATES_PAGE: Final = "aws acm describe-certificate"


def questions(examined: Examined) -> Iterator[FactQuestion]:
    yield from examined.of_each("certificate", lambda role: _certificate(examined, role))
    yield from examined.of_each("functions' runtime", lambda role: _runtimes(examined, role))
    yield from examined.of_each("canaries' runtime", lambda role: _canaries(examined, role))
    todo = examined.unanswered
    yield FactQuestion("operations role", examined.settings.region(SECONDARY), lambda: _role(examined), todo)
    yield FactQuestion("break-glass credentials", f"IAM, {GLOBAL_REGION}", lambda: _credentials(examined), todo)


def _certificate(examined: Examined, role: Role) -> Fact:
    """ACM renews what is in use and validated by DNS, in the last 60 days (ACM User Guide, "Managed renewal").

    So one that ends within the days that are asked about is one that ACM did not renew.
    """
    names, region = _names(examined, role), examined.settings.region(role)
    found = [
        examined.called("acm", role, "describe_certificate", CertificateArn=each["CertificateArn"])["Certificate"]
        for each in examined.listed("acm", role, "list_certificates", "CertificateSummaryList")
        if each.get("DomainName") in names
    ]
    served = examined.settings.foundation().region_names.of(role)
    mine = [each for each in found if served in each.get("SubjectAlternativeNames", (each["DomainName"],))]
    if not mine:
        return Fact(f"none for {served}", "not fit", f"./invoke deploy --layer edge{examined.options}")
    worst = min(mine, key=lambda each: each.get("NotAfter", datetime.min.replace(tzinfo=UTC)))
    todo = f"{CERTIFICATES_PAGE} --region {region} --certificate-arn {worst['CertificateArn']}"
    if worst["Status"] != "ISSUED":
        return Fact(f"{worst['DomainName']} is {worst['Status']}", "not fit", todo)
    ends = worst["NotAfter"].astimezone(UTC)
    days = (ends - examined.now).total_seconds() / DAY
    eligibility, renewal = worst.get("RenewalEligibility"), (worst.get("RenewalSummary") or {}).get("RenewalStatus")
    told = [f"{worst['DomainName']} until {ends:%Y-%m-%d}, {days:.0f} days"]
    told += [f"renewal {renewal}"] if renewal else []
    told += ["ACM does not renew it"] if eligibility == "INELIGIBLE" else []
    said = "; ".join(told)
    if days <= 0:
        return Fact(said, "not fit", todo)
    if ends <= examined.until or eligibility == "INELIGIBLE" or renewal in {"FAILED", "PENDING_VALIDATION"}:
        return Fact(said, "attention", todo)
    return Fact(said)


def _names(examined: Examined, role: Role) -> set[str]:
    foundation = examined.settings.foundation()
    return {foundation.failover_name, foundation.own_name, foundation.region_names.of(role)}


def _runtimes(examined: Examined, role: Role) -> Fact:
    found = examined.listed("lambda", role, "list_functions", "Functions")
    runtimes = sorted({str(each["Runtime"]) for each in found if ours(each["FunctionName"], examined.settings)})
    if not runtimes:
        return Fact("no function", "not fit", f"./invoke deploy --layer compute{examined.options}")
    page = "docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"
    unknown = [each for each in runtimes if each not in LAMBDA_ENDS]
    if unknown:
        return Fact(f"no date is known for {', '.join(unknown)}", "unknown", page)
    first = min(runtimes, key=lambda each: LAMBDA_ENDS[each])
    end = LAMBDA_ENDS[first]
    said = f"{', '.join(runtimes)} until {end}"
    if end <= examined.now.date():
        return Fact(said, "not fit", page, _since_read(examined))
    return Fact(said, "attention" if end <= examined.until.date() else "ok", page, _since_read(examined))


def _canaries(examined: Examined, role: Role) -> Fact:
    """Canaries of a deprecated runtime run on, and none can be made anew.

    AWS says it 60 days before, by mail. Source: docs.aws.amazon.com/AmazonCloudWatch/
    latest/monitoring/CloudWatch_Synthetics_Runtime_Support_Policy.html.
    """
    client = examined.client("synthetics", role)
    found = canaries(client)
    own = [each for each in found if ours(each["Name"], examined.settings)]
    runtimes = sorted({str(each["RuntimeVersion"]) for each in own})
    stopped = sorted(each["Name"] for each in own if each["Status"]["State"] != "RUNNING")
    if not own or stopped:
        said = f"not running: {', '.join(stopped)}" if own else "no canary"
        return Fact(said, "not fit", f"./invoke deploy --layer observability --refresh{examined.options}")
    listed = of_synthetics(client.describe_runtime_versions, "RuntimeVersions")
    known = {each["VersionName"]: each.get("DeprecationDate") for each in listed}
    wrong = [f"AWS has no runtime {each}" for each in runtimes if each not in known]
    for each, end in ((each, known.get(each)) for each in runtimes):
        if end is not None and end <= examined.until:
            wrong.append(
                f"deprecated: {each} {'since' if end <= examined.now else 'from'} {end.astimezone(UTC):%Y-%m-%d}"
            )
    if wrong:
        return Fact("; ".join(wrong), "attention", "RUNTIME in projects/observability/synthetics.py")
    return Fact(f"{', '.join(runtimes)}, not deprecated; AWS mails 60 days before")


def _since_read(examined: Examined) -> float:
    read = datetime(TABLES_READ.year, TABLES_READ.month, TABLES_READ.day, tzinfo=UTC)
    return max(0.0, (examined.now - read).total_seconds())


def _role(examined: Examined) -> Fact:
    """Whether who asks this may move clients. Somebody else may: then it is no fault."""
    acting = examined.acting()
    if acting.under_the_role:
        return Fact(f"taken on: {acting.arn}")
    return Fact(
        f"{acting.arn} may not take it on", "attention", "edge.operations.operators, docs/runbooks/drill-on-aws.md"
    )


def _credentials(examined: Examined) -> Fact:
    """The access keys of the users that may take on the operations role: of a role's sessions there is nothing to age.

    What nobody has used for long, or changed, is what fails on the day.
    """
    named = examined.settings.edge.operations.operators
    users = [each.removeprefix("user/") for each in named if each.startswith("user/") and "*" not in each]
    others = [each for each in named if each.removeprefix("user/") not in users]
    beside = (
        f"; of {', '.join(others)} no key can be told: sessions, or names that are not written out" if others else ""
    )
    if not users:
        return Fact(f"no user is named in edge.operations.operators{beside}", "ok", "docs/readiness.md")
    found = [_of_user(examined, user.rpartition("/")[2]) for user in users]
    said = "; ".join(each for each, _ in found) + beside
    if all(well for _, well in found):
        return Fact(said)
    return Fact(said, "attention", "aws iam create-access-key, then delete-access-key for the one before")


def _of_user(examined: Examined, user: str) -> tuple[str, bool]:
    """What there is to say of a user's keys, and whether it is well."""
    keys: Sequence[Any] = [
        each
        for each in examined.listed("iam", PRIMARY, "list_access_keys", "AccessKeyMetadata", UserName=user)
        if each["Status"] == "Active"
    ]
    if not keys:
        return f"user {user} has no active access key", False
    days = max((examined.now - each["CreateDate"].astimezone(UTC)).total_seconds() for each in keys) / DAY
    many = f"{len(keys)} active keys, the oldest" if len(keys) > 1 else "one active key,"
    return f"user {user}: {many} {days:.0f} days old", days + examined.days <= LONGEST_KEY
