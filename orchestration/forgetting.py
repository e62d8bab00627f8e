"""Lets stacks forget what is in a region that is gone for good: what does not answer can be neither read nor deleted.

What is left is destroyed as ever, by `destroy-all`. Whatever is the account's and not a region's (IAM, Route 53) goes
through the region that is left from then on. The name of the clients stays, with its zone: a new home has taken it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration import door, recovery, report, runs
from orchestration.aws import Aws
from orchestration.fingerprint import CUT, TAG
from orchestration.graph import Graph
from orchestration.person import go_ahead
from orchestration.questions import Question, Row, answered
from orchestration.target import choose
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import ROLES, other
from shared.root import ROOT

if TYPE_CHECKING:
    from orchestration.choice import Choice
    from orchestration.target import Target
    from shared.stack import Stack

ASKED: Final[Mapping[str, str]] = {
    "sts": "get_caller_identity",
    "dynamodb": "list_tables",
    "lambda": "list_functions",
    "s3": "list_buckets",
}
"""By service an operation that only reads. Whatever is answered counts, a refusal too: somebody is there."""
WITHIN: Final = 20.0
"""Seconds in which a region that is there answers."""
ROUNDS: Final = 3
PAUSE: Final = 60.0
"""Seconds between rounds: what is over sooner is no region that is gone."""
PROVIDER: Final = "pulumi:providers:aws"
OF_THE_ACCOUNT: Final = ("aws:iam/", "aws:route53/")
"""Types of resources that are in no region."""
ZONE, RECORD = "aws:route53/zone:Zone", "aws:route53/record:Record"

State = Mapping[str, Any]
"""A resource, as `pulumi stack export` says it."""


@dataclass(frozen=True)
class Forgotten:
    """A stack's deployment without what is in the lost region, and what was taken out of it."""

    deployment: Mapping[str, Any]
    resources: Sequence[State]


def forget(choice: Choice) -> int:
    """Let an environment's stacks forget a region; print what that was. Raises Problem while the region answers."""
    settings = Environment.load(choice.environment, ROOT)
    role = next((each for each in ROLES if each == choice.region), None)
    if role is None:
        raise Problem("forget: say which --region is gone for good, primary or secondary")
    lost, left = settings.region(role), settings.region(other(role))
    place = choose(choice.target, settings, report.tell)
    graph = Graph.of(settings.name)
    door.require_open(place.backend, settings, graph.stacks, options=choice.options())
    _require_gone(place, lost, left)
    go_ahead(
        place, choice, f"the stacks of {settings.name} in {place.where} forget all that is in {lost}, which stays there"
    )
    with runs.begin(place.state, "forget", settings.name, place.name, changing=graph.stacks) as run:
        recovery.clear(place, graph.stacks, report.tell)
        kept = place.state / "forgotten" / run.id
        kept.mkdir(parents=True)
        loss = Loss(lost, left, settings.foundation().failover_name)
        found = {stack: _forget(place, stack, loss, kept) for stack in graph.stacks}
        rows = [
            {"stack": str(stack), "type": each["type"], "id": str(each.get("id", ""))}
            for stack, resources in found.items()
            for each in resources
        ]
        run.finish(rows, 0)
    if choice.json:
        report.print_json({"region": lost, "forgotten": rows, "states": str(kept)})
    else:
        for stack, resources in found.items():
            counts = Counter(each["type"].partition("/")[0] for each in resources)
            print(f"{stack}: {', '.join(f'{number} {kind}' for kind, number in sorted(counts.items())) or 'nothing'}")
        print(f"The states as they were, by which all of it can be found: {kept}")
        print(f"Next: ./invoke destroy-all{choice.options()}, when nobody needs its data any more")
    return 0


def _require_gone(place: Target, lost: str, left: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Raise Problem while anything in a region answers, or where nothing is known of it; say what was asked.

    One call may fail for many a reason that is this machine's: an endpoint, a proxy, a right, a moment. So several
    services are asked, again and again, and those of the other region as well: who cannot reach that knows nothing.
    """
    aws = Aws(place.cli.variables)
    for number in range(ROUNDS):
        if number and place.asks_first:  # in the sandbox a region is out by a fault, and by no moment
            sleep(PAUSE)
        there, here = _ask_all(aws, lost), _ask_all(aws, left)
        if found := [row for row in there if row.known]:
            raise Problem(
                f"{lost} answers ({_told(found)}): nothing has to be forgotten, as destroy-all can take it away; "
                "nothing was changed"
            )
        if not any(row.known for row in here):
            raise Problem(
                f"nothing is known of {lost}, as {left} does not answer either ({_told(here)}): see to the network and "
                "the credentials of this machine; nothing was changed"
            )
        report.tell(f"{lost} does not answer ({_told(there)}), {left} does")


def _ask_all(aws: Aws, region: str) -> Sequence[Row]:
    questions = [Question(service, region, partial(_asked, aws, service, region)) for service in ASKED]
    return answered(questions, WITHIN)


def _asked(aws: Aws, service: str, region: str) -> str:
    """What a service says; raises what says that it says nothing."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - the SDK takes a fifth of a second

    try:
        getattr(aws.client(service, region), ASKED[service])()
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Code", "an error"))
    return "at work"


def _told(rows: Sequence[Row]) -> str:
    return "; ".join(f"{row.what}: {row.said}" for row in rows)


@dataclass(frozen=True)
class Loss:
    """What is lost: all in one region. And the clients' name, which is another's from now on."""

    lost: str
    left: str
    """The AWS region that is not."""
    name: str


def _forget(place: Target, stack: Stack, loss: Loss, kept: Path) -> Sequence[State]:
    """Write the stack's state without what is lost, and keep the one before. Returns what was taken out.

    No stack is fresh then, as half of what its sources ask for is in no state.
    """
    if place.backend.checkpoint(stack) is None:
        return ()
    gone: list[State] = []

    def edit(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
        found = without(deployment, loss)
        gone.extend(found.resources)
        return found.deployment

    place.backend.tag(stack, TAG, CUT)
    place.cli.edit_state(stack, edit, kept / f"{stack.label}.json")
    return gone


def without(deployment: Mapping[str, Any], loss: Loss) -> Forgotten:
    """What a deployment is without what is lost.

    Nothing of what stays may name what goes: the engine refuses a state with such a reference.
    """
    resources = deployment.get("resources") or []
    there = {each["urn"] for each in resources if each["type"] == PROVIDER and _region(each) == loss.lost}
    going = [each for each in resources if _is_lost(each, there, loss.lost) or _is_the_name(each, loss.name)]
    gone = {each["urn"] for each in going}
    staying = [_moved(_cut(each, gone), loss) for each in resources if each["urn"] not in gone]
    return Forgotten({**deployment, "resources": staying, "pending_operations": None}, going)


def _is_lost(resource: State, providers: Collection[str], lost: str) -> bool:
    if (
        not resource["type"].startswith("aws:")
        or not resource.get("custom")
        or resource["type"].startswith(OF_THE_ACCOUNT)
    ):
        return False
    region = _region(resource)
    return region == lost if region else _provider(resource) in providers


def _is_the_name(resource: State, name: str) -> bool:
    """Whether it is the zone, its delegation, or a record of the clients' name or of what proves that name."""
    if resource["type"] == ZONE:
        return True
    told = resource.get("outputs") or {}
    record = str(told.get("fqdn") or told.get("name") or "")
    return resource["type"] == RECORD and (record == name or record.endswith(f".{name}") or told.get("type") == "NS")


def _cut(resource: State, gone: Collection[str]) -> dict[str, Any]:
    """A resource that depends on nothing that goes."""
    kept = {**resource}
    if "dependencies" in kept:
        kept["dependencies"] = [each for each in kept["dependencies"] or () if each not in gone]
    if kept.get("propertyDependencies"):
        kept["propertyDependencies"] = {
            name: [each for each in urns or () if each not in gone]
            for name, urns in kept["propertyDependencies"].items()
        }
    if kept.get("deletedWith") in gone:
        del kept["deletedWith"]
    return kept


def _moved(resource: dict[str, Any], loss: Loss) -> dict[str, Any]:
    """The provider of the lost region asks the one that is left: for what is the account's."""
    if resource["type"] != PROVIDER or _region(resource) != loss.lost:
        return resource
    told = ("inputs", "outputs")
    return {**resource, **{part: {**resource[part], "region": loss.left} for part in told if resource.get(part)}}


def _region(resource: State) -> str:
    return str((resource.get("outputs") or {}).get("region") or (resource.get("inputs") or {}).get("region") or "")


def _provider(resource: State) -> str:
    """The URN of a resource's provider, which is named as `urn::id`."""
    return str(resource.get("provider", "")).rpartition("::")[0]
