"""The payment function's entry: puts the parts together once, then answers event by event."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lambdas.adapters.aws import client
from lambdas.adapters.composition import connect
from lambdas.adapters.keys import ApiKeys
from lambdas.domain.payment import CANARY_CLIENT, WORK_TIME
from lambdas.payment.api import Api
from lambdas.rehearsal import rehearsable
from lambdas.settings import MARGIN, time_for_work
from lambdas.web import headers
from lambdas.web.request import answered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.settings import RemainingTime
    from lambdas.web.answer import Answer
    from lambdas.web.request import Request

_service = connect()
_keys = ApiKeys(
    client("secretsmanager"),
    os.environ["API_KEYS_SECRET_ARN"],
    _service.retry,
    on_previous=lambda client_id: _service.journal.tell("previous_key", client=client_id),
)
_api = Api(
    _service.payments,
    _keys.client_of,
    _service.journal,
    os.environ["FAILOVER_NAME"].lower(),
    _service.fence,
)


def _canary_key(context: RemainingTime) -> str:
    _service.deadline.begin(time_for_work(context))
    return _keys.key_of(CANARY_CLIENT)


@rehearsable(_canary_key)
def handler(event: Mapping[str, Any], context: RemainingTime) -> dict[str, Any]:
    """Answer one proxy event, before Lambda ends the function, and before the entry point has given the caller up.

    What a request has waited for a cold start is no longer there for it. The API waits a margin longer than the
    function may take, and a load balancer is taken to.
    """

    def answer(request: Request) -> Answer:
        late = max(0, request.waited(_service.payments.clock.now()) - MARGIN)
        _service.deadline.begin(min(time_for_work(context), WORK_TIME) - late)
        return _api.answer(request)

    return answered(event, headers.of_every_answer(_service.settings.place), answer)
