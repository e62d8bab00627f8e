"""One region's network: private subnets that reach AWS's services through endpoints, and nothing else.

Where clients come by a load balancer, there are public subnets for it beside them.
"""

from __future__ import annotations

from projects.network.endpoints import Endpoints
from projects.network.flow_logs import FlowLogs
from projects.network.public import PublicTier
from projects.network.security import Security
from projects.network.vpc import Vpc
from shared import contracts
from shared.components.exchange import publish
from shared.components.regions import this_region
from shared.contracts import NetworkOutputs
from shared.environment_sections import NetworkSettings

region, settings = this_region(NetworkSettings)

vpc = Vpc("vpc", region, settings)
security = Security("security", region, vpc)
processor = settings.processor_services.of(region.role)
Endpoints("endpoints", region, vpc, security, processor, traces=settings.traces == "endpoint")
FlowLogs("flow-logs", region, vpc)
public = PublicTier("public", region, vpc, settings) if region.foundation.entry_point == "load-balancer" else None

publish(
    NetworkOutputs(
        vpc_id=vpc.id,
        private_subnet_ids=vpc.private_subnet_ids,
        function_security_group_id=security.functions.id,
        public=contracts.PublicTierOutputs(public.subnet_ids, public.security_group_id) if public else None,
    )
)
