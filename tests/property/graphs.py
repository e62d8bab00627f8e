"""Any acyclic set of layers, as a graph of stacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from orchestration.graph import Graph
from shared.contracts import Layer


def contract(number: int) -> type[Any]:
    return dataclass(type(f"Outputs{number}", (), {"project": f"layer{number}", "version": 1}))


@st.composite
def graphs(draw: st.DrawFn, most: int = 6) -> Graph:
    """Up to `most` layers, regional or not, each of which consumes some of those before it."""
    contracts = [contract(number) for number in range(draw(st.integers(1, most)))]
    layers = []
    for number, outputs in enumerate(contracts):
        consumed = draw(st.lists(st.sampled_from(contracts[:number]), unique=True)) if number else []
        layers.append(Layer(f"layer{number}", outputs, regional=draw(st.booleans()), consumes=tuple(consumed)))
    return Graph.of("anything", {layer.name: layer for layer in draw(st.permutations(layers))})
