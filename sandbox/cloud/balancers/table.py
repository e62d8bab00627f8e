"""The load balancers of each region, as requests find them: by name, with the rules of the listener that answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.cloud.balancers.answers import BalancerAnswer
from sandbox.cloud.balancers.conditions import condition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.cloud.balancers.conditions import Condition

log = logging.getLogger(__name__)

MULTI_VALUE = "lambda.multi_value_headers.enabled"
FORWARDED_FOR = "routing.http.xff_header_processing.mode"
TELLS_SERVER = "routing.http.response.server.enabled"


@dataclass(frozen=True)
class TargetGroup:
    """A target group."""

    arn: str
    function: str
    """The ARN of the function, its version or alias; empty when none is registered."""
    multi_value: bool
    """Headers and parameters are told with all their values."""

    @property
    def dimension(self) -> str:
        return self.arn.rpartition(":")[2]


class Forward(NamedTuple):
    """An action: one of the groups answers, as often as its weight says."""

    groups: tuple[TargetGroup, ...]
    weights: tuple[int, ...]


class ListenerRule(NamedTuple):
    """What is done with the requests that meet all conditions; None for what is not imitated."""

    conditions: tuple[Condition, ...]
    action: BalancerAnswer | Forward | None


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer and one listener: the sandbox has one port for each region, which stands for 443."""

    arn: str
    name: str
    """Of its own, in DNS."""
    certified: tuple[str, ...]
    """The names on its listeners' certificates."""
    protocol: str
    port: int
    rules: tuple[ListenerRule, ...]
    """In order, the default one last."""
    forwarded_for: str = "append"
    """What becomes of X-Forwarded-For: append, preserve or remove."""
    tells_server: bool = True

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def dimension(self) -> str:
        return self.arn.rpartition(":loadbalancer/")[2]


@dataclass
class _Regional:
    all: list[LoadBalancer] = field(default_factory=list)
    named: dict[str, LoadBalancer] = field(default_factory=dict)


class LoadBalancers:
    """Those that have a listener; one without takes no connection. Read anew when told that something has changed.

    Of two whose certificates have the same name, the younger one answers to it. On AWS that is DNS's to say.
    """

    def __init__(self) -> None:
        self._regions: dict[str, _Regional] | None = None

    def forget(self) -> None:
        """A load balancer, or a certificate, may have changed."""
        self._regions = None

    def of(self, region: str) -> list[LoadBalancer]:
        return self._in(region).all

    def named(self, region: str, host: str) -> LoadBalancer | None:
        """By its own name, or one on a certificate; an asterisk there stands for one label."""
        named = self._in(region).named
        return named.get(host) or named.get(f"*.{host.partition('.')[2]}")

    def hosts(self, region: str) -> Iterator[str]:
        yield from self._in(region).named

    def _in(self, region: str) -> _Regional:
        if self._regions is None:
            self._regions = {}
            for each in _read():
                regional = self._regions.setdefault(each.region, _Regional())
                regional.all.append(each)
                regional.named |= dict.fromkeys((each.name, *each.certified), each)
        return self._regions.get(region) or _NONE


_NONE = _Regional()


def _read() -> Iterator[LoadBalancer]:
    from ministack.services import alb  # noqa: PLC0415 - as late as the emulator's own import of it

    for (account, region, arn), kept in alb._lbs.all_items():
        listeners = [each for _, each in alb._listeners.all_items() if each["LoadBalancerArn"] == arn]
        if kept.get("Type", "application") == "application" and listeners:
            chosen = min(listeners, key=lambda each: (each.get("Protocol") != "HTTPS", each["Port"] != 443))
            attributes = _attributes(alb._lb_attrs.get_scoped(account, region, arn))
            shown = _attributes(alb._listener_attrs.get_scoped(account, region, chosen["ListenerArn"]))
            yield LoadBalancer(
                arn=arn,
                name=kept["DNSName"].lower(),
                certified=tuple(name for each in listeners for name in _certified(account, region, each)),
                protocol=chosen.get("Protocol", "HTTP"),
                port=chosen["Port"],
                rules=tuple(_rules(account, region, chosen)),
                forwarded_for=attributes.get(FORWARDED_FOR, "append"),
                tells_server=shown.get(TELLS_SERVER) != "false",
            )


def _certified(account: str, region: str, listener: Mapping[str, Any]) -> Iterator[str]:
    from ministack.services import acm  # noqa: PLC0415

    if listener.get("Protocol") != "HTTPS":
        return
    for arn in listener.get("Certificates") or ():
        if certificate := acm._certificates.get_scoped(account, region, arn):
            names = [certificate["DomainName"], *(certificate.get("SubjectAlternativeNames") or ())]
            yield from dict.fromkeys(name.lower() for name in names)


def _rules(account: str, region: str, listener: Mapping[str, Any]) -> Iterator[ListenerRule]:
    from ministack.services import alb  # noqa: PLC0415

    kept = [each for _, each in alb._rules.all_items() if each["ListenerArn"] == listener["ListenerArn"]]
    own = sorted((each for each in kept if not each.get("IsDefault")), key=lambda each: int(each["Priority"]))
    for each in own:
        yield ListenerRule(tuple(map(condition, each["Conditions"])), _action(account, region, each["Actions"]))
    yield ListenerRule((), _action(account, region, listener["DefaultActions"]))


def _action(account: str, region: str, actions: list[dict[str, Any]]) -> BalancerAnswer | Forward | None:
    if len(actions) == 1 and (fixed := actions[0].get("FixedResponseConfig")):
        kind = (("Content-Type", fixed.get("ContentType") or "text/plain"),)
        return BalancerAnswer(int(fixed["StatusCode"]), kind, (fixed.get("MessageBody") or "").encode())
    if len(actions) == 1 and actions[0]["Type"] == "forward":
        groups = (actions[0].get("ForwardConfig") or {}).get("TargetGroups") or actions
        return Forward(
            tuple(_group(account, region, each["TargetGroupArn"]) for each in groups),
            tuple(int(each.get("Weight", 1)) for each in groups),
        )
    log.warning("a rule whose action is not imitated is answered 500: %s", [each["Type"] for each in actions])
    return None


def _group(account: str, region: str, arn: str) -> TargetGroup:
    from ministack.services import alb  # noqa: PLC0415

    kept = alb._tgs.get_scoped(account, region, arn) or {}
    targets = alb._targets.get_scoped(account, region, arn) or ()
    if targets and kept.get("TargetType") != "lambda":
        log.warning("targets other than functions are not imitated: %s is answered 503", arn)
        targets = ()
    attributes = _attributes(alb._tg_attrs.get_scoped(account, region, arn))
    return TargetGroup(arn, targets[0]["Id"] if targets else "", attributes.get(MULTI_VALUE) == "true")


def _attributes(kept: list[dict[str, str]] | None) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in kept or ()}
