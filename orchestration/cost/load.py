"""The load that a month is computed for, and what is assumed of it: all that no program declares."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.errors import Problem

if TYPE_CHECKING:
    from shared.environment import Environment


def _assumed(value: float, why: str) -> Any:
    return field(default=value, metadata={"why": why})


@dataclass(frozen=True)
class Load:
    """Payments a second on average, all served by the primary, and assumptions with their reasons."""

    payments_per_second: float = 1.0
    reads_per_payment: float = _assumed(1, "a client asks once for what became of a payment")
    months_kept: float = _assumed(12, "payments are never deleted: what is stored is that of so many months")
    resolvers: float = _assumed(500, "resolvers of clients that ask for the shared name again when the TTL is over")

    item_kb: float = _assumed(2, "a payment's item")
    writes_per_payment: float = _assumed(7, "units: created 1, outcome 2, audited 2, answer dropped after 72 h 2")
    index_writes_per_payment: float = _assumed(4, "units: into the index, moved in it, out of it")
    sweep_reads: float = _assumed(12, "units of a sweep that finds nothing: half a unit for each of 24 partitions")
    audit_kb: float = _assumed(1, "an audit record: one object for each payment")

    audit_seconds: float = _assumed(1, "a run of the audit function")
    canary_seconds: float = _assumed(2, "a run of the canary function")
    failover_control_seconds: float = _assumed(1, "a run of the failover control")
    synthetics_seconds: float = _assumed(10, "a run of a Synthetics canary, whose function is paid as well")
    synthetics_puts: float = _assumed(4, "objects that a run of a Synthetics canary leaves")

    log_bytes_per_invocation: float = _assumed(1_000, "Lambda's own three lines and one or two of ours")
    log_bytes_per_request: float = _assumed(400, "a line of the access log")
    flow_records_per_interface: float = _assumed(20, "a minute")
    bytes_per_flow_record: float = _assumed(130, "in the default format")
    bytes_per_answer: float = _assumed(2_000, "to the internet: headers, body and a share of the TLS handshake")

    key_requests_per_minute: float = _assumed(5, "of each key: services cache data keys for minutes")
    pollers: float = _assumed(5, "of a queue: Lambda begins with five connections, each waiting up to 20 s")
    notifications: float = _assumed(100, "of alarms, in each region and month")
    metrics_per_method: float = _assumed(5, "Count, Latency, IntegrationLatency, 4XXError, 5XXError")
    metrics_per_replication: float = _assumed(3, "bytes and operations pending, latency")

    def __post_init__(self) -> None:
        if not (math.isfinite(self.payments_per_second) and self.payments_per_second >= 0):
            raise Problem(f"--payments-per-second {self.payments_per_second:g} is no load: give 0 or more")

    def check(self, environment: Environment) -> None:
        """Raise a Problem when the environment does not let such a load in."""
        throttle, payment = environment.compute.throttle, environment.compute.payment
        reserved = payment.requests_per_second()
        most = [(reserved / (1 + self.reads_per_payment), "payment.reserved_concurrency holds")] if reserved else []
        if throttle is not None:
            most.append((float(throttle.payments.requests_per_second), "throttle.payments lets in"))
            if self.reads_per_payment:
                most.append((throttle.lookups.requests_per_second / self.reads_per_payment, "throttle.lookups lets in"))
        limit, holds = min(most, default=(math.inf, ""))
        if self.payments_per_second > limit:
            raise Problem(
                f"--payments-per-second {self.payments_per_second:g} is more than environments/{environment.name}.yaml "
                f"takes, with {self.reads_per_payment:g} questions for each: compute.{holds} {limit:g}/s: give "
                f"{limit:g} or less"
            )

    def function_seconds(self, function: str, timeout: float) -> float:
        """How long a run of a function takes; the whole time-out of one that nobody has estimated."""
        return float(getattr(self, f"{function}_seconds", timeout))
