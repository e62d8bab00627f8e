"""What is the account's, in one region or in both, and so no environment's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestration.aws import asked, error_code, or_none
from orchestration.bootstrap.iam import Iam
from orchestration.bootstrap.step import BootstrapContext, StepFinding, cannot
from orchestration.graph import Graph
from orchestration.preflight import Shortage, missing, room
from orchestration.quotas import ACCOUNT, CONCURRENCY, GLOBAL_REGION, AccountQuota
from shared.errors import Problem
from shared.roles import ROLES, Role

LOG_ROLE: Final = "apigateway-logs"
LOG_POLICY: Final = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
NOT_YET: Final = frozenset({"BadRequestException", "TooManyRequestsException"})
"""A role that is new is not known everywhere for some seconds; and UpdateAccount may be called once in 20 s
(https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
TRIES, PAUSE = 6, 20.0
NO_PARAMETER: Final = "ParameterNotFound"
PENDING: Final = frozenset({"PENDING", "CASE_OPENED"})
BILLED_BY: Final = "us-east-1"
"""Where Cost Explorer's API is (AWS General Reference, Cost Explorer endpoints)."""
ACTIVE: Final = "Active"
PATH: Final = "/cloudwatchRoleArn"


@dataclass(frozen=True)
class LogRole:
    """The role by which API Gateway writes access logs: one setting for all APIs of an account in a region."""

    context: BootstrapContext
    where: str
    what = "role for access logs"
    needed = True

    @property
    def by_hand(self) -> Sequence[str]:
        return (
            f"aws iam create-role --role-name {LOG_ROLE} --assume-role-policy-document '{json.dumps(TRUST)}'",
            f"aws iam attach-role-policy --role-name {LOG_ROLE} --policy-arn {LOG_POLICY}",
            (
                f"aws apigateway update-account --region {self.where} --patch-operations "
                f"op=replace,path={PATH},value=<role ARN>"
            ),
        )

    def look(self) -> StepFinding:
        arn = self._set()
        if not arn:
            return StepFinding(there=False, said=f"API Gateway in {self.where} has none")
        name = arn.rpartition("/")[2]
        if f":{self.context.account}:" in arn and self._role(name) is None:
            return cannot(
                f"API Gateway in {self.where} has {arn}, which is gone: it is one setting for all its APIs, so whoever "
                "owns these must agree to another: " + self.by_hand[-1]
            )
        return StepFinding(there=True, said=arn)

    def make(self) -> StepFinding:
        """Only where none is set: another's would be lost."""
        if not self._set():
            arn = self._role(LOG_ROLE) or self._new()
            self._iam.must("attach_role_policy", RoleName=LOG_ROLE, PolicyArn=LOG_POLICY)
            self._tell(arn)
        return self.look()

    @property
    def _iam(self) -> Iam:
        return Iam(self.context.aws)

    def _set(self) -> str:
        client = self.context.aws.client("apigateway", self.where)
        found = asked(client.get_account, "ask API Gateway for its role for logs", self.where)
        return str(found.get("cloudwatchRoleArn") or "")

    def _role(self, name: str) -> str | None:
        found = self._iam.ask("get_role", RoleName=name)
        return None if found is None else str(found["Role"]["Arn"])

    def _new(self) -> str:
        tags = [{"Key": key, "Value": value} for key, value in self.context.tags.items()]
        settings = {"RoleName": LOG_ROLE, "AssumeRolePolicyDocument": json.dumps(TRUST), "Tags": tags}
        return str(self._iam.must("create_role", **settings)["Role"]["Arn"])

    def _tell(self, arn: str) -> None:
        told = [{"op": "replace", "path": PATH, "value": arn}]
        client = self.context.aws.client("apigateway", self.where)
        for left in reversed(range(TRIES)):
            try:
                asked(lambda: client.update_account(patchOperations=told), "tell API Gateway its role", self.where)
            except Problem as problem:
                if error_code(problem) not in NOT_YET or not left:
                    raise
            else:
                return
            self.context.sleep(PAUSE)


@dataclass(frozen=True)
class QuotaRequests:
    """The quotas of a region, or of Route 53: as many as a deployment asks for before it begins."""

    context: BootstrapContext
    where: str
    """A region, or `the account` for Route 53's."""
    what = "quotas"
    needed = True

    @property
    def by_hand(self) -> Sequence[str]:
        region = GLOBAL_REGION if self.where == ACCOUNT else self.where
        return (
            (
                f"aws service-quotas request-service-quota-increase --region {region} --service-code <service> "
                "--quota-code <code> --desired-value <number>"
            ),
        )

    def look(self) -> StepFinding:
        short = self._short()
        asked_for = {each.quota.code: self._pending(each) for each in short}
        open_ = [each for each in short if asked_for[each.quota.code] is None]
        waiting = "; ".join(
            f"{each.quota.what}: {asked_for[each.quota.code]} are asked for, and not granted yet: deploy-all refuses "
            "until they are"
            for each in short
            if asked_for[each.quota.code] is not None
        )
        if not open_:
            return StepFinding(there=True, said=waiting or "suffice")
        lacking = "; ".join(each.said for each in open_)
        return StepFinding(there=False, said="; ".join(filter(None, (lacking, waiting))))

    def make(self) -> StepFinding:
        for each in self._short():
            if self._pending(each) is None:
                asked(self._asking(each), f"ask for more {each.quota.what}", each.region)
        return self.look()

    def _asking(self, short: Shortage) -> Callable[[], Any]:
        service, _, code = short.quota.code.partition("/")
        client, wish = self.context.aws.client("service-quotas", short.region), float(self._wish(short))
        return lambda: client.request_service_quota_increase(ServiceCode=service, QuotaCode=code, DesiredValue=wish)

    def _short(self) -> list[Shortage]:
        settings = self.context.settings
        graph = Graph.of(settings.name, aside=settings.aside)
        lacks = missing(settings, graph.stacks, self.context.states)
        mine = [each for each in room(lacks, self.context.aws, settings) if each.where == self.where]
        found = [asked(each.ask, f"ask whether there is room for {each.what}", each.where) for each in mine]
        return [each for each in found if each]

    def _wish(self, short: Shortage) -> int:
        """Of executions as many as the environment says that the account has: a new one has far less."""
        if short.quota is CONCURRENCY:
            return max(short.needed, self.context.settings.compute.account_concurrency)
        return short.needed

    def _pending(self, short: Shortage) -> int | None:
        """How many are asked for and not yet granted; None where nobody has asked for enough."""
        return _asked_for(self.context, short.quota, short.region, short.needed)


def _asked_for(context: BootstrapContext, quota: AccountQuota, region: str, needed: int) -> int | None:
    service, _, code = quota.code.partition("/")
    client = context.aws.client("service-quotas", region)

    def listed() -> list[Any]:
        pages = client.get_paginator("list_requested_service_quota_change_history_by_quota")
        found = pages.paginate(ServiceCode=service, QuotaCode=code)
        return [each for page in found for each in page["RequestedQuotas"] if each["Status"] in PENDING]

    wishes = [int(each["DesiredValue"]) for each in asked(listed, f"ask who wants more {quota.what}", region)]
    return max((each for each in wishes if each >= needed), default=None)


@dataclass(frozen=True)
class PagerParameter:
    """The parameter with the pager's address: a secret of somebody's, which nobody but them puts there."""

    context: BootstrapContext
    where: str
    what = "pager's address"
    needed = True

    @property
    def by_hand(self) -> Sequence[str]:
        return (
            (
                f"aws ssm put-parameter --region {self.where} --name {self.context.settings.edge.pager} "
                "--type SecureString --value file:///dev/stdin"
            ),
        )

    def look(self) -> StepFinding:
        name = str(self.context.settings.edge.pager)
        client = self.context.aws.client("ssm", self.where)
        read = lambda: client.get_parameter(Name=name, WithDecryption=False)  # noqa: E731
        answer = or_none(lambda: asked(read, f"look for {name}", self.where), NO_PARAMETER)
        if answer is None:
            return cannot(
                f"{name} is missing, and its address is a secret that only you have; on standard input: "
                f"{self.by_hand[0]} (edge.pager: null for none)"
            )
        kind = answer["Parameter"]["Type"]
        if kind != "SecureString":
            return cannot(f"{name} is a {kind}, and whoever may read it can wake people: make it a SecureString")
        return StepFinding(there=True, said=name)

    def make(self) -> StepFinding:
        return self.look()


@dataclass(frozen=True)
class CostTags:
    """The tags by which the bills tell costs apart; for the account that pays."""

    context: BootstrapContext
    what = "cost allocation tags"
    where = ACCOUNT
    needed = False

    @property
    def _wanted(self) -> Sequence[str]:
        return [*self.context.settings.tags, "Environment", "DR-Role"]

    @property
    def by_hand(self) -> Sequence[str]:
        told = " ".join(f"TagKey={each},Status={ACTIVE}" for each in self._wanted)
        return (f"aws ce update-cost-allocation-tags-status --region {BILLED_BY} --cost-allocation-tags-status {told}",)

    def look(self) -> StepFinding:
        try:
            known = self._known()
        except Problem as problem:
            return cannot(
                f"{problem}: only the account that pays may; with its credentials: {self.by_hand[0]}; or leave it"
            )
        inactive = [each for each in self._wanted if known.get(each, ACTIVE) != ACTIVE]
        unknown = [each for each in self._wanted if each not in known]
        if inactive:
            return StepFinding(there=False, said=f"not active: {', '.join(inactive)}")
        if unknown:
            return cannot(
                f"not listed yet: {', '.join(unknown)}; AWS lists a tag some 24 hours after the first resource that "
                "has it: run this again then"
            )
        return StepFinding(there=True, said=", ".join(self._wanted))

    def make(self) -> StepFinding:
        known = self._known()
        wish = [{"TagKey": each, "Status": ACTIVE} for each in self._wanted if known.get(each, ACTIVE) != ACTIVE]
        client = self.context.aws.client("ce", BILLED_BY)
        answer = asked(
            lambda: client.update_cost_allocation_tags_status(CostAllocationTagsStatus=wish),
            "activate cost allocation tags",
            BILLED_BY,
        )
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise Problem(f"cannot activate {first['TagKey']}: {first['Message']}: {self.by_hand[0]}")
        return self.look()

    def _known(self) -> Mapping[str, str]:
        client = self.context.aws.client("ce", BILLED_BY)
        answer = asked(
            lambda: client.list_cost_allocation_tags(TagKeys=list(self._wanted)), "list cost allocation tags", BILLED_BY
        )
        return {each["TagKey"]: each["Status"] for each in answer["CostAllocationTags"]}


def _regions(context: BootstrapContext) -> dict[Role, str]:
    return {role: context.settings.region(role) for role in ROLES}


def log_roles(context: BootstrapContext) -> Iterable[LogRole]:
    """One for each region in which a REST API is."""
    if context.settings.entry_point == "rest-api":
        for region in _regions(context).values():
            yield LogRole(context, region)


def quotas(context: BootstrapContext) -> Iterable[QuotaRequests]:
    for region in (*_regions(context).values(), ACCOUNT):
        yield QuotaRequests(context, region)


def pagers(context: BootstrapContext) -> Iterable[PagerParameter]:
    for region in _regions(context).values() if context.settings.edge.pager else ():
        yield PagerParameter(context, region)


def tags(context: BootstrapContext) -> Iterable[CostTags]:
    yield CostTags(context)
