"""Evidence of a drill that somebody else can check: the raw records, bound together by a chain of digests.

Each link is the SHA-256 of the link before, a file's name and the file's digest, so the last one, the head, stands for
all files in their order. Publish it where it cannot be changed later; `verify.py` asks for it.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drill import records, verify
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestration.target import Target

FILES: Final = (
    records.PLAN,
    records.CLIENTS,
    records.EVENTS,
    records.BOOKS,
    records.RECONCILIATION,
    records.FIGURES,
    records.OUTCOME,
)
"""Of a drill, in the chain's order; the settings that were drilled come after them."""


def gather(drill: Path, out: Path, others: Iterable[Path] = ()) -> str:
    """Write the evidence of a drill into a new folder; return the chain's head. Raises Problem.

    others: files that belong to it, such as the processor's ledger.
    """
    missing = [name for name in FILES if not (drill / name).is_file()]
    if missing:
        raise Problem(f"the drill {drill.name} has no {missing[0]}: it came to no verdict, so there is no evidence")
    settings = f"{(records.read(drill / records.PLAN) or {}).get('environment', '')}.yaml"
    if not (drill / settings).is_file():
        raise Problem(f"the drill {drill.name} has no {settings}: nobody knows what was drilled")
    return bind(out, [*(drill / name for name in (*FILES, settings)), *others])


def bind(out: Path, files: Iterable[Path], texts: Mapping[str, str] | None = None) -> str:
    """Write texts by their names, and copies of files, with the program that checks them; return the chain's head.

    Raises Problem when the folder is there already, or cannot be made.
    """
    try:
        out.mkdir(parents=True, mode=0o700)  # customers' names are in it
        contents = [(name, text.encode()) for name, text in (texts or {}).items()]
        contents += [(file.name, file.read_bytes()) for file in (*files, Path(verify.__file__))]
        link, lines = "", []
        for name, content in contents:
            (out / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            link = hashlib.sha256(f"{link} {name} {digest}".encode()).hexdigest()
            lines.append(json.dumps({"file": name, "sha256": digest, "link": link}))
        (out / verify.CHAIN).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except FileExistsError:
        raise Problem(f"{out} is there already: name a new folder, so that nothing old is in the evidence") from None
    except OSError as error:
        raise Problem(f"cannot write {error.filename or out}: {error.strerror}") from None
    return link


def new_folder(option: str, text: str) -> Path:
    """A folder that is not there, and can be made. Raises Problem, before anything is measured for it."""
    out = Path(text)
    try:
        taken = out.exists() or out.is_symlink()
        above = next(each for each in out.absolute().parents if each.exists())
        made = "\0" not in text and above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    except OSError as error:  # a name that no folder has
        raise Problem(f"{option} {text!r}: {error.strerror}") from None
    if taken:
        raise Problem(f"{option} {out} is there already: name a new folder")
    if not made:
        raise Problem(f"{option} {text!r} cannot be made: {above} is no folder in which you may write it")
    return out


def ledger_of(place: Target) -> list[Path]:
    """The processor's ledger, where this machine has it."""
    return [place.ledger] if place.ledger is not None and place.ledger.is_file() else []


def settings_of(environment: str) -> list[Path]:
    """The environment's settings as they are: those of a system that runs, and not of a drill that was played."""
    file = ROOT / "environments" / f"{environment}.yaml"
    return [file] if file.is_file() else []
