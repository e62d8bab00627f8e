"""Whether people would be told: alarms whose actions are on, and subscriptions that are confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from orchestration import subscriptions
from orchestration.readiness.facts import Examined, Fact, FactQuestion, ours

if TYPE_CHECKING:
    from shared.roles import Role


def questions(examined: Examined) -> Iterator[FactQuestion]:
    yield from examined.of_each("alarms' actions", lambda role: _actions(examined, role))
    yield from examined.of_each("subscriptions", lambda role: _subscriptions(examined, role))


def alarms(examined: Examined, role: Role) -> list[tuple[str, Any]]:
    """Every alarm of the environment in a region, with its kind."""
    return [
        (kind, each)
        for kind in ("MetricAlarm", "CompositeAlarm")
        for each in examined.listed("cloudwatch", role, "describe_alarms", f"{kind}s", AlarmTypes=[kind])
        if ours(each["AlarmName"], examined.settings)
    ]


def _actions(examined: Examined, role: Role) -> Fact:
    """An alarm whose actions are off is red and tells nobody."""
    found = [each for _, each in alarms(examined, role)]
    if not found:
        return Fact("no alarm", "not fit", f"./invoke deploy --layer observability{examined.options}")
    off = sorted(each["AlarmName"] for each in found if not each["ActionsEnabled"])
    if off:
        todo = f"aws cloudwatch enable-alarm-actions --region {examined.settings.region(role)} --alarm-names {off[0]}"
        return Fact(f"off: {', '.join(off)}", "not fit", todo)
    telling = sum(bool(each.get("AlarmActions")) for each in found)
    if not telling:
        return Fact(f"on, and none of {len(found)} alarms has any", "not fit", f"./invoke drift{examined.options}")
    return Fact(f"on for {len(found)} alarms, of which {telling} tell somebody")


def _subscriptions(examined: Examined, role: Role) -> Fact:
    """Whoever has not confirmed is told nothing. While anybody is reached, the others are a matter for attention."""
    found = subscriptions.of_topic(examined.own, examined.settings, examined.account, role)
    confirmed = [each for each in found if subscriptions.confirmed(each)]
    pending = sorted(_whose(each) for each in found if not subscriptions.confirmed(each))
    known = {each["Endpoint"] for each in found if each["Protocol"] == "email"}
    lost = sorted(f"{email} is not subscribed" for email in examined.settings.edge.emails if email not in known)
    people = [each for each in confirmed if each["Protocol"] in subscriptions.PEOPLE]
    wrong = [*(f"{each} has not confirmed" for each in pending), *lost]
    if not people:
        return Fact("; ".join([*wrong, "nobody is reached"]), "not fit", "docs/runbooks/undelivered.md")
    if wrong:
        return Fact("; ".join(wrong), "attention", "docs/runbooks/undelivered.md")
    return Fact(f"{len(confirmed)} confirmed, of which {len(people)} reach people")


def _whose(subscription: Any) -> str:
    """A pager's address is a secret: a mail's is named, of others the protocol alone."""
    return str(subscription["Endpoint"] if subscription["Protocol"] == "email" else subscription["Protocol"])
