"""`./invoke bootstrap`: every step looks; what is missing is made after a yes. Again, it finds everything there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from engine import secrets_provider
from orchestration import report, target
from orchestration.aws import Aws, account_id
from orchestration.bootstrap import account, state, teams, zone
from orchestration.bootstrap.step import (
    CANNOT,
    MADE,
    MISSING,
    THERE,
    BootstrapContext,
    BootstrapStep,
    StepFinding,
    cannot,
)
from orchestration.person import go_ahead
from orchestration.reach import reach
from orchestration.teams import roles
from orchestration.teams.roles import Takers
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from engine.backend import Checkpoint
    from orchestration.choice import Choice
    from orchestration.reach import Reach
    from shared.stack import Stack

STEPS: Final[Sequence[Callable[[BootstrapContext], Iterable[BootstrapStep]]]] = (
    state.steps,
    account.log_roles,
    account.quotas,
    zone.steps,
    account.pagers,
    account.tags,
    teams.steps,
)
"""All there is to do, in its order. What somebody adds is another function here."""
COLOURS: Final = {THERE: "green", MADE: "green", MISSING: "yellow", CANNOT: "bold red"}


@dataclass(frozen=True)
class BootstrapRow:
    """What became of a step."""

    what: str
    where: str
    status: str
    said: str
    needed: bool
    by_hand: Sequence[str]
    values: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(step: BootstrapStep, finding: StepFinding, *, made: bool = False) -> BootstrapRow:
        missing = MISSING if finding.able else CANNOT
        status = (MADE if made else THERE) if finding.there else missing
        hand = () if finding.there else tuple(step.by_hand)
        return BootstrapRow(step.what, step.where, status, finding.said, step.needed, hand, finding.values)


def bootstrap(choice: Choice, *, check: bool, takers: Takers, passphrase: str = "") -> int:
    """Look, ask, make. Returns 1 when something that a deployment needs is not there. `check`: only look.

    `passphrase`: the ARN of the secret with the stacks' passphrase; empty: none is named.
    """
    if takers != Takers():
        takers.check()
    settings = Environment.load(choice.environment, ROOT)
    place = reach(choice.target, report.tell)
    context = replace(opened(settings, place, choice.target, roles.secret(passphrase)), takers=takers)
    report.tell(
        f"bootstrap in {place.where}, account {context.account}: states in {context.home.region}, the rest in "
        f"{' and '.join(context.serving)}"
    )
    rows = run(context, ask=lambda: go_ahead(place, choice), check=check)
    ready = all(row.status in {THERE, MADE} for row in rows if row.needed)
    variables = {name: value for row in rows for name, value in row.values.items() if name.isupper()}
    if choice.json:
        told = {"account": context.account, "steps": [asdict(row) for row in rows], "variables": variables}
        report.print_json({**told, "ready": ready})
    else:
        _show(rows)
        if variables and ready:
            print("\n" + "\n".join(f"export {name}='{value}'" for name, value in variables.items()))
            print(f"\nNext: ./invoke preview-all{choice.options()}")
    return 0 if ready else 1


def opened(settings: Environment, place: Reach, name: str, passphrase: str = "") -> BootstrapContext:
    """Ask who we are, and work out where the states are to be. Raises Problem. `passphrase`: as `bootstrap` has it."""
    aws, default = Aws(place.variables), settings.regions.witness
    identity = account_id(aws, default)
    told = place.variables if place.asks_first else {}  # in the sandbox they are the sandbox's own
    endpoint = place.variables.get("AWS_ENDPOINT_URL", "")
    has_one = bool(passphrase or secrets_provider.PASSPHRASE_VARIABLES & told.keys())
    home = state.home(identity, default, told, endpoint, passphrase=has_one)

    @functools.cache
    def states(stack: Stack) -> Checkpoint | None:
        in_bucket = state.deployed(context, stack)
        if in_bucket is None and not place.asks_first:
            return target.books(name).backend.checkpoint(stack)
        return in_bucket

    context = BootstrapContext(settings, aws, identity, home, place.asks_first, states, passphrase=passphrase)
    return context


def run(context: BootstrapContext, *, ask: Callable[[], None], check: bool) -> list[BootstrapRow]:
    """Take every step. `ask` raises Problem when nobody says yes; it is not called where nothing is to be made."""
    steps = [step for found in STEPS for step in found(context)]
    looked = [_looked(step.look) for step in steps]
    to_make = [step for step, found in zip(steps, looked, strict=True) if not found.there and found.able]
    if check or not to_make:
        return [BootstrapRow.of(step, found) for step, found in zip(steps, looked, strict=True)]
    for step, found in zip(steps, looked, strict=True):
        if step in to_make:
            report.tell(f"to make: {step.what} ({step.where}): {found.said}")
    ask()
    rows = []
    for step, found in zip(steps, looked, strict=True):
        made = _looked(step.make) if step in to_make else None
        rows.append(BootstrapRow.of(step, made or found, made=made is not None))
        if made:
            report.tell(f"{rows[-1].status}: {step.what} ({step.where})")
    return rows


def _looked(ask: Callable[[], StepFinding]) -> StepFinding:
    """One step that fails takes no other along."""
    try:
        return ask()
    except Problem as problem:
        return cannot(str(problem))


def _show(rows: Sequence[BootstrapRow]) -> None:
    cells = [((row.what, row.status, row.where, row.said), COLOURS[row.status]) for row in rows]
    report.show_rows(("step", "", "where", ""), cells)
    lines = [line for row in rows for line in row.by_hand if row.status == MISSING]
    if lines:
        print("\nBy hand:\n" + "\n".join(f"  {line}" for line in lines))
