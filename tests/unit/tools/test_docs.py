"""Documents name only what is there: linked files, paths in backticks and commands, and tasks with their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts import LAYERS
from shared.root import ROOT
from tasks import namespace

DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for place in ROOT.iterdir()
    if not place.name.startswith(".") and place.name != "mutants"
    for path in ([place] if place.suffix == ".md" else place.rglob("*.md"))
)
MADE = tuple(line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split() if line[0] == "/")
"""What a checkout makes for itself, and need not have."""
SOURCE = (".py", ".md", ".yaml", ".yml", ".toml", ".lock")
NOT_PATHS = re.compile(rf"(application|text|image)/|({'|'.join(LAYERS)})/(<environment>|payments)|/|\.\.?/?$")
"""Media types, stacks, and paths of URLs or of a machine."""

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.*<>-]+(?:/[\w.*<>-]+)*/?")
TASKS = {name for task, aliases in namespace.task_names.items() for name in (task, *aliases)}
TASK = re.compile(r"\./invoke (?:--help )?([a-z][\w.-]*)([^`\n;|&#]*)")
OPTION = re.compile(r"--([a-z][\w-]*)")


def wrong(document: Path, text: str) -> Iterator[str]:
    """What a document names that is not there."""
    folder = document.parent
    for target in LINK.findall(text):
        if "://" not in target and not exists(folder, target):
            yield f"link to {target}"
    for span in SPAN.findall(FENCE.sub("", text)):
        if PATH.fullmatch(span) and ("/" in span or span.endswith(SOURCE)) and not exists(folder, span, Path()):
            yield f"path {span}"
    for word in re.findall(r"[^\s'\"=]+", " ".join(FENCE.findall(text))):
        first = word.partition("/")[0]
        if PATH.fullmatch(word) and "/" in word and (ROOT / first).is_dir() and not exists(Path(), word):
            yield f"path {word} in a command"
    for task, rest in TASK.findall(text):
        if task not in TASKS:
            yield f"task {task}"
            continue
        known = {name.strip("-") for each in namespace[task].get_arguments() for name in flags(each)}
        yield from (f"option --{option} of {task}" for option in OPTION.findall(rest) if option not in known)


def exists(folder: Path, name: str, *more: Path) -> bool:
    """Whether a path is there, from any of these folders of the checkout; `<anything>` stands for anything."""
    if name.removeprefix("./").startswith(MADE) or NOT_PATHS.match(name):
        return True
    pattern = re.sub(r"<[^>]+>", "*", name).rstrip("/")
    for place in (ROOT / each for each in (folder, *more)):
        there = any(place.glob(pattern)) if "*" in pattern else (place / pattern).exists()
        if there:
            return True
    return False


def flags(argument) -> list[str]:
    """How an option may be written: `as_json` is `--as-json`."""
    return [name.replace("_", "-") for name in argument.names]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_what_a_document_names_is_there(document):
    assert list(wrong(document, (ROOT / document).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[how](shared/nothing.md#there)", ["link to shared/nothing.md"]),
        ("[how](README.md) and [where](https://example.com/x)", []),
        ("`nowhere/run.py`, `shared/naming.py` and `shared/`", ["path nowhere/run.py"]),
        ("`environments/<environment>.yaml`, `environments/*.yaml`, `projects/<layer>/__main__.py`", []),
        ("`.sandbox/bin`, `network/payments-primary`, `GET /health`, `application/json`", []),
        ("`nothing.py` beside `tasks.py`", ["path nothing.py"]),
        ("```sh\npytest tests/unit/test_nothing.py -k one\n```", ["path tests/unit/test_nothing.py in a command"]),
        ("`./invoke fly` and `./invoke sandbox.up`", ["task fly"]),
        ("```sh\n./invoke deploy --layer data --height 3   # --not-this\n```", ["option --height of deploy"]),
    ],
)
def test_what_is_not_there_is_found(text, found):
    assert list(wrong(Path("README.md"), text)) == found


def test_a_document_names_files_from_its_own_folder_too():
    assert list(wrong(Path("engine/README.md"), "`find.py` and `engine/find.py`, not `lost.py`")) == ["path lost.py"]
