"""`./invoke inbox`: the notifications that the people who are subscribed to an environment's topics got."""

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
    from collections.abc import Iterator

SHOWN = 50
"""The newest that a person is shown; JSON has all."""
COLUMNS = ("time", "to", "region", "state", "alarm", "reason")


def show(environment: str, *, as_json: bool) -> int:
    """Print them, the oldest first."""
    found = [_row(mail) for mail in received(Environment.load(environment, ROOT))]
    if as_json:
        print(json.dumps(found, indent=2))
    elif not found:
        print("nobody got mail")
    else:
        print("\n".join(_table(found[-SHOWN:])))
        if len(found) > SHOWN:
            print(f"{len(found) - SHOWN} older ones: ./invoke inbox --json")
    return 0


def received(environment: Environment) -> Iterator[Mail]:
    """What the topics of an environment sent by mail."""
    topics = {(environment.region(role), environment.names.of(naming.NOTIFICATION_TOPIC, role)) for role in ROLES}
    for mail in Mailbox(Layout(ROOT).mail).read():
        if (mail.region, mail.topic.rpartition(":")[2]) in topics:
            yield mail


def _row(mail: Mail) -> dict[str, Any]:
    alarm = mail.alarm
    return {
        "time": datetime.fromtimestamp(mail.time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
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
