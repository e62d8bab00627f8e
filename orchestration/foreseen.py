"""What a plan says: of each stack what its update would do, what it would publish otherwise, and who reads that.

Made of the engine's own previews, in which what a stack would publish has reached those that read it. Values stand in
it as digests, by their paths; what only an update can know is unknown, and nothing else is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from engine.events import ENDING
from orchestration.holdings import let_go
from orchestration.made_of import digest
from orchestration.values import texts
from shared import reads

if TYPE_CHECKING:
    from engine.backend import Checkpoint
    from engine.events import Events, ResourceChange
    from shared.stack import Stack

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that only an update can know (sdk/go/common/resource/plugin/rpc.go)."""
SIGNATURE = "4dabf18193072939515e22adb298388d"
"""What marks an asset or archive among the values (sdk/go/common/resource/sig/sig.go)."""
PLACES = frozenset({"path", "uri"})
"""Where an archive lies on a machine; what is in it is its `hash`."""
READING = frozenset({"pulumi:pulumi:StackReference"})
DEFAULT_PROVIDER = re.compile(r"pulumi:providers:[^:]+::default[^:]*$")
ADDRESSES: Mapping[str, str] = {
    "aws:apigateway/domainName:DomainName": "clients come by its name",
    "aws:apigateway/restApi:RestApi": "its address is made of its id",
    "aws:lb/loadBalancer:LoadBalancer": "its DNS name is made of its id",
    "aws:route53/record:Record": "clients come by its name",
    "aws:route53/zone:Zone": "its name servers are delegated to by others",
    "aws:sns/topic:Topic": "what was subscribed by hand is gone",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "functions have no way out meanwhile",
}
"""What others hold the address of, and why a new one hurts."""


@dataclass(frozen=True)
class ForeseenResource:
    """What would be done to one resource."""

    operation: str
    urn: str
    type: str
    name: str
    properties: Sequence[str] = ()
    forced_by: Sequence[str] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """The digest of each value that it is given, by its path; empty where only the update can know it."""
    danger: str = ""
    """Why it is dangerous that it goes; empty when it is not, or does not go."""

    @staticmethod
    def of(change: ResourceChange, danger: str = "") -> ForeseenResource:
        known = dict(leaves(change.inputs))
        return ForeseenResource(
            change.operation,
            change.urn,
            change.type,
            change.name,
            change.properties,
            change.forcing,
            known,
            danger,
        )

    @property
    def key(self) -> tuple[str, str]:
        return self.operation, self.urn

    @property
    def ends(self) -> bool:
        """Whether what is there goes."""
        return self.operation in ENDING

    def excess(self, now: ForeseenResource) -> str:
        """What another look would give this resource that was not foreseen: the first such path; empty for nothing."""
        for path in sorted({*self.values, *now.values}):
            if self.values.get(path) != now.values.get(path) and not self._is_open(path):
                return path
        return ""

    def _is_open(self, path: str) -> bool:
        """Whether a value, or what it is in, was left to the update."""
        unknown = [each for each, known in self.values.items() if not known]
        return any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in unknown)


def resources(events: Events) -> list[ResourceChange]:
    """What a preview would do, without what the engine brings along by itself, as it does not count it either.

    The provider by which a program reads other stacks is among that: a preview ahead of them does without.
    """
    return [
        change for change in events.resources if change.type not in READING and not DEFAULT_PROVIDER.search(change.urn)
    ]


@dataclass(frozen=True)
class ForeseenStack:
    """What would become of one stack."""

    stack: str
    layer: str
    planned: bool
    """Whether the plan deploys it; if not, it would become stale, or would follow."""
    state: str
    """`fresh`, `changes`, `unchanged` (its update would change nothing) or `refused`."""
    why: str
    resources: Sequence[ForeseenResource] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    """What it would publish otherwise: a field of its contract, and `changes`, `is new`, `goes` or `is unknown`."""
    readers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Those fields that somebody reads, by layer."""
    refused: Sequence[str] = ()
    """Rules of the policies that it would break, or why its preview failed."""
    values: int = 0
    unknown: int = 0
    """How many of the values that would be given or published only the update can know."""
    made_of: str = ""
    """What it was made of when the plan was made (fingerprint.MadeOf)."""
    update: str = ""
    """A digest of the newest update at that time; empty for a stack that was not there."""

    @property
    def counts(self) -> Counter[str]:
        """How many resources it would do each operation to."""
        return Counter(each.operation for each in self.resources)

    def who_reads(self, name: str) -> list[str]:
        """Return the layers that read one of the outputs that it would publish otherwise."""
        return [layer for layer, fields in self.readers.items() if name in fields]

    @property
    def dangers(self) -> list[str]:
        return [f"{each.operation} {each.type} {each.name}: {each.danger}" for each in self.resources if each.danger]


@dataclass(frozen=True)
class Forecast:
    """A whole plan."""

    environment: str
    target: str
    layer: str
    region: str
    by: str
    made: str
    stacks: Sequence[ForeseenStack]
    broken: Sequence[str] = ()
    """Fields that would go or change their type, each with who reads it."""

    @property
    def planned(self) -> list[ForeseenStack]:
        return [each for each in self.stacks if each.planned]

    @property
    def good(self) -> bool:
        return not self.broken and all(each.state != "refused" for each in self.planned)

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self), "summary": self.summary()}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Forecast:
        """Read what to_json wrote. Raises KeyError, TypeError or ValueError for anything else."""
        if told["format"] != 1:
            raise ValueError(f"format {told['format']}")
        stacks = [
            ForeseenStack(**{**each, "resources": [ForeseenResource(**of) for of in each["resources"]]})
            for each in told["stacks"]
        ]
        kept = {name: told[name] for name in ("environment", "target", "layer", "region", "by", "made", "broken")}
        return Forecast(stacks=stacks, **kept)

    def summary(self) -> str:
        """Everything in one line."""
        changing = [each for each in self.planned if each.state == "changes"]
        counted = sum((each.counts for each in changing), Counter[str]())
        kinds = ", ".join(f"{number} {operation}" for operation, number in sorted(counted.items()))
        stale = [each.stack for each in self.stacks if not each.planned and each.state in {"changes", "unchanged"}]
        dangers = sum(len(each.dangers) for each in self.planned)
        refused = [each.stack for each in self.planned if each.state == "refused"]
        told = [
            f"{len(changing)} of {len(self.planned)} stacks change" + (f" ({kinds})" if kinds else ""),
            f"{', '.join(stale)} would be stale then" if stale else "nobody else would be stale",
            f"{dangers} dangerous" if dangers else "nothing dangerous",
        ]
        if refused or self.broken:
            told.append(f"refused: {', '.join([*refused, *(['contracts'] if self.broken else [])])}")
        values, unknown = (sum(getattr(each, name) for each in self.planned) for name in ("values", "unknown"))
        if values:
            told.append(f"{100 * unknown / values:.0f} % of {values} values are known only then")
        return "; ".join(told)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The digest of each value in a structure, by its path; of one that is unknown nothing."""
    if isinstance(value, Mapping) and value:
        archive = SIGNATURE in value and "hash" in value
        for name, inner in value.items():
            if not (archive and name in PLACES):
                yield from leaves(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list | tuple) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, "" if value == UNKNOWN else digest(json.dumps(value, sort_keys=True))[:8]


def changed_outputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a layer's contract that a stack would publish otherwise, and how they differ."""
    found = {}
    for name in dict.fromkeys([*after, *before]):
        if name not in after:
            found[name] = "goes"
        elif name not in before:
            found[name] = "is new" if known(after[name]) else "is new, unknown as yet"
        elif before[name] != after[name]:
            found[name] = "changes" if known(after[name]) else "changes, unknown as yet"
    return found


def known(value: Any) -> bool:
    return all(told for _, told in leaves(value))


def readers_of(layer: str, fields: Mapping[str, str], read: Mapping[str, reads.Reads]) -> dict[str, list[str]]:
    """Who reads which of a layer's fields, by layer. read: what each layer reads."""
    found = {}
    for consumer, by_producer in read.items():
        names = {path.partition(".")[0] for path in by_producer.get(layer, {})}
        if mine := [name for name in fields if name in names]:
            found[consumer] = mine
    return found


def published_ids(checkpoint: Checkpoint | None) -> dict[str, list[str]]:
    """The outputs in which a stack publishes a resource's id or ARN, by the resource's URN.

    Settings of a resource often have its id too: what is made of another one that has it does not count. A role's name
    is often that of its function.
    """
    found: dict[str, list[str]] = {}
    for name, value in (checkpoint.outputs if checkpoint else {}).items():
        said = set(texts(value))
        having = [each for each in checkpoint.resources if _identities(each) & said] if checkpoint else []
        owners = {each["urn"] for each in having}
        for each in having:
            if not owners & set(each.get("dependencies") or ()):
                found.setdefault(each["urn"], []).append(name)
    return found


def _identities(resource: Mapping[str, Any]) -> set[str]:
    known = [(resource.get("outputs") or {}).get("arn")]
    known += [] if resource["type"].startswith("aws:iam/") else [resource.get("id")]
    return {str(each) for each in known if each}


def danger(
    stack: Stack, change: ResourceChange, published: Mapping[str, Sequence[str]], read: Mapping[str, reads.Reads]
) -> str:
    """Why it is dangerous that a resource goes: it holds data, is an address, or is known to others by its id.

    published: as `published_ids`. read: what each layer reads.
    """
    told = [f"holds data ({holder.name})" for holder in let_go(stack, change)]
    if not change.ends:
        return "; ".join(told)
    if change.type in ADDRESSES:
        told.append(ADDRESSES[change.type])
    for name in published.get(change.urn, ()):
        who = readers_of(stack.layer, {name: ""}, read)
        told += [f"{', '.join(who)} reads its id as {name}"] if who else []
    return "; ".join(told)


def share_unknown(events: Events) -> tuple[int, int]:
    """How many values a preview says would be given or published, and how many of them it cannot know."""
    found = [told for change in resources(events) for _, told in leaves(change.inputs)]
    found += [told for _, told in leaves(dict(events.outputs))] if events.outputs else []
    return len(found), found.count("")
