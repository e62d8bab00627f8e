"""How requests come in."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import botocore
from ministack import app
from ministack.core import responses

MODELS = Path(botocore.__file__).with_name("data")
BEGINNING = 4096
"""Bytes of a service's model that hold its metadata, the first thing in it."""


def loopback_is_private() -> None:
    """Conditions on aws:SecureTransport see plain HTTP: here loopback stands in for TLS, which policies ask for."""
    pin = app.pin_request_origin

    def pinned(source_ip: str, _secure: object) -> None:
        pin(source_ip, secure_transport=True)

    app.pin_request_origin = pinned


def protocols_are_read_without_the_models() -> None:
    """For the content type of an answer the emulator parses a service's whole model: up to 0.3 s at first use."""
    responses._service_model = functools.cache(_service_model)


def _service_model(service: str) -> SimpleNamespace | None:
    """What the emulator asks of a model, its metadata; None for a service that the SDK does not know."""
    name = responses._BOTOCORE_NAME.get(service, service)
    versions = sorted(MODELS.glob(f"{name}/*/service-2.json.gz"))
    if not versions:
        return None
    with gzip.open(versions[-1], "rt", encoding="utf-8") as model:
        beginning = model.read(BEGINNING)
    metadata, _ = json.JSONDecoder().raw_decode(beginning, beginning.index("{", beginning.index('"metadata"')))
    return SimpleNamespace(metadata=metadata)
