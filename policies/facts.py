"""What rules must know of an environment, from its file, which the programs validate as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import environment_file
from shared.errors import Problem
from shared.roles import ROLES, Role
from shared.root import ROOT
from shared.stack import Stack


@dataclass(frozen=True)
class Facts:
    """Of one environment."""

    suffix: str
    regions: Mapping[Role, str]
    tags: Mapping[str, str]
    """On everything, whatever its region; with `Environment`."""
    production: bool = False
    """Whether what holds data is protected instead of destroyable."""
    runbooks: str | None = None
    """Where the runbooks are, as a URL; None where alarms name none."""
    taken: str | None = None
    """The name of a system before this one, which it takes over: another suffix is in it."""

    @staticmethod
    def of(environment: str, root: Path = ROOT) -> Facts:
        """Read environments/<environment>.yaml. Raises Problem for a field that is not there."""
        path = root / "environments" / f"{environment}.yaml"
        content = environment_file.read(path)
        try:
            return Facts(
                suffix=str(content["suffix"]),
                regions={role: str(content["regions"][role]) for role in ROLES},
                tags={**content["tags"], "Environment": str(content.get("environment") or environment)},
                production=content.get("production") is True,
                runbooks=_runbooks(content),
                taken=str(content["takes_over"]["name"]) if content.get("takes_over") else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise Problem(f"environments/{path.name}: policies need suffix, regions and tags: {error}") from None

    @staticmethod
    def of_stack(project: str, stack: str) -> Facts:
        """Read those of the environment that a stack belongs to."""
        return Facts.of(Stack.parse(project, stack).environment)

    def role(self, region: str) -> Role | None:
        """The role that an AWS region has here; None for one that serves nobody."""
        return next((role for role, name in self.regions.items() if name == region), None)


def _runbooks(content: Mapping[str, Any]) -> str | None:
    url = content.get("runbooks") or (content.get("observability") or {}).get("runbooks")
    return str(url) if url else None
