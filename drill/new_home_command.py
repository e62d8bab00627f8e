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
    from drill.bring_in import BroughtIn
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
    stopped = bool(found.contradictions)
    following = _following(choice, move=move, stopped=stopped)
    released, late = "", None
    if move and not stopped:
        released = removal.release_name()
        report.tell(f"Next: {following}. Beside that, what has come late is brought in")
        late = removal.bring_in(unfinished=True, progress=Progress(report.tell, source))
    wrong = [*found.contradictions, *(late.contradictions if late else ())]
    if choice.json:
        contradictions = [{"key": list(each.key), "what": each.what} for each in wrong]
        report.print_json(
            {
                "from": source,
                "into": target,
                "region": removal.left,
                "keys_written": others,
                "items": found.counts,
                "items_after_release": late.counts if late else None,
                "another": contradictions,
                "released": released,
                "next": following,
            }
        )
    else:
        print(f"{source} into {target} in {removal.left}: {_counted(found)}")
        print("the clients' keys were brought in" if others else "the clients' keys stay as they are")
        if released:
            print(f"{released} is released in {removal.left}")
        if late:
            print(f"once more after that: {_counted(late)}")
        list_wrong(wrong)
        print(f"Next: {following}")
    return 1 if wrong else 0


def _counted(found: BroughtIn) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in found.counts.items()) or "no items"


def _following(choice: Choice, *, move: bool, stopped: bool) -> str:
    options = choice.options()
    if stopped:
        return "decide on each contradiction (docs/runbooks/a-region-gone-for-good.md), and run the same again"
    if not move:
        return f"the same again, and when it brings in little: ./invoke new-home{options} --move"
    return f"./invoke deploy --layer edge{options}, at once: clients wait; then ./invoke deploy-all{options}"
