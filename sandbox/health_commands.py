"""What `./invoke health` does: every health check as it stands, and what DNS answers by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox import control
from sandbox.layout import Layout
from sandbox.lifecycle import ANSWER_WITHIN
from shared.columns import columns
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HEADINGS = ("check", "status", "since", "found healthy by", "asks", "last failure")


def health(*, as_json: bool = False) -> int:
    """Print each health check with what depends on it below, and the record set that each failover name has."""
    try:
        told = control.ask(Layout(ROOT).traffic_socket, ANSWER_WITHIN, "health")
    except OSError:
        raise Problem("the sandbox is not running; run ./invoke sandbox.up") from None
    print(json.dumps(told, indent=2) if as_json else "\n".join(lines(told)))
    return 0


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    if not told["checks"]:
        yield "no health check is declared; ./invoke deploy-all declares them"
    else:
        yield from columns([HEADINGS, *rows(told["checks"])])
    yield from (f"{name} is answered with its record {answered!r}" for name, answered in told["answers"].items())
    if told["speed"] != 1:
        yield f"virtual time passes at {told['speed']:g} times the speed"
    yield from (f"trouble: {line}" for line in told["trouble"])


def rows(checks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A line for each check: what a calculated one is made of comes below it, and is not listed again."""
    by_id = {check["id"]: check for check in checks}
    below = {child for check in checks for child in check["children"]}
    for check in checks:
        if check["id"] not in below:
            yield _row(check)
            yield from (_row(by_id[child], "  ") for child in check["children"] if child in by_id)


def _row(check: Mapping[str, Any], indent: str = "") -> tuple[str, ...]:
    words = ["healthy" if check["healthy"] else "UNHEALTHY"]
    if check["in_dns"] != check["healthy"]:
        words.append("DNS has yet to hear")
    words += [word for word in ("inverted", "disabled") if check[word]]
    since = datetime.fromtimestamp(check["since"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    return (indent + check["name"], ", ".join(words), since, _by_whom(check), _asked(check), check["last_failure"])


def _by_whom(check: Mapping[str, Any]) -> str:
    if check["type"] == "CALCULATED":
        return f"{check['healthy_children']} of {len(check['children'])} checks, needs {check['children_needed']}"
    if check["type"] == "CLOUDWATCH_METRIC":
        return f"alarm in {check['alarm_state']}"
    return f"{check['healthy_checkers']} of {check['checkers']} checkers"


def _asked(check: Mapping[str, Any]) -> str:
    return f"{check['alarm']['name']} in {check['alarm']['region']}" if check["alarm"] else str(check["asks"])
