"""One region's compute: the functions, the sweep's schedule, and the REST API in front."""

from __future__ import annotations

from projects.compute.api import PaymentApi
from projects.compute.functions import Functions
from projects.compute.sweep import SweepSchedule
from shared.components.exchange import consume, publish
from shared.components.regions import this_region
from shared.contracts import ComputeOutputs, DataOutputs, NetworkOutputs
from shared.environment_sections import ComputeSettings

region, settings = this_region(ComputeSettings)
network = consume(NetworkOutputs)
data = consume(DataOutputs)

functions = Functions("functions", region, settings, network, data)
SweepSchedule("sweep", region, settings, functions)
api = PaymentApi("api", region, settings, functions)

publish(
    ComputeOutputs(
        release=functions.release,
        rest_api_id=api.id,
        rest_api_name=api.name,
        stage_name=api.stage_name,
        endpoint=api.endpoint,
        payment_function_name=functions.payment.name,
        payment_alias_arn=functions.payment.alias.arn,
        health_function_name=functions.health.name,
        health_alias_arn=functions.health.alias.arn,
        audit_function_name=functions.audit.name,
        audit_alias_arn=functions.audit.alias.arn,
    )
)
