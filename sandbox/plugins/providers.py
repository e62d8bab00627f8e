"""The sandbox's providers and analyzer, for engine.plugins to lend. Each is imported when it is first needed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, get_args

from engine.plugins.providers import Providers
from sandbox.provider import Package

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _serve(package: Package, directory: Path, environment: Mapping[str, str]) -> tuple[Any, int]:
    from sandbox.provider.server import serve  # noqa: PLC0415 - boto3 costs 0.5 s, and a language host needs none of it

    return serve(package, directory, environment)


def _judge(_: Path, environment: Mapping[str, str]) -> tuple[Any, int]:
    from sandbox.plugins.analyzer import serve  # noqa: PLC0415 - as above

    return serve(environment)


def _prepare() -> None:
    import sandbox.plugins.analyzer  # noqa: PLC0415 - as above
    import sandbox.provider.aws  # noqa: PLC0415 - as above
    import sandbox.provider.server  # noqa: PLC0415, F401 - as above
    from sandbox.provider.clients import prepare  # noqa: PLC0415 - as above
    from sandbox.provider.resource import TYPES  # noqa: PLC0415 - as above

    prepare(dict.fromkeys(kind.service for kind in TYPES.values() if kind.service))


def _settle() -> None:
    from sandbox.provider.server import settle  # noqa: PLC0415 - as above

    settle()


PROVIDERS = Providers(
    {name: functools.partial(_serve, name) for name in get_args(Package)},
    policies=_judge,
    prepare=_prepare,
    settle=_settle,
)
