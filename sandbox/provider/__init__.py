"""The AWS and random providers of the sandbox: the engine's plugin protocol over a table of declared types."""

from __future__ import annotations

from typing import Literal

Package = Literal["aws", "random"]
"""The providers that there are, by the names of their packages."""
