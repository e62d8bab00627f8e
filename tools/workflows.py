"""Writes each layer's GitHub workflow: `python -m tools.workflows`.

What starts it, and which workflows it waits for, follow from the contracts (who reads whom) and from what each program
imports. A layer's workflow is also started by what its producers are made of: their outputs may change by it. Whether
something changes at all is the plan's to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.made_of import POLICIES, Sources
from orchestration.smoke import CHECKED_LAYER
from shared.contracts import ASIDE, LAYERS, Layer, layer_of
from shared.environment import Environment
from shared.packaging.packages import functions
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OWNED: Mapping[str, Layer] = {**LAYERS, **ASIDE}
"""The layers that have a team and a workflow: those, too, that only some environments have."""
WORKFLOWS = Path(".github", "workflows")
ENVIRONMENT = "payments"
"""The environment that the workflows plan and deploy, where the variable ENVIRONMENT names no other one."""
CALLED = ("comment", "deploy", "layer")
"""The workflows that a layer's calls."""
ACTIONS = ("aws", "order")
"""The actions that these take."""
DOCUMENTS = "!**/*.md"
TEMPLATE = """\
# Written by `.venv/bin/python -m tools.workflows` from the contracts and imports: change those, and run it again.
name: {layer}
on:
  pull_request:
    paths: &paths
{paths}
  push:
    branches: [main]
    paths: *paths
  workflow_dispatch:
permissions: {{}}
concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.event.pull_request.number || github.sha }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}
jobs:
  {layer}:
    permissions:
      actions: read
      contents: read
      id-token: write
      pull-requests: write
    uses: ./.github/workflows/layer.yml
    with:
      layer: {layer}
      regional: {regional}
      upstream: "{upstream}"
      watched: {watched}
"""


def upstream(layer: str) -> tuple[str, ...]:
    """Return the layers whose outputs one reads, and those that these read, in the graph's order."""
    producers = {each.outputs: each.name for each in LAYERS.values()}
    direct = {producers[contract] for contract in layer_of(layer).consumes}
    found = direct.union(*(upstream(each) for each in direct))
    return tuple(each for each in LAYERS if each in found)


def patterns(layer: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return the path filters of a layer's workflow: of what it and its producers are made, and of the workflow itself.

    Projects, policies and functions count with their whole folders, everything else file by file; every environment
    file, as a variable of the repository says which one is deployed. The last pattern takes documents out again.
    """
    sources = Sources(root, Environment.load(ENVIRONMENT, root))
    files = {path for each in (layer, *upstream(layer)) for path in sources.files(each)}
    workflows = (WORKFLOWS / f"{each}.yml" for each in (layer, *CALLED))
    settings = Path("environments", "*.yaml")
    actions = (Path(".github", "actions", each, "action.yml") for each in ACTIONS)
    return (*_grouped({*files, settings, *workflows, *actions}), DOCUMENTS)


def _grouped(files: Iterable[Path]) -> list[str]:
    whole = {POLICIES, *(Path("projects", each) for each in OWNED), *(Path("lambdas", each) for each in functions())}
    folders = ((path, next((folder for folder in path.parents if folder in whole), None)) for path in files)
    return sorted({f"{folder.as_posix()}/**" if folder else path.as_posix() for path, folder in folders})


def text(layer: str) -> str:
    """Return a layer's workflow as YAML."""
    return TEMPLATE.format(
        layer=layer,
        paths="\n".join(f'      - "{pattern}"' for pattern in patterns(layer)),
        regional=str(layer_of(layer).regional).lower(),
        upstream=" ".join(upstream(layer)),
        watched=str(layer == CHECKED_LAYER).lower(),
    )


if __name__ == "__main__":
    for name in OWNED:
        (ROOT / WORKFLOWS / f"{name}.yml").write_text(text(name), encoding="utf-8")
