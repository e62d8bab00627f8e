"""What both kinds of entry point tell the records in front of them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from shared.roles import PerRole


@dataclass(frozen=True)
class Answering:
    """What answers under the environment's names, once it is there."""

    failover_name: pulumi.Output[str]
    region_names: PerRole[pulumi.Output[str]]
    own_targets: PerRole[pulumi.Output[str]]
    """The DNS name of AWS's behind each region's own name."""
    shared_targets: PerRole[pulumi.Output[str]]
    """The same behind the failover name."""
