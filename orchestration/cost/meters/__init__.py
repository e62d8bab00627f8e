"""Which types of resources cost something, and how much of what: one module for each family of services."""

from __future__ import annotations

from collections.abc import Mapping

from orchestration.cost.meters import computing, networks, serving, storing, watching
from orchestration.cost.usage import Meter

METERS: Mapping[str, Meter] = {
    **networks.METERS,
    **serving.METERS,
    **computing.METERS,
    **storing.METERS,
    **watching.METERS,
}
"""By type."""
