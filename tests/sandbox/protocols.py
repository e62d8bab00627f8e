"""Clients that speak a protocol of our choice: a service may have several, and not every SDK takes the same."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import boto3

from sandbox.variables import CREDENTIALS

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

PROTOCOLS = {"cloudwatch": ("smithy-rpc-v2-cbor", "json", "query")}
"""The services of the stacks that AWS's models say are served in several protocols."""


def client(cloud: RunningCloud, service: str, protocol: str, region: str = "us-east-1") -> Any:
    """A client whose model has no other protocol."""
    session = boto3.Session(**{name.lower(): value for name, value in CREDENTIALS.items()})
    loader = session._session.get_component("data_loader")
    load = loader.load_service_model

    def loaded(name: str, kind: str, *more: Any, **options: Any) -> Any:
        model = load(name, kind, *more, **options)
        if (name, kind) != (service, "service-2"):
            return model
        changed = copy.deepcopy(model)
        changed["metadata"] |= {"protocol": protocol, "protocols": [protocol]}
        return changed

    loader.load_service_model = loaded
    return session.client(service, region_name=region, endpoint_url=cloud.endpoint)
