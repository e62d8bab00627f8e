"""What a deployment may not do: release what was taken back, or give the primary what was not watched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestration.fingerprint import Fingerprints, release_id
from orchestration.plan import Freshness, Judgement, Operation, Plan
from orchestration.releases import Releases
from shared.errors import Problem
from shared.roles import PRIMARY
from shared.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.graph import Graph


def admitted(
    plan: Plan,
    fingerprints: Fingerprints,
    covers: Callable[[Stack], bool],
    graph: Graph,
    *,
    force: bool,
    bake: float | None,
) -> Plan:
    """Return a plan as it may be carried out, or raise Problem. `covers`: whether a stack's releases are watched."""
    if plan.operation is not Operation.DEPLOY:
        return plan
    if not force:
        require_other_sources(plan, fingerprints)
    return with_bake(plan, fingerprints, covers, graph, bake)


def require_other_sources(plan: Plan, fingerprints: Fingerprints) -> None:
    """Raise Problem when a run would release just what somebody has rolled back."""
    for step in plan.steps:
        if step.fresh or not fingerprints.withdrawn(step.stack):
            continue
        taken_back = Releases.read(fingerprints.backend, step.stack).rolled_back
        if taken_back and taken_back == release_id(fingerprints.parts(step.stack)):
            raise Problem(
                f"{step.stack} was rolled back from just these sources, and this would release them again: revert or "
                "mend them (--force releases them all the same); nothing was changed"
            )


def with_bake(
    plan: Plan, fingerprints: Fingerprints, covers: Callable[[Stack], bool], graph: Graph, bake: float | None
) -> Plan:
    """Return the plan in which no primary gets a release that was watched for less than `bake` minutes.

    A secondary that is fresh, and was not watched for so long, is watched first. Raises Problem where a bake is asked
    for and nothing of the plan is watched, or where the secondary that is to be watched has no part in it.
    """
    steps = {step.stack: step for step in plan.steps}
    checked = [stack for stack in graph.stacks if covers(stack)]
    pairs = [(stack, Stack(stack.layer, stack.environment, PRIMARY)) for stack in checked]
    if bake and not any(stack in steps for pair in pairs for stack in pair):
        layers = ", ".join(stack.layer for stack in checked)
        raise Problem(f"--bake watches a release of {layers}, which is not deployed by this: leave it out")
    for secondary, primary in pairs:
        if primary not in steps or steps[primary].fresh:
            continue
        unfinished = fingerprints.baking(secondary)
        wanted = bake if bake is not None else unfinished.minutes if unfinished else 0
        known = fingerprints.known(secondary)
        if not wanted or (known and known.baked >= wanted):
            continue
        if secondary not in steps:
            raise Problem(
                f"{secondary} was not watched for {wanted:g} min, and {primary} would get its release: leave out "
                "--region, or say --bake 0; nothing was changed"
            )
        if steps[secondary].judgement.freshness in {Freshness.FRESH, Freshness.FORCED}:
            why = Judgement(Freshness.UNBAKED, f"its release was not watched for {wanted:g} min")
            steps[secondary] = replace(steps[secondary], judgement=why)
            steps[primary] = replace(steps[primary], after=steps[primary].after | {secondary})
    return replace(plan, steps=tuple(steps.values()))


def will_bake(plan: Plan, fingerprints: Fingerprints, bake: float | None) -> bool:
    """Whether a run may wait for long between two of its steps."""
    return bool(bake) or any(fingerprints.baking(step.stack) for step in plan.steps if not step.fresh)
