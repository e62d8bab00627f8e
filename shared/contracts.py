"""What one layer promises the others: the only types that cross from one project to another.

A field is added in a release of its own before anybody reads it, and removed after nobody does (expand, then contract);
`version` rises only when a field changes its meaning or goes. Secrets never cross, only their ARNs: a StackReference
copies every output into each consumer's state.

This module imports nothing but the standard library: the orchestration reads the layer graph from it without paying
for `import pulumi`.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from shared.roles import PerRole

PREVIEWED_OUTPUTS = "PREVIEWED_OUTPUTS"
"""Environment variable of a preview: a folder of `<project>.<stack>.json`, each the outputs of one previewed stack."""

CONTRACT = "contract"
"""The output that says which contract a stack keeps: its name and version. A program comes to its end with it."""

DEPLOYED_AS = "deployed_as"
"""The output that says where a stack is: account, suffix, and region by what it is for."""

MAY_MOVE = "STACKS_MAY_MOVE"
"""Environment variable of a program: it may go on where its stack's last outputs name another suffix or region.

Set by who has looked at what would go. It keeps nobody from an account that is not the stack's.
"""

if TYPE_CHECKING:
    from pulumi import Output


@dataclass(frozen=True)
class PublicTierOutputs:
    """Where a load balancer stands: subnets with a way to the internet, and who may speak to it."""

    subnet_ids: Output[Sequence[str]]
    security_group_id: Output[str]
    """Lets HTTPS in from anywhere, and nothing out: a load balancer calls functions without a connection."""


@dataclass(frozen=True)
class NetworkOutputs:
    """One region's network, of the regional layer `network`."""

    project: ClassVar[str] = "network"
    version: ClassVar[int] = 2

    vpc_id: Output[str]
    private_subnet_ids: Output[Sequence[str]]
    function_security_group_id: Output[str]
    """Lets a function out to the VPC's endpoints, and nothing in."""
    public: PublicTierOutputs | None
    """None where clients come by a REST API, which is in no VPC."""


@dataclass(frozen=True)
class DataOutputs:
    """The replicated data of both regions, of the global layer `data`."""

    project: ClassVar[str] = "data"
    version: ClassVar[int] = 1

    table_name: Output[str]
    """The payments table has this name in both regions."""
    table_arns: PerRole[Output[str]]
    consistency: Output[str]
    """`MRSC` (no acknowledged write is ever lost) or `MREC` (the last seconds can be)."""
    audit_bucket_names: PerRole[Output[str]]
    audit_bucket_arns: PerRole[Output[str]]
    key_arns: PerRole[Output[str]]
    """The multi-region key and its replica: one key material, one ARN for each region."""
    api_keys_secret_arns: PerRole[Output[str]]


@dataclass(frozen=True)
class RestApiOutputs:
    """API Gateway's REST API of a region."""

    id: Output[str]
    name: Output[str]
    stage_name: Output[str]
    stage_arn: Output[str]
    endpoint: Output[str]
    """`https://<api>.execute-api.<region>.amazonaws.com/<stage>`: works before any DNS name exists."""


@dataclass(frozen=True)
class LoadBalancerOutputs:
    """The Application Load Balancer of a region. It answers nothing before edge has given it a listener."""

    arn: Output[str]
    dns_name: Output[str]
    dimension: Output[str]
    """As metrics name it: `app/<name>/<id>`."""
    payment_targets_arn: Output[str]
    payment_targets_dimension: Output[str]
    """As metrics name it: `targetgroup/<name>/<id>`."""
    health_targets_arn: Output[str]


@dataclass(frozen=True)
class ComputeOutputs:
    """One region's functions and entry point, of the regional layer `compute`."""

    project: ClassVar[str] = "compute"
    version: ClassVar[int] = 2

    release: Output[str]
    """Version string of the functions' code: what `GET /health` answers."""
    rest_api: RestApiOutputs | None
    load_balancer: LoadBalancerOutputs | None
    """What clients come by: the one or the other, by the environment's profile."""
    payment_function_name: Output[str]
    payment_alias_arn: Output[str]
    health_function_name: Output[str]
    health_alias_arn: Output[str]
    audit_function_name: Output[str]
    audit_alias_arn: Output[str]


@dataclass(frozen=True)
class HealthCheckIds:
    """Route 53 health checks by what they watch."""

    standard: Output[str]
    """The primary's health route, every 30 s."""
    fast: Output[str]
    """The primary's health route, every 10 s."""
    stop_switch: Output[str]
    """Inverted: unhealthy while the switch in the secondary says stop."""
    errors: Output[Mapping[str, str]]
    """Those that follow alarms on the primary's answers, by the names of `shared.grey_failure.CHECKS`."""
    gate: Output[str]
    """Healthy when all of the above are: decides whether the primary is answered."""
    secondary: Output[str]
    """The secondary's health route: feeds alarms and readiness, never DNS."""


@dataclass(frozen=True)
class EdgeOutputs:
    """Names, failover and notifications of both regions, of the global layer `edge`."""

    project: ClassVar[str] = "edge"
    version: ClassVar[int] = 3

    zone_id: Output[str]
    name_servers: Output[Sequence[str]]
    failover_name: Output[str]
    """The DNS name that clients use; answers the region that serves."""
    region_names: PerRole[Output[str]]
    """The DNS name of each region's own entry point, whatever serves."""
    endpoints: PerRole[Output[str]]
    """`https://<region name>`."""
    load_balancers: PerRole[Output[str]] | None
    """As each region's metrics name what clients come by; None where that is a REST API, which has a name of ours."""
    payment_targets: PerRole[Output[str]] | None
    """As each region's metrics name what a load balancer hands payments to."""
    health_check_ids: HealthCheckIds
    topic_arns: PerRole[Output[str]]
    queue_urls: PerRole[Output[str]]
    """Each region's notification queue holds the notifications of both regions."""
    operations_role_arn: Output[str]
    """The role under which clients are moved. What it takes beside it, the external id, is in the environment file."""
    stop_switch_bucket: Output[str]
    """S3 bucket in the secondary region whose object `stop-switch` says `primary: run`, or `primary: stop` while the
    primary is kept out of DNS."""


@dataclass(frozen=True)
class ObservabilityOutputs:
    """One region's alarms and dashboard, of the regional layer `observability`."""

    project: ClassVar[str] = "observability"
    version: ClassVar[int] = 1

    alarm_arns: Output[Mapping[str, str]]
    """ARN by the alarm's name without role and suffix."""
    composite_alarm_arn: Output[str]
    dashboard_name: Output[str]


@dataclass(frozen=True)
class VaultOutputs:
    """The locked copy of the table outside both regions, of the layer `vault`."""

    project: ClassVar[str] = "vault"
    version: ClassVar[int] = 1

    region: Output[str]
    """Of the copies; none of the two that serve."""
    vault_name: Output[str]
    """Of the locked vault there."""
    source_vault_name: Output[str]
    """Of the vault beside the table, from which copies are made."""
    key_arn: Output[str]
    """Encrypts the copies, and what is restored from them in their region."""
    backup_role_arn: Output[str]
    restore_role_arn: Output[str]
    """Under which AWS Backup restores a copy, as a table beside the original's name."""


@dataclass(frozen=True)
class Layer:
    """One Pulumi project: its contract, whether it has a stack for each region, and whose outputs it reads.

    A regional layer reads a regional producer's stack of its own role; a global layer reads both.
    """

    name: str
    outputs: type[Any]
    regional: bool
    consumes: tuple[type[Any], ...]


def _layers(*layers: Layer) -> Mapping[str, Layer]:
    return MappingProxyType({layer.name: layer for layer in layers})


LAYERS: Mapping[str, Layer] = _layers(
    Layer("network", NetworkOutputs, regional=True, consumes=()),
    Layer("data", DataOutputs, regional=False, consumes=()),
    Layer("compute", ComputeOutputs, regional=True, consumes=(NetworkOutputs, DataOutputs)),
    Layer("edge", EdgeOutputs, regional=False, consumes=(ComputeOutputs, DataOutputs)),
    Layer("observability", ObservabilityOutputs, regional=True, consumes=(EdgeOutputs, ComputeOutputs, DataOutputs)),
)
"""Every layer that each environment has, by its name, producers before consumers."""

ASIDE: Mapping[str, Layer] = _layers(Layer("vault", VaultOutputs, regional=False, consumes=(DataOutputs,)))
"""Layers that an environment has only where it asks for them, in a region of their own: nobody reads them, and nobody
waits for them, neither to be deployed nor to be destroyed."""


def layer_of(name: str) -> Layer:
    """The layer of a name, one of those aside too. Raises KeyError."""
    return LAYERS.get(name) or ASIDE[name]


def schema(outputs_type: type[Any]) -> str:
    """The contract as text: project, version and each field with its type, nested ones too."""
    lines = [f"{outputs_type.project} v{outputs_type.version}"]
    for path, kind in typed_fields(outputs_type).items():
        *parts, name = path.split(".")
        lines.append(f"{'  ' * (len(parts) + 1)}{name}: {kind}")
    return "\n".join(lines)


def typed_fields(outputs_type: type[Any]) -> dict[str, str]:
    """Each field's type as text, by its path: `rest_api` and, inside it, `rest_api.stage_name`.

    Two equal answers mean that a consumer cannot see a difference, so other layers' contracts count by them in a
    stack's fingerprint.
    """
    found: dict[str, str] = {}
    for field in dataclasses.fields(outputs_type):
        found[field.name] = str(field.type)
        nested = getattr(sys.modules[outputs_type.__module__], re.split(r"[ \[]", str(field.type))[0], None)
        if (
            isinstance(nested, type)
            and dataclasses.is_dataclass(nested)
            and nested.__module__ == outputs_type.__module__
        ):
            found |= {f"{field.name}.{path}": kind for path, kind in typed_fields(nested).items()}
    return found
