"""One region's compute: the functions, the sweep's schedule, and the REST API or load balancer in front."""

from __future__ import annotations

from projects.compute.api import PaymentApi
from projects.compute.functions import Functions
from projects.compute.load_balancer import PaymentLoadBalancer
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
api = PaymentApi("api", region, settings, settings.throttle, functions) if settings.throttle else None
public, days = network.public, settings.load_balancer_log_days
balancer = PaymentLoadBalancer("load-balancer", region, days, public, functions) if public and days else None

publish(
    ComputeOutputs(
        release=functions.release,
        rest_api=api.outputs if api else None,
        load_balancer=balancer.outputs if balancer else None,
        payment_function_name=functions.payment.name,
        payment_alias_arn=functions.payment.alias.arn,
        health_function_name=functions.health.name,
        health_alias_arn=functions.health.alias.arn,
        audit_function_name=functions.audit.name,
        audit_alias_arn=functions.audit.alias.arn,
    )
)
