"""What the task `new-home` calls. It returns the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drill.new_home import Removal
from drill.restore_commands import Progress, list_wrong
from orchestration import report
from orchestration.aws import Aws
from orchestration.person import go_ahead
from orchestration.target import choose
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from orchestration.choice import Choice


def new_home(choice: Choice, *, old: str, move: bool) -> int:
    """Bring keys and payments of a system that has lost a region into a new one; with `move` also its clients' name.

    Returns 1 on a contradiction: one id that is another payment there.
    """
    if not old:
        raise Problem("new-home: say --old, the environment that has lost a region")
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    removal = Removal.of(Environment.load(old, ROOT), settings, Aws(place.cli.variables), report.tell)
    source, target = removal.tables
    if move:
        removal.require_ready(place.gateways)
    what = f"ending payments in {old} and moving its clients" if move else "bringing in keys and payments"
    where = f"{source} into {target} of {place.where}, {removal.left}; {removal.lost} is not asked"
    go_ahead(place, choice, f"{what}: {where}")
    others = removal.give_keys(move=move)
    began = place.now()
    if move:
        removal.stop(began)
    found = removal.bring_in(unfinished=move, progress=Progress(report.tell, source))
    released = removal.release_name() if move and not found.contradictions else ""
    following = _following(choice, move=move, stopped=bool(found.contradictions))
    if choice.json:
        contradictions = [{"key": list(each.key), "what": each.what} for each in found.contradictions]
        report.print_json(
            {
                "from": source,
                "into": target,
                "region": removal.left,
                "keys_written": others,
                "items": found.counts,
                "another": contradictions,
                "released": released,
                "next": following,
            }
        )
    else:
        counts = ", ".join(f"{number:,} {what}" for what, number in found.counts.items()) or "no items"
        print(f"{source} into {target} in {removal.left}: {counts}")
        print("the clients' keys were brought in" if others else "the clients' keys stay as they are")
        if released:
            print(f"{released} is released in {removal.left}")
        list_wrong(found.contradictions)
        print(f"Next: {following}")
    return 1 if found.contradictions else 0


def _following(choice: Choice, *, move: bool, stopped: bool) -> str:
    options = choice.options()
    if stopped:
        return "decide on each contradiction (docs/runbooks/a-region-gone-for-good.md), and run the same again"
    if not move:
        return f"the same again, and when it brings in little: ./invoke new-home{options} --move"
    return f"./invoke deploy --layer edge{options}, at once: clients wait; then ./invoke deploy-all{options}"
