"""What the system's cost is compared with: samples of AWS that fail over by ARC, and the first estimate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestration.cost.bill import Bill
from orchestration.cost.prices import HOURS, PRICES

FIRST_ESTIMATE = (50, 100)
"""Dollars a month: what this system was first thought to cost."""


@dataclass(frozen=True)
class Sample:
    """A system of AWS's samples, with what it is said to cost a month."""

    name: str
    dollars: int
    source: str


SAMPLES = (
    Sample(
        "DynamoDB global tables with a Route 53 ARC cluster",
        2200,
        "https://github.com/aws-solutions-library-samples/"
        "guidance-for-resilient-data-applications-using-amazon-dynamodb "
        "(its README says $2,059 for May 2024: $1,800 for the cluster, $259 for five canaries)",
    ),
    Sample("multi-region microservice with ARC Region switch", 2850, "unverified: as it was told us"),
)


def compared(bill: Bill) -> Iterator[str]:
    """The comparison, a sentence each."""
    cluster = HOURS * PRICES["ARC cluster"].dollars
    for sample in SAMPLES:
        yield f"{sample.name}: ${sample.dollars:,}, which is {sample.dollars / bill.total:.1f} times this"
    route53 = sum(row.dollars for row in bill.rows if row.place == "global")
    yield (
        f"an ARC cluster alone is {HOURS} h × ${PRICES['ARC cluster'].dollars:.2f} = ${cluster:,.0f}; here clients are "
        f"moved by health checks and an object in S3, and all of Route 53 is ${route53:,.2f}"
    )
    low, high = FIRST_ESTIMATE
    endpoints, hours = bill.of("interface endpoint"), PRICES["interface endpoint"].dollars * HOURS
    where = "below what the interface endpoints cost alone" if endpoints > high else "with the endpoints alone at"
    yield (
        f"the first estimate for this system, ${low}–{high}, was {where}: {endpoints / hours:.0f} of them, counted in "
        f"each zone, × {HOURS} h × ${PRICES['interface endpoint'].dollars:.2f} = ${endpoints:,.2f}"
    )
