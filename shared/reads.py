"""What a layer reads of the others' contracts, as its owners declare it in the file `reads.json` beside its program.

A consumer's declaration, kept by the consumer: producers may add whatever they like, and learn from it what they must
not take away or retype. A program cannot read what its file does not say (shared/components/exchange.py), and a layer
without a file may read all that it consumes. Knows nothing of AWS, nor of Pulumi.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.contracts import layer_of, typed_fields
from shared.errors import Problem

FILE = "reads.json"
SHAPE = "it maps a producer to its fields, each to its type"

Reads = Mapping[str, Mapping[str, str]]
"""By producer: the types of the fields that are read, by their paths (`shared.contracts.typed_fields`)."""


def declared(root: Path, layer: str) -> Reads | None:
    """What a layer's file says; None without one. Raises Problem for a file that is none of ours."""
    path = root / "projects" / layer / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise Problem(f"projects/{layer}/{FILE}: {said}: {SHAPE}") from None
    of_producers = content.values() if isinstance(content, dict) else [content]
    types = [kind for of in of_producers for kind in (of.values() if isinstance(of, dict) else [of])]
    if not isinstance(content, dict) or not all(isinstance(kind, str) for kind in types):
        raise Problem(f"projects/{layer}/{FILE}: it is something else: {SHAPE}")
    return content


def of(root: Path, layer: str) -> Reads:
    """What a layer may read: what its file says, or else all of what it consumes. Raises Problem as `declared`."""
    said = declared(root, layer)
    if said is not None:
        return said
    return {each.project: typed_fields(each) for each in layer_of(layer).consumes}


def broken(of_producer: Mapping[str, str], contract: type[Any]) -> list[str]:
    """What a reader of these fields would miss in a contract: `vpc_id is gone`, `vpc_id is int, not Output[str]`."""
    there = typed_fields(contract)
    gone = [f"{path} is gone" for path in of_producer if path not in there]
    other = [
        f"{path} is {there[path]}, not {kind}" for path, kind in of_producer.items() if there.get(path, kind) != kind
    ]
    return [*gone, *other]


def values(of_producer: Mapping[str, str], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in a stack's outputs under the fields that are read; of a part, only whether it is there."""
    return {path: _value(path, of_producer, outputs) for path in of_producer}


def _value(path: str, of_producer: Mapping[str, str], outputs: Mapping[str, Any]) -> Any:
    found: Any = outputs
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    has_parts = any(other.startswith(f"{path}.") for other in of_producer)
    return found is not None if has_parts else found
