"""The payment function's entry: puts the parts together once, then answers event by event."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lambdas.adapters.composition import compose
from lambdas.payment.api import Api
from lambdas.web.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

_parts = compose()
_api = Api(_parts.payments, _parts.keys.client_of, _parts.journal, os.environ["FAILOVER_NAME"].lower())


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer one proxy event."""
    request = Request.of(event)
    return request.response(_api.answer(request), _parts.settings.headers)
