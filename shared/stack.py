"""A stack, and the names by which it is known."""

from __future__ import annotations

from dataclasses import dataclass

from shared.roles import ROLES, Role


@dataclass(frozen=True)
class Stack:
    """One deployable unit: a layer of an environment, in one region's role when the layer is regional."""

    layer: str
    environment: str
    role: Role | None = None

    @staticmethod
    def parse(layer: str, name: str) -> Stack:
        """The stack of `layer` that Pulumi calls `name`."""
        for role in ROLES:
            environment, separator, rest = name.rpartition(f"-{role}")
            if separator and not rest:
                return Stack(layer, environment, role)
        return Stack(layer, name)

    @property
    def name(self) -> str:
        """The stack's name within its project: `payments` or `payments-primary`."""
        return f"{self.environment}-{self.role}" if self.role else self.environment

    @property
    def reference(self) -> str:
        """The name by which other projects and the CLI find it."""
        return f"organization/{self.layer}/{self.name}"

    @property
    def label(self) -> str:
        """The name of files that are about it: `network.payments-primary`."""
        return f"{self.layer}.{self.name}"

    def __str__(self) -> str:
        return f"{self.layer}/{self.name}"
