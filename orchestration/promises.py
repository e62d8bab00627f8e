"""What an environment promises, and what its failures leave of that: printed by its check."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from shared.columns import columns
from shared.failover_time import MINUTE, MONTH, YEAR, Allowance
from shared.grey_failure import ByCount
from shared.service_levels import BURNS, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.environment import Environment

HEADINGS = ("failure", "takes at most", "promised", "one leaves of a month", "of a year", "a year has room for")


def values(environment: Environment) -> dict[str, Any]:
    """The promises as JSON values: times in seconds."""
    objectives, grey = environment.objectives, environment.edge.grey_failure
    allowance = Allowance(objectives.availability_percent)
    return {
        "environment": environment.name,
        "objectives": objectives.model_dump(mode="json"),
        "allowed": {"month": allowance.seconds(MONTH), "year": allowance.seconds(YEAR)},
        "failures": [dataclasses.asdict(spent) for spent in environment.spending()],
        "service_levels": _service_levels(environment),
        "propagation": environment.edge.propagation.model_dump(mode="json"),
        "latch": _latch(environment),
        "grey_failure_noticed_from": {"promised": grey.lowest_payment_rate, "computed": grey.detection.lowest_rate()},
        "grey_failure_share_when_busy": _share_when_busy(environment),
    }


def lines(environment: Environment) -> list[str]:
    """The same for people."""
    found = values(environment)
    percent, allowed = environment.objectives.availability_percent, found["allowed"]
    noticed = found["grey_failure_noticed_from"]
    grey = (
        f"payments that fail while health is green are noticed from {noticed['promised']} a minute on "
        f"(computed: {noticed['computed']}), below that when the probes of every minute fail too"
    )
    dns = environment.edge.propagation
    table: list[tuple[str, ...]] = [HEADINGS]
    for spent in environment.spending():
        seconds = (spent.at_most, spent.promised, spent.left_of_a_month, spent.left_of_a_year)
        table.append((spent.failure, *(f"{each} s" for each in seconds), str(spent.in_a_year)))
    return [
        f"environments/{environment.name}.yaml is consistent",
        f"{percent:g} % allows {allowed['month']} s without service a month (30 days) and {allowed['year']} s a year",
        "",
        *columns(table, right=range(1, len(HEADINGS))),
        "",
        *_burns(environment),
        "",
        *(
            f"one {spent.failure} of {spent.promised} s is more than the month allows: its {percent:g} % is missed then"
            for spent in environment.spending()
            if spent.left_of_a_month < 0
        ),
        grey,
        *_blind(environment),
        f"DNS is taken to follow the checkers within {dns.seconds} s ({dns.source})",
        _returning(environment),
    ]


def _share_when_busy(environment: Environment) -> float | None:
    """The share of failures that takes out a primary with all the payments that its function holds, where it counts."""
    busiest = environment.compute.payment.requests_per_second()
    detection = environment.edge.grey_failure.detection
    if not isinstance(detection, ByCount) or busiest is None:
        return None
    return detection.share(busiest * MINUTE)


def _blind(environment: Environment) -> Iterator[str]:
    detection, share = environment.edge.grey_failure.detection, _share_when_busy(environment)
    if isinstance(detection, ByCount) and share is not None:
        yield (
            f"a count is blind to the rate: {detection.errors} failures in each of {detection.periods} minutes take "
            f"the primary out, which at {environment.compute.payment.requests_per_second()} payments a second is "
            f"{share * 100:.2g} % of them"
        )


def _latch(environment: Environment) -> dict[str, int] | None:
    """Seconds: a shorter outage than the first always returns by itself, one of the second never does."""
    timing = environment.edge.latch_timing
    if environment.edge.failback == "automatic":
        return None
    return {"shortest_outage": timing.shortest, "certain_outage": timing.certain}


def _returning(environment: Environment) -> str:
    found = _latch(environment)
    if found is None:
        return "clients go back by themselves after every failover (edge.failback: automatic)"
    return (
        f"clients go back by themselves after an outage of less than {found['shortest_outage']} s; from "
        f"{found['certain_outage']} s on they stay at the secondary until `restore`; between the two either may happen"
    )


def _service_levels(environment: Environment) -> list[dict[str, Any]]:
    """Each level with what tells that its budget burns: rates as multiples, shares in percent, windows in seconds."""
    least = environment.observability.least_failures
    return [
        {
            "name": level.name,
            "percent": level.percent,
            "budget_percent": float(level.budget * 100),
            "alarms": [
                {
                    "name": f"{level.name}-{burn.name}-burn",
                    "rate": float(burn.rate),
                    "over_percent": float(level.bad_share(burn) * 100),
                    "windows": [burn.long, burn.short],
                    "least_requests": level.least_requests(burn, least),
                }
                for burn in BURNS
            ],
        }
        for level in environment.service_levels()
    ]


def _burns(environment: Environment) -> Iterator[str]:
    """The same for people."""
    least = environment.observability.least_failures
    table = [
        (
            "service level",
            "promised",
            "budget of 30 days",
            *(f"alarm at {float(burn.rate):g} times ({spelled(burn.long)}, {spelled(burn.short)})" for burn in BURNS),
        )
    ]
    for level in environment.service_levels():
        shares = (f"over {float(level.bad_share(burn) * 100):g} % {level.bad}" for burn in BURNS)
        table.append((level.name, f"{level.percent:g} %", f"{float(level.budget * 100):g} %", *shares))
    yield from columns(table, right=range(1, len(table[0])))
    yield f"{least} bad payments or fewer in the long window tell nobody by these; of an outage the canaries tell"
