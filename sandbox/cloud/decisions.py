"""What IAM was asked, by whom and of what, and whether it was allowed: a line of JSON for each that is new.

It is what policies are derived from (`tools/team_rights.py`), and how a test sees what a role was refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ministack.core import iam_evaluator
from ministack.services import sts

from sandbox.decisions import on

if TYPE_CHECKING:
    from pathlib import Path


def write_down(path: Path) -> None:
    """Write each new decision into a file, where that was asked for. Call it before the repairs: they ask for more."""
    if not on():
        return
    enforce, known = iam_evaluator.enforce, set[str]()

    def written(  # noqa: PLR0917 - the emulator's own
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        refused = enforce(access_key, action, service, region, resource_arn, service_context)
        who = str((sts._sessions.get(access_key) or {}).get("Arn", access_key))
        line = json.dumps([who, action, region, resource_arn, refused is None])
        if line not in known:
            known.add(line)
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        return refused

    iam_evaluator.enforce = written
