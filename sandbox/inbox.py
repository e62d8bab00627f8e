"""`./invoke inbox`: what those who are subscribed to an environment's topics were told, by mail and by pager."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.layout import Layout
from sandbox.mail import Mail, Mailbox
from shared import naming
from shared.environment import Environment
from shared.roles import ROLES
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SHOWN = 50
"""The newest that a person is shown; JSON has all."""
COLUMNS = ("time", "by", "to", "region", "state", "alarm", "reason")


MAIL, PAGER = "mail", "pager"
BOXES: Mapping[str, Callable[[Layout], Path]] = {MAIL: lambda layout: layout.mail, PAGER: lambda layout: layout.pages}
"""Where what came by each way is kept."""


def show(environment: str, *, as_json: bool) -> int:
    """Print them, the oldest first."""
    settings = Environment.load(environment, ROOT)
    kept = [(by, mail) for by in BOXES for mail in received(settings, by)]
    found = [_row(by, mail) for by, mail in sorted(kept, key=lambda each: each[1].time)]
    if as_json:
        print(json.dumps(found, indent=2))
    elif not found:
        print("nobody was told anything")
    else:
        print("\n".join(_table(found[-SHOWN:])))
        if len(found) > SHOWN:
            print(f"{len(found) - SHOWN} older ones: ./invoke inbox --json")
    return 0


def received(environment: Environment, by: str = MAIL) -> Iterator[Mail]:
    """What the topics of an environment sent by mail, or to the pager."""
    topics = {(environment.region(role), environment.names.of(naming.NOTIFICATION_TOPIC, role)) for role in ROLES}
    for mail in Mailbox(BOXES[by](Layout(ROOT))).read():
        if (mail.region, mail.topic.rpartition(":")[2]) in topics:
            yield mail


def _row(by: str, mail: Mail) -> dict[str, Any]:
    alarm = mail.alarm
    return {
        "time": datetime.fromtimestamp(mail.time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "by": by,
        "to": mail.to,
        "topic": mail.topic.rpartition(":")[2],
        "region": mail.region,
        "alarm": alarm.get("AlarmName", ""),
        "state": alarm.get("NewStateValue", ""),
        "reason": alarm.get("NewStateReason", mail.subject),
    }


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in COLUMNS}
    for row in ({name: name for name in COLUMNS}, *rows):
        yield "  ".join(f"{row[name]:<{widths[name]}}" for name in COLUMNS).rstrip()
