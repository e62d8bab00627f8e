"""Who reads what of whom, in the sources and as it is deployed: what a producer must keep.

A consumer's sources say it in `reads.json` (shared/reads.py). What the deployed consumer reads is beside its
fingerprint (fingerprint.MadeOf): it may lag behind the sources, and is updated after its producers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestration import report
from orchestration.fingerprint import Fingerprints
from orchestration.graph import Graph
from orchestration.target import books
from shared import reads
from shared.contracts import CONTRACT, layer_of, typed_fields
from shared.environment import Environment
from shared.root import ROOT

if TYPE_CHECKING:
    from orchestration.choice import Choice
    from shared.stack import Stack


def deployed(known: Fingerprints, stack: Stack) -> reads.Reads:
    """What the stack's newest recorded update reads of others; nothing for one that is not deployed."""
    checkpoint = known.backend.checkpoint(stack)
    return {} if checkpoint is None or checkpoint.empty else known.last(stack).reads


def broken(known: Fingerprints, producers: Iterable[Stack]) -> list[str]:
    """What consumers of these stacks would miss in what they are to publish, a line each."""
    chosen, graph = set(producers), known.graph
    read = {stack.layer: known.reads(stack) for stack in graph.stacks}
    found = []
    for layer in dict.fromkeys(stack.layer for stack in graph.stacks if stack in chosen):
        contract = layer_of(layer).outputs
        for consumer, by_producer in read.items():
            found += [
                f"{layer}: {line}, and {consumer} reads it: let it stop first (projects/{consumer}/{reads.FILE})"
                for line in reads.broken(by_producer.get(layer, {}), contract)
            ]
        for stack in graph.stacks:
            if not graph.reads[stack] & {each for each in chosen if each.layer == layer}:
                continue
            found += [
                f"{layer}: {line}, and {stack} as it is deployed reads it: put it back, deploy a {stack.layer} that "
                "does not read it, and take it out then"
                for line in reads.broken(deployed(known, stack).get(layer, {}), contract)
            ]
    return found


def contracts(choice: Choice) -> int:
    """Print who reads which field of each layer's contract, and what is deployed. Returns 1 when one is broken."""
    settings = Environment.load(choice.environment, ROOT)
    graph = Graph.of(settings.name, aside=settings.aside)
    layers = list(dict.fromkeys(stack.layer for stack in graph.stacks))
    opened = books(choice.target)
    read = {name: reads.of(ROOT, name) for name in layers}
    known = Fingerprints(ROOT, settings, graph, opened.backend, generation=opened.generation)
    found = broken(known, graph.stacks)
    rows = [_row(known, layer, read) for layer in layers]
    if choice.json:
        report.print_json({"contracts": rows, "broken": found})
    else:
        print("\n".join(line for row in rows for line in _lines(row)).rstrip())
        for line in found:
            print(f"\nbroken: {line}")
    return int(bool(found))


def _row(known: Fingerprints, layer: str, read: Mapping[str, reads.Reads]) -> dict[str, Any]:
    contract, graph = layer_of(layer).outputs, known.graph
    versions = {}
    for stack in graph.select(layer):
        checkpoint = known.backend.checkpoint(stack)
        kept = (checkpoint.outputs.get(CONTRACT) if checkpoint else None) or {}
        versions[str(stack)] = int(kept["version"]) if "version" in kept else None
    consumers = [stack for stack in graph.stacks if any(each.layer == layer for each in graph.reads[stack])]
    read_deployed = {str(stack): deployed(known, stack).get(layer, {}) for stack in consumers}
    return {
        "name": layer,
        "version": contract.version,
        "deployed": versions,
        "fields": [
            {
                "name": path,
                "type": kind,
                "read_by": [name for name, of in read.items() if path in of.get(layer, {})],
                "read_by_deployed": [name for name, of in read_deployed.items() if path in of],
            }
            for path, kind in typed_fields(contract).items()
        ],
    }


def _lines(row: Mapping[str, Any]) -> Iterator[str]:
    versions = ", ".join(f"{stack} {'not' if v is None else f'v{v}'}" for stack, v in row["deployed"].items())
    yield f"{row['name']} v{row['version']} (deployed: {versions})"
    width = max(len(field["name"]) for field in row["fields"])
    for field in row["fields"]:
        lagging = sorted({name.partition("/")[0] for name in field["read_by_deployed"]} - set(field["read_by"]))
        who = [*field["read_by"], *(f"{name} as deployed" for name in lagging)]
        yield f"  {field['name']:<{width}}  {', '.join(who) or 'nobody'}"
    yield ""
