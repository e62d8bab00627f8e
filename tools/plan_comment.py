"""Says on a pull request what a plan says: `python -m tools.plan_comment LAYER PLAN [--outputs]`.

PLAN is what `./invoke preview-all --json` printed: an object with `stacks`, each with stack, layer, status, changes,
message and resources. A preview asks the policies of every resource, so a violation is a stack's message.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.report import describe
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST = 60_000
"""Characters; GitHub takes 65,536."""
ENDING = ("replace", "delete")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a plan; none for one that ended before it had any. Raises Problem for what is no plan."""
    content = path.read_text(encoding="utf-8")
    if not content.strip():
        return []
    try:
        return list(json.loads(content)["stacks"])
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{path}: holds no plan; write it with ./invoke preview-all --json") from None


def changes(layer: str, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether a deployment of the layer has something to do: one of its stacks is not fresh."""
    return any(row["layer"] == layer and row["status"] != "fresh" for row in rows)


def comment(layer: str, rows: Sequence[dict[str, Any]]) -> str:
    """Return the plan as Markdown: the layer's stacks first, then all others that would run, and what would go."""
    return "\n".join(_lines(layer, rows))[:LONGEST] + "\n"


def outputs(layer: str, rows: Sequence[dict[str, Any]]) -> str:
    """Return the outputs of a step, `changes` and `text`, as GITHUB_OUTPUT takes them."""
    end = f"end-{secrets.token_hex(16)}"
    return f"changes={str(changes(layer, rows)).lower()}\ntext<<{end}\n{comment(layer, rows)}{end}\n"


def _lines(layer: str, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"### Plan of {layer}"
    yield ""
    if not rows:
        yield "It ended before it said anything: the log of this run says why."
        return
    own = [row for row in rows if row["layer"] == layer]
    others = [row for row in rows if row["layer"] != layer and row["status"] != "fresh"]
    yield "| stack | result | changes | |"
    yield "|---|---|---|---|"
    for row in own:
        yield _row(row, f"**{row['stack']}**")
    for row in others:
        yield _row(row, row["stack"])
    going = [(row, each) for row in (*own, *others) for each in row["resources"] if each["operation"] in ENDING]
    if going:
        yield ""
        yield "Replaced or deleted:"
        yield ""
    for row, each in going:
        forced = f": {', '.join(each['forced_by'])}" if each["forced_by"] else ""
        data = ", **holds data**" if each["holds_data"] else ""
        yield f"- {row['stack']}: {each['operation']} {each['type']} `{each['name']}`{forced}{data}"
    if not changes(layer, rows):
        yield ""
        yield "Nothing of this layer would change."


def _row(row: dict[str, Any], name: str) -> str:
    message = " ".join(row["message"].split()).replace("|", "\\|")
    return f"| {name} | {row['status']} | {describe(row['changes'])} | {message} |"


def main(words: Sequence[str]) -> int:
    """Print the comment, or a step's outputs. Returns the exit code."""
    layer, path, *rest = words
    try:
        rows = read(Path(path))
    except (OSError, Problem) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print((outputs if rest == ["--outputs"] else comment)(layer, rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
