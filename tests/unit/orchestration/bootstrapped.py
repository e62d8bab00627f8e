"""What the bootstrap is run with in tests: settings of an own domain, and who may take the teams' roles on."""

from __future__ import annotations

from orchestration.teams.roles import Takers
from shared.environment import Environment
from tests.doubles.new_account import ACCOUNT

SETTINGS = Environment.load("payments")
TRADING = Environment.load("trading")
OWN = SETTINGS.model_copy(
    update={
        "domain": "pay.acme.net",
        "runbooks": "https://acme.net/runbooks/",
        "compute": SETTINGS.compute.model_copy(
            update={
                "processor": SETTINGS.compute.processor.model_copy(
                    update={"primary": "a.acme.net", "secondary": "b.acme.net"}
                )
            }
        ),
    }
)
BUCKET = f"pulumi-state-{ACCOUNT}-us-west-2"
"""Of the states, where no variable names another."""
SECRET = f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:passphrase-AbCdEf"
"""With the stacks' passphrase."""
NOBODY = Takers()
WORKFLOWS = Takers("payments-org@1/payments@2")
PEOPLE = Takers(people=("role/operators",))
NETWORK = "payment-team-network-x7k2"
"""The role of the team that has the layer network."""
