"""What is counted of the service levels, as clients get it: the answers to payments, and what the canary gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from projects.observability.alarm_rule import (
    MILLISECONDS,
    AlarmRule,
    BothRule,
    Metric,
    MetricMath,
    Watched,
    own_metric,
    rank,
    share,
)
from shared import naming
from shared.roles import Role
from shared.service_levels import BURNS, Burn, ServiceLevel, decimal, spelled


@dataclass(frozen=True)
class Indicator:
    """Bad payments and all of them, as expressions over metrics of one region (CloudWatch's metric math)."""

    level: ServiceLevel
    bad: str
    all: str
    metrics: Mapping[str, Metric]

    def burn_rate(self, least_requests: int = 1) -> str:
        """How many times too fast the budget is used up; fewer payments than that count as that many."""
        return f"{share(self.bad, self.all, least_requests)} / {decimal(self.level.budget)}"

    def left(self) -> str:
        """Percent of the budget that is left of the period that is looked at; below zero it is overdrawn."""
        return f"100 - 100 * {self.burn_rate()}"


def indicators(levels: Sequence[ServiceLevel], watched: Watched, role: Role, latency_ms: int) -> Iterator[Indicator]:
    """One for each level, in the region of `role`."""
    measured = _of_load_balancer(watched, role) if watched.edge.load_balancers else _of_rest_api(watched, role)
    failed = " + ".join(f"FILL({name}, 0)" for name in measured.failed)
    for level in levels:
        if level.name == "availability":
            # What never reaches the entry point is in none of its metrics: the canary, a client, counts beside it.
            unserved = f"{role.title()}Unserved"
            yield Indicator(
                level,
                f"{failed} + FILL(unserved, 0)",
                "FILL(requests, 0) + FILL(probes, 0)",
                {
                    **measured.failed,
                    "requests": measured.requests,
                    "unserved": own_metric(watched.region, unserved, "Sum", role),
                    "probes": own_metric(watched.region, unserved, "SampleCount", role),
                },
            )
        else:
            yield Indicator(
                level,
                "FILL(requests, 0) * (100 - FILL(within, 100)) / 100",
                "FILL(requests, 0)",
                {"requests": measured.requests, "within": measured.within(latency_ms)},
            )


def burn_rules(found: Sequence[Indicator], least_failures: int) -> Iterator[BothRule]:
    """An alarm for each level and speed: in the long window so much is used up, and in the short one it still is."""
    for indicator in found:
        for burn in BURNS:
            yield _burn_rule(indicator, burn, least_failures)


def _burn_rule(indicator: Indicator, burn: Burn, least_failures: int) -> BothRule:
    level = indicator.level
    name = f"{level.name}-{burn.name}-burn"
    percent, rate = float(level.bad_share(burn) * 100), float(burn.rate)
    windows = (("long", burn.long, level.least_requests(burn, least_failures)), ("short", burn.short, 1))
    long, short = (
        AlarmRule(
            f"{name}-{which}",
            f"Over {percent:g} % of payments {level.bad} in {spelled(window)}: a part of {name}",
            MetricMath(indicator.burn_rate(least), indicator.metrics),
            rate,
            window,
            told=False,
        )
        for which, window, least in windows
    )
    return BothRule(
        name,
        f"Over {percent:g} % of payments {level.bad}, in {spelled(burn.long)} and still in the last "
        f"{spelled(burn.short)}: the budget of 30 days burns {rate:g} times too fast",
        (long, short),
    )


@dataclass(frozen=True)
class _Measured:
    """What the entry point counts of payments: all, those that failed, and how long they took in units of seconds."""

    requests: Metric
    failed: Mapping[str, Metric]
    latency: Metric
    units_of_a_second: int

    def within(self, milliseconds: int) -> Metric:
        """Percent of payments that took no longer."""
        return rank(self.latency, milliseconds * self.units_of_a_second / MILLISECONDS)


def _of_rest_api(watched: Watched, role: Role) -> _Measured:
    api = watched.region.foundation.names.of(naming.PAYMENT_API, role)
    route = {"ApiName": api, "Stage": naming.STAGE, **naming.PAYMENT_ROUTE}
    space = "AWS/ApiGateway"
    return _Measured(
        Metric(space, "Count", route, "SampleCount"),
        {"errors": Metric(space, "5XXError", route, "Sum")},
        Metric(space, "Latency", route, ""),
        MILLISECONDS,
    )


def _of_load_balancer(watched: Watched, role: Role) -> _Measured:
    """Of the targets that payments go to: a function that answers 5XX, one that fails, and Lambda when it does."""
    balancers, targets = watched.edge.load_balancers, watched.edge.payment_targets
    if balancers is None or targets is None:
        raise ValueError("edge publishes load balancers together with their targets")
    payments = {"LoadBalancer": balancers.of(role), "TargetGroup": targets.of(role)}
    space = "AWS/ApplicationELB"
    return _Measured(
        Metric(space, "RequestCount", payments, "Sum"),
        {
            "answered": Metric(space, "HTTPCode_Target_5XX_Count", payments, "Sum"),
            "crashed": Metric(space, "LambdaUserError", payments, "Sum"),
            "broken": Metric(space, "LambdaInternalError", payments, "Sum"),
        },
        Metric(space, "TargetResponseTime", payments, ""),
        1,
    )
