"""The commands that the documents tell people to type, and which of them need an account: `python -m tools.manual`.

Run, it writes docs/commands.md: what is not run by the tests, and why. tests/unit/tools/test_manual.py reads all of
them, tests/e2e/test_manual.py runs those that need no account.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTED = ROOT / "docs" / "commands.md"
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`((?:\./invoke|aws|gh|\.venv/bin/python) [^`]+)`")
ACCOUNT = re.compile(r"--target aws|(?:^|[;&|(] *)(?:aws|gh) [a-z]", re.MULTILINE)
WORDS = "EXPERIMENT FAULT FILE FOLDER HEAD KIND N NAME OLD ROLE SEED SPEED SUFFIX TASK TIME X"
"""What stands in a command for what its reader knows."""
PLACEHOLDER = re.compile(rf"<[a-z][\w' -]*>|\b({WORDS.replace(' ', '|')})\b")
NETWORK = re.compile(r"uv pip compile|^dig ", re.MULTILINE)
LONG = ("bench.", "drill", "mutate", "prove", "simulate", "test")
"""How tasks begin that take long: what they run has tests of its own. Those of `drill.` that only tell are quick."""
QUICK = ("drill.calibrate", "drill.history", "drill.report")
TITLE = """\
# Commands that no test runs

Written by `.venv/bin/python -m tools.manual`. Every other command of these documents is run by `./invoke prove`, in a
checkout whose stacks are deployed into the sandbox. What takes long has tests of its own. These are read: a task with
its options by the parser of `./invoke`, an operation of AWS with its parameters by the SDK's model, blocks by bash.
"""


@dataclass(frozen=True)
class TypedCommand:
    """Something to type: a block of lines, or one command within a sentence."""

    document: str
    text: str
    block: bool

    @property
    def commands(self) -> tuple[str, ...]:
        """Its commands, each on one line, without remarks."""
        joined = re.sub(r"\s*\\\n\s*", " ", self.text)
        lines = (re.sub(r"(^|\s+)#( .*|$)", "", line).strip() for line in joined.splitlines())
        return tuple(line for line in lines if line not in {"", "done", "fi"})

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks of `./invoke` in it."""
        return tuple(re.findall(r"\./invoke ([a-z][\w.-]*)", self.text))

    @property
    def why_not(self) -> str:
        """Why no test types it; empty for what one does."""
        if ACCOUNT.search(self.text):
            return "needs an account"
        if PLACEHOLDER.search(self.text) or "[--" in self.text:
            return "a form to fill in"
        if NETWORK.search(self.text):
            return "needs the network, or a tool that is not ours"
        if any(task.startswith(LONG) and task not in QUICK for task in self.tasks):
            return "takes long"
        if "pytest" in self.text:
            return "runs tests, which `./invoke prove` runs"
        return ""


def documents(root: Path = ROOT) -> list[Path]:
    """Return the documents of a checkout, sorted."""
    places = [place for place in root.iterdir() if not place.name.startswith(".") and place.name != "mutants"]
    found = [path for place in places for path in ([place] if place.is_file() else place.rglob("*.md"))]
    return sorted(path for path in found if path.suffix == ".md" and path != LISTED)


def told(path: Path, root: Path = ROOT) -> Iterator[TypedCommand]:
    """Yield what a document tells to type, in its order: blocks of shell, then the commands within its sentences."""
    text, name = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
    for found in FENCE.finditer(text):
        if found["language"] == "sh":
            yield TypedCommand(name, re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE), block=True)
    for command in SPAN.findall(FENCE.sub("", text)):
        yield TypedCommand(name, " ".join(command.split()), block=False)


def everything() -> list[TypedCommand]:
    """Return what all documents tell to type, the same words of a document once."""
    return list(dict.fromkeys(each for path in documents() for each in told(path)))


def listing() -> str:
    """Return the page of what no test runs."""
    lines = [TITLE]
    rows: dict[str, dict[str, str]] = {}
    for each in everything():
        if each.why_not:
            rows.setdefault(each.document, {}).update(dict.fromkeys(each.commands, each.why_not))
    for document, found in rows.items():
        lines += [f"## {document}", "", "| command | |", "|---|---|"]
        lines += [f"| `{_cell(command)}` | {why} |" for command, why in found.items()]
        lines.append("")
    return "\n".join(lines)


def _cell(command: str) -> str:
    return command.replace("|", "\\|")


if __name__ == "__main__":
    LISTED.write_text(listing().rstrip("\n") + "\n", encoding="utf-8")
