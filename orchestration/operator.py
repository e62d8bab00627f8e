"""Who moves clients: the role that edge owns, taken on in the secondary with what the environment file says.

Neither a stack's state nor the primary is asked. Whoever may not take it on goes on as who they are, and is told so: at
an outage the write counts, and AWS decides whether it is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestration.aws import Aws, asked, error_code, identity
from orchestration.person import user
from orchestration.questions import Unanswered, first_answer
from shared import naming
from shared.errors import Problem
from shared.roles import PRIMARY, SECONDARY, Role

if TYPE_CHECKING:
    from orchestration.reach import Reach
    from shared.environment import Environment

SESSION_SECONDS = 3600
"""As long as the role allows (projects/edge/operations.py)."""
LONGEST_SESSION_NAME = 64
"""Characters (STS API Reference, AssumeRole, RoleSessionName)."""


@dataclass(frozen=True)
class Acting:
    """Clients of the one that acts, the account, and its ARN (without the session)."""

    aws: Aws
    account: str
    """Empty where no STS has told it."""
    arn: str
    under_the_role: bool


def as_oneself(place: Reach) -> Aws:
    """Clients of whoever asks, without the role."""
    return Aws({**place.variables, **place.operator})


def act(environment: Environment, place: Reach, tell: Callable[[str], None], role: Role = SECONDARY) -> Acting:
    """Take the operations role on by the secondary's STS, or another region's. Raises Problem when STS cannot be asked.

    What STS gives in one region holds in all of them.
    """
    region = environment.region(role)
    own = as_oneself(place)
    sts = own.client("sts", region)
    who = identity(own, region)
    account = str(who["Account"])
    arn = f"arn:aws:iam::{account}:role/{environment.foundation().names.of(naming.OPERATIONS_ROLE)}"
    try:
        answer = asked(
            lambda: sts.assume_role(
                RoleArn=arn,
                RoleSessionName=session_name(),
                ExternalId=environment.edge.operations.external_id,
                DurationSeconds=SESSION_SECONDS,
            ),
            f"take on the role {arn}",
            region,
        )
    except Problem as problem:
        if error_code(problem) != "AccessDenied":
            raise
        tell(f"{who['Arn']} may not take on {arn} (edge.operations.operators says who may): going on without it")
        return Acting(own, account, str(who["Arn"]), under_the_role=False)
    return Acting(Aws({**place.variables, **_variables(answer["Credentials"])}), account, arn, under_the_role=True)


def act_by_either(
    environment: Environment, place: Reach, tell: Callable[[str], None], patience: float, deadline: float
) -> Acting | Unanswered:
    """As `act`, by the primary's STS where the secondary's has failed, or has not answered for `patience` seconds."""
    told: set[str] = set()

    def once(line: str) -> None:
        if line not in told:
            told.add(line)
            tell(line)

    asks = [partial(act, environment, place, once, role) for role in (SECONDARY, PRIMARY)]
    return first_answer(asks, patience, deadline)


def session_name() -> str:
    """Who it is, as far as this machine knows: CloudTrail keeps it beside everything that is done."""
    return re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", user())[:LONGEST_SESSION_NAME].rjust(2, "-")


def _variables(credentials: Any) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": str(credentials["AccessKeyId"]),
        "AWS_SECRET_ACCESS_KEY": str(credentials["SecretAccessKey"]),
        "AWS_SESSION_TOKEN": str(credentials["SessionToken"]),
    }
