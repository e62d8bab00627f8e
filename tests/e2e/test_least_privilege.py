"""Each grant is used: taken away alone it makes its role fail, or AWS itself uses it, as the documentation lists."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from sandbox.layout import Layout
from sandbox.variables import CREDENTIALS
from shared import naming
from shared.environment import Environment
from shared.root import ROOT
from tests.e2e.duties import Duties, Undone
from tests.e2e.grants import Roles

if TYPE_CHECKING:
    from tests.e2e.conftest import Checkout
    from tests.e2e.grants import Grant

pytestmark = pytest.mark.xdist_group("spare")

DOCUMENT = ROOT / "docs" / "least-privilege.md"
SAMPLE = 6
"""Grants that each run takes away; `prove` takes them all."""
TRIES = 3
"""A machine under load may fail a duty: only what says that it was refused is believed at once."""
REFUSED = "AccessDenied|not authorized"
_PAGE = r"\[[^]]+\]\(https://docs\.aws\.amazon\.com/[^)]+\)"
_ROW = re.compile(rf"\| (?P<roles>[^|]+) \| (?P<grants>[^|]+) \| [^|]+ \| {_PAGE} \|")


@dataclass
class System:
    roles: Roles
    duties: Duties

    def grants(self) -> list[Grant]:
        return [grant for role in self.roles.names() for grant in self.roles.grants(role)]

    def unused(self, grant: Grant) -> bool:
        """Whether the role does all that it is there for without the grant."""
        duty = self.duties.of(grant.role)
        assert duty is not None, f"{grant}: nobody does anything with this role, and AWS's table does not have it"
        with self.roles.without(grant):
            return done(duty, silent=grant.role in self.silent)

    @property
    def silent(self) -> set[str]:
        """Roles whose function writes down nothing of a refusal: health says of any failure that it cannot serve."""
        kinds = self.duties.kinds()
        return {role for role, purpose in kinds.items() if purpose == naming.HEALTH_FUNCTION.purpose}


def done(duty, *, silent: bool = False) -> bool:
    """Whether a duty is done, or something of it refused. Fails for one that is left undone for another reason."""
    for _ in range(TRIES):
        try:
            duty()
        except Undone as undone:
            last = str(undone)
            if re.search(REFUSED, last):
                return False
        else:
            return True
    assert silent, f"undone {TRIES} times, and nothing was refused: {last}"
    return False


def used_by_aws() -> dict[str, set[str]]:
    """What the documentation's table lists: actions, or policies of AWS, by the role's purpose."""
    found = defaultdict(set)
    for row in filter(None, map(_ROW.fullmatch, DOCUMENT.read_text(encoding="utf-8").splitlines())):
        for role in re.findall("`([^`]+)`", row["roles"]):
            found[role] |= set(re.findall("`([^`]+)`", row["grants"]))
    return dict(found)


def of_aws(system, grant) -> bool:
    return grant.action in used_by_aws().get(system.duties.kinds()[grant.role], ())


@pytest.fixture(scope="module")
def system(spare: Checkout) -> System:
    """A deployed sandbox in which nothing runs by itself."""
    told = spare.ok("sandbox.status", "--json").json
    environment = Environment.load("payments", spare.root)
    credentials = {name.lower(): value for name, value in CREDENTIALS.items()}

    made = {}

    def client(service, region):
        if (service, region) not in made:
            made[service, region] = boto3.client(
                service,
                region_name=region,
                endpoint_url=told["endpoint"],
                config=Config(read_timeout=120, retries={"max_attempts": 0}),
                **credentials,
            )
        return made[service, region]

    account = client("sts", "us-east-1").get_caller_identity()["Account"]
    duties = Duties(environment, client, account, Layout(spare.root).clock, told["gateways"])
    duties.quiet()
    return System(Roles(client("iam", "us-east-1"), environment.suffix), duties)


def test_each_role_does_what_it_is_there_for(system):
    duties = {role: duty for role in system.roles.names() if (duty := system.duties.of(role)) is not None}
    assert [role for role, duty in duties.items() if not done(duty)] == []


def test_aws_uses_what_the_table_lists_and_the_table_lists_nothing_that_no_role_has(system):
    has = defaultdict(set)
    for grant in system.grants():
        has[system.duties.kinds()[grant.role]].add(grant.action)
    listed = used_by_aws()
    assert listed
    assert {role: actions - has[role] for role, actions in listed.items() if actions - has[role]} == {}
    nobodys = {grant.role for grant in system.grants() if system.duties.of(grant.role) is None}
    left = [str(each) for each in system.grants() if each.role in nobodys and not of_aws(system, each)]
    assert left == [], "of roles that only AWS takes on each grant must be in the table, with AWS's page"


def check(system, grants):
    unused = [str(grant) for grant in grants if system.unused(grant)]
    assert unused == [], "take it out of the program, or list in docs/least-privilege.md which part of AWS uses it"


def ours(system):
    return [grant for grant in system.grants() if not of_aws(system, grant)]


def test_a_sample_of_the_grants_is_used(system):
    found = ours(system)
    check(system, random.Random("grants").sample(found, SAMPLE))


@pytest.mark.prove
def test_every_grant_is_used(system):
    check(system, ours(system))


def test_a_grant_that_nothing_uses_is_seen(system):
    (role,) = [each for each in system.roles.names() if "health-primary" in each]
    table = next(grant.resource for grant in system.roles.grants(role) if grant.action == "dynamodb:GetItem")
    with system.roles.allowed(role, "dynamodb:Scan", table) as planted:
        assert planted in ours(system)
        with pytest.raises(AssertionError, match="dynamodb:Scan"):
            check(system, [planted])
