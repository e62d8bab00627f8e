"""Says on GitHub what a plan says: `python -m tools.plan_comment LAYER PLAN [--outputs]`.

PLAN is what `./invoke plan --json` printed: a forecast of the layers' stacks (orchestration/foreseen.py). It is empty
where the command ended before it knew any.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.foreseen import Forecast, ForeseenStack
from orchestration.report import describe
from shared.errors import MALFORMED, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LONGEST = 60_000
"""Characters; GitHub takes 65,536."""


def read(path: Path) -> Forecast | None:
    """Return a plan; none for one that ended before it said anything. Raises Problem for what is no plan."""
    content = path.read_bytes()
    if not content.strip():
        return None
    try:
        return Forecast.from_json(json.loads(content.decode("utf-8")))
    except MALFORMED:
        raise Problem(f"{path}: holds no plan; write it with ./invoke plan --json") from None


def changes(layer: str, forecast: Forecast | None) -> bool:
    """Whether a deployment of the layer has something to do: one of its stacks is not fresh."""
    return forecast is not None and any(each.layer == layer and each.state != "fresh" for each in forecast.planned)


def comment(layer: str, forecast: Forecast | None) -> str:
    """Return the plan as Markdown: the layer's stacks first, then all others that would run, and what to look at."""
    return "\n".join(_lines(layer, forecast))[:LONGEST] + "\n"


def outputs(layer: str, forecast: Forecast | None) -> str:
    """Return the outputs of a step, `changes` and `text`, as GITHUB_OUTPUT takes them."""
    end = f"end-{secrets.token_hex(16)}"
    return f"changes={str(changes(layer, forecast)).lower()}\ntext<<{end}\n{comment(layer, forecast)}{end}\n"


def _lines(layer: str, forecast: Forecast | None) -> Iterator[str]:
    yield f"### Plan of {layer}"
    yield ""
    if forecast is None:
        yield "It ended before it said anything: the log of this run says why."
        return
    own = [each for each in forecast.stacks if each.layer == layer]
    others = [each for each in forecast.stacks if each.layer != layer and each.state != "fresh"]
    if not own:
        yield f"Environment {forecast.environment} has no {layer}."
        yield ""
    yield "| stack | plan | changes | why |"
    yield "|---|---|---|---|"
    for each in (*own, *others):
        name = f"**{each.stack}**" if each.layer == layer else each.stack
        state = each.state if each.planned else f"stale ({each.state})"
        yield f"| {name} | {state} | {describe(each.counts)} | {_cell(each.why)} |"
    yield from _list("Replaced or deleted:", (line for each in (*own, *others) for line in _going(each)))
    yield from _list("Outputs that somebody reads:", (line for each in (*own, *others) for line in _read(each)))
    refused = [f"{each.stack}: {_cell(why)}" for each in (*own, *others) for why in each.refused]
    yield from _list("**Refused:**", (*refused, *forecast.broken))
    yield ""
    yield forecast.summary() if changes(layer, forecast) else "Nothing of this layer would change."


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    if found := list(lines):
        yield from ("", title, "", *(f"- {line}" for line in found))


def _going(each: ForeseenStack) -> Iterator[str]:
    for of in each.resources:
        if of.ends or of.danger:
            forced = f": {', '.join(of.forced_by)}" if of.forced_by else ""
            danger = f", **{of.danger}**" if of.danger else ""
            yield f"{each.stack}: {of.operation} {of.type} `{of.name}`{forced}{danger}"


def _read(each: ForeseenStack) -> Iterator[str]:
    for name, what in each.outputs.items() if each.update else ():  # all outputs of a new stack are new
        if who := each.who_reads(name):
            yield f"{each.stack}: `{name}` {what}, read by {', '.join(who)}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(words: Sequence[str]) -> int:
    """Print the comment, or a step's outputs. Returns the exit code."""
    layer, path, *rest = words
    try:
        forecast = read(Path(path))
    except OSError as error:
        print(f"error: {path}: {error.strerror}; write it with ./invoke plan --json", file=sys.stderr)
        return 1
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print((outputs if rest == ["--outputs"] else comment)(layer, forecast), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
