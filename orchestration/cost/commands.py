"""What the task calls."""

from __future__ import annotations

from orchestration import report
from orchestration.choice import Choice
from orchestration.cost import shown
from orchestration.cost.inventory import inventory
from orchestration.cost.load import Load
from orchestration.cost.month import Month
from shared.environment import Environment
from shared.root import ROOT


def month_of(environment: Environment, load: Load) -> Month:
    """A month of an environment as it is declared. Raises Problem when it does not let the load in."""
    load.check(environment)
    return Month(environment, inventory(environment), load)


def cost(choice: Choice, payments_per_second: float) -> int:
    """Print what a month costs, and what each setting costs and gains. Asks nobody."""
    found = shown.values(month_of(Environment.load(choice.environment, ROOT), Load(payments_per_second)))
    if choice.json:
        report.print_json(found)
    else:
        print("\n".join(shown.lines(found)))
    return 0
