"""Opens the gRPC server behind one plugin, for the host and for a plain process alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi.runtime.proto import language_pb2_grpc

from engine.plugins.language import LanguageHost, Launcher
from engine.plugins.listening import listen
from engine.plugins.providers import POLICIES, Providers

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGE = "language"


@dataclass(frozen=True)
class PluginRequest:
    """What a stub knows of the engine that started it."""

    kind: str
    """LANGUAGE, POLICIES, or the name of a provider's package: `aws`, `random`."""
    engine: str
    """host:port of the engine's own server; empty when it was not given."""
    directory: str
    """The engine's working folder: relative paths of assets start there."""
    variables: Mapping[str, str]


def open_plugin(request: PluginRequest, launcher: Launcher, providers: Providers) -> tuple[Any, int]:
    """A started grpc.Server of its own for this request, and its port on 127.0.0.1."""
    if request.kind == POLICIES and providers.policies:
        return providers.policies(Path(request.directory), request.variables)
    if request.kind != LANGUAGE:
        return providers.serve[request.kind](Path(request.directory), request.variables)
    host = LanguageHost(request.engine, request.variables, launcher)
    return listen(4, lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server))
