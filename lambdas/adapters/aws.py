"""Clients of the bundled SDK: the bare library, with short time-outs and without its own retries.

Retries are ours (`retry.py`): they know the clock, and a conditional write repeated after a lost answer needs care that
the SDK cannot take.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from botocore.session import Session


@cache
def _session() -> Session:
    return botocore.session.get_session()


@cache
def client(service: str, *, connect_timeout: float = 1.0, read_timeout: float = 2.0) -> Any:
    """The region's client of a service (region, credentials and endpoint come from Lambda's environment).

    Time-outs in seconds, for one attempt.
    """
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
        max_pool_connections=4,
        # By default the SDK takes S3's global name for us-east-1: another way, and another fate in an outage.
        s3={"us_east_1_regional_endpoint": "regional"},
        user_agent_extra="region-failover",
    )
    return _session().create_client(service, config=config)
