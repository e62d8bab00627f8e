"""The tasks of `./invoke`: parse, call, print."""

from __future__ import annotations

from invoke.collection import Collection

namespace = Collection()
