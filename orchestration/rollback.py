"""Puts both regions back on the release before: the aliases move, and nothing is deployed.

In an emergency speed counts, and the release before has served already, so both regions go back at once and are tested
afterwards. What each serves, and served before, is kept in the backend (releases.py): nothing of the checkout matters.
Records are written first: what is cut off half-way is completed by the same command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration import releases, report, runs
from orchestration.aws import Aws
from orchestration.baking import Baking
from orchestration.fingerprint import TAG, WITHDRAWN, Fingerprint, release_id
from orchestration.graph import Graph
from orchestration.person import go_ahead
from orchestration.releases import Release, Releases, Serving
from orchestration.smoke import CHECKED_LAYER, SmokeTest
from orchestration.target import choose
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import SECONDARY
from shared.root import ROOT
from shared.stack import Stack

if TYPE_CHECKING:
    from orchestration.choice import Choice
    from orchestration.target import Target

AFTERWARDS = (
    "The sources are those of the release that was taken back: revert or mend them before the next deploy-all, which "
    "refuses to release them again (--force does). Until then drift says that the stacks were rolled back."
)


@dataclass(frozen=True)
class RegionRelease:
    """Where a stack stands."""

    stack: Stack
    region: str
    known: Releases
    withdrawn: bool
    """Whether its last release was taken back already."""
    live: Serving | None = None
    """What AWS says serves; None where it does not answer, as `trouble` says."""
    trouble: str = ""

    @property
    def complete(self) -> bool:
        """Whether what serves is the last complete release: not after an update by hand, or one that was cut off."""
        known = self.known.serving
        return self.live is None or known is None or self.live.aliases == known.serving.aliases

    @property
    def current(self) -> str:
        """The id of the release that serves; empty when that is none that was completed."""
        return self.known.serving.id if self.known.serving and self.complete else ""

    @property
    def back(self) -> Release | None:
        """The release before the one that serves."""
        return self.known.before if self.complete else self.known.serving


def going_back(standings: Sequence[RegionRelease]) -> Mapping[Stack, Release]:
    """Return the stacks that go back, each with the release that it goes back to; none when they have gone already.

    Regions that serve the same release go back together. Where one is a release ahead, as the last one was stopped or
    another region was out, it alone goes back: then both serve the same again. Raises Problem when there is no
    release before, or when the regions have nothing in common.
    """
    if len({standing.current for standing in standings}) == 1:
        if missing := [standing for standing in standings if standing.back is None]:
            if any(standing.withdrawn for standing in standings):
                return {}
            raise Problem(f"{missing[0].stack} has had no release before that is on record: nothing was changed")
        return {standing.stack: standing.back for standing in standings if standing.back}
    one, other = standings
    for ahead, behind in ((one, other), (other, one)):
        if ahead.back and ahead.back.id == behind.current:
            return {ahead.stack: ahead.back}
    raise Problem(
        f"{one.stack} and {other.stack} serve different releases, and neither is the one before the other: "
        "say --region, for one after the other; nothing was changed"
    )


def rollback(choice: Choice) -> int:
    """Put a layer's stacks back on the release before. Returns 1 where a region does not, or does not serve then."""
    settings = Environment.load(choice.environment, ROOT)
    stacks = Graph.of(settings.name).select(choice.layer or CHECKED_LAYER, choice.region or None)
    place = choose(choice.target, settings, report.tell)
    aws = Aws(place.cli.variables)
    with runs.begin(place.state, "rollback", settings.name, place.name, changing=stacks) as run:
        standings = _at_once(stacks, lambda stack: _standing(place, aws, settings, stack))
        going = going_back(standings)
        for standing in standings:
            _announce(standing, going.get(standing.stack), place)
        if going:
            go_ahead(place, choice)
        mover = _Mover(place, aws, settings)
        moves = [(standing, going[standing.stack]) for standing in standings if standing.stack in going]
        results = _at_once(moves, lambda move: mover.move(*move))
        code = int(any(result["failed"] for result in results))
        record = run.finish(results, code)
    if choice.json:
        report.print_json(record)
        return code
    for result in results:
        print(f"{result['stack']}  {result['status']}")
    print(AFTERWARDS if going else "Nothing to do: the last release was taken back already, and there is none before.")
    return code


def _announce(standing: RegionRelease, back: Release | None, place: Target) -> None:
    serves = f"serves {standing.live}" if standing.live else standing.trouble
    whither = f"back to {back.serving}" if back else "stays"
    report.tell(f"{standing.stack} in {standing.region}: {serves}; {whither}")
    if any(place.backend.locks(standing.stack)):
        report.tell(f"an update of {standing.stack} is running: what it releases comes after this")


@dataclass(frozen=True)
class _Mover:
    """Moves the aliases of one environment's stacks."""

    place: Target
    aws: Aws
    settings: Environment

    def move(self, standing: RegionRelease, back: Release) -> dict[str, Any]:
        """Let a stack serve its release of before, and test it. Returns what came of it."""
        told: dict[str, Any] = {"stack": str(standing.stack), "region": standing.region, "to": back.serving.to_json()}
        try:
            remark = self._put_back(standing, back)
        except Problem as problem:
            return {**told, "failed": True, "status": f"not rolled back: {problem}; run this again when it can be"}
        done = "; ".join(filter(None, (f"serves {back.serving} again", remark)))
        if standing.stack.layer != CHECKED_LAYER:
            return {**told, "failed": False, "status": done}
        try:
            SmokeTest(self.place, self.settings).test(standing.stack)
        except Problem as problem:
            return {**told, "failed": True, "status": f"{done}, and fails its smoke test: {problem}"}
        return {**told, "failed": False, "status": f"{done}; smoke test passed"}

    def _put_back(self, standing: RegionRelease, back: Release) -> str:
        if standing.live is None:
            raise Problem(standing.trouble)
        if standing.live.aliases.keys() != back.serving.aliases.keys():
            raise Problem("the release before had other functions, which are gone: deploy its sources")
        backend, stack = self.place.backend, standing.stack
        taken_back = _released(backend.tags(stack).get(TAG, ""))
        standing.known.back_on(back.serving, rolled_back=taken_back).write(backend, stack)
        backend.tag(stack, TAG, WITHDRAWN)
        return releases.put_back(self.aws, standing.region, back.serving, standing.live)


def _standing(place: Target, aws: Aws, settings: Environment, stack: Stack) -> RegionRelease:
    """Say where a stack stands. A region that does not answer is said by what is on record."""
    region = settings.region(stack.role or SECONDARY)  # edge has its one function with an alias in the secondary
    known = Releases.read(place.backend, stack)
    withdrawn = place.backend.tags(stack).get(TAG) == WITHDRAWN
    serving = Serving.of(place.backend.checkpoint(stack))
    if not serving.aliases:
        raise Problem(f"{stack} has no function in {place.where} that could be put back: nothing was changed")
    try:
        return RegionRelease(stack, region, known, withdrawn, releases.live(aws, region, serving))
    except Problem as problem:
        return RegionRelease(stack, region, known, withdrawn, trouble=str(problem))


def _released(tag: str) -> str:
    """Return the id of the release that a stack was given last, if its tag says it."""
    if newest := Fingerprint.from_tag(tag):
        return release_id(newest.parts)
    baking = Baking.from_tag(tag)
    return baking.release if baking else ""


def _at_once(items: Sequence[Any], work: Any) -> list[Any]:
    with ThreadPoolExecutor(max(len(items), 1)) as threads:
        return list(threads.map(work, items))
