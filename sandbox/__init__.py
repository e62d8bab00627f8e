"""AWS on this machine: the cloud, the plugins that the engine uses with it, and their lifecycle."""

from __future__ import annotations

from sandbox.lifecycle import Sandbox, SandboxStatus

__all__ = ["Sandbox", "SandboxStatus"]
