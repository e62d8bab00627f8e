"""Between the regions: does the release that the secondary just got serve? If not, back to what served before.

A REST API is asked by its own execute-api name, and where a load balancer has no listener yet its functions are called
themselves: the environment's names come with a later layer.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestration.api import ApiResponse, Entry, entry, merchant
from orchestration.aws import Aws, asked
from orchestration.invoking import Invoked
from orchestration.target import published
from shared.clients import CANARY
from shared.errors import Problem
from shared.roles import SECONDARY
from shared.stack import Stack

if TYPE_CHECKING:
    from orchestration.target import Target
    from shared.environment import Environment

CHECKED_LAYER = "compute"
ATTEMPTS = 10
PAUSE = 0.5
"""Seconds between attempts."""
NEW_STAGE_SECONDS = 60
"""For so long a stage that was just made may answer as if it were not there: API Gateway spreads it by and by."""
NOT_THERE_YET = frozenset({403, 404})
PAYMENT = {"amount": 1, "currency": "USD", "customerId": "smoke-test"}
ALIAS, STAGE = "aws:lambda/alias:Alias", "aws:apigateway/stage:Stage"


@dataclass(frozen=True)
class Serving:
    """What a stack's entry point ran before an update: a version for each alias, a deployment for each stage."""

    aliases: Mapping[tuple[str, str], str]
    """By function and alias."""
    stages: Mapping[tuple[str, str], str]
    """By REST API and stage."""


class SmokeTest:
    """Health, and a payment by the canary client, on a release that its region has just got."""

    def __init__(self, target: Target, environment: Environment) -> None:
        self._target = target
        self._environment = environment
        self._aws = Aws(target.cli.variables)

    def covers(self, stack: Stack) -> bool:
        return stack.layer == CHECKED_LAYER and stack.role == SECONDARY

    def before(self, stack: Stack, *, verified: bool) -> Serving:
        """Return what serves now: what the state says if the last release was verified, else what AWS says."""
        checkpoint = self._target.backend.checkpoint(stack)
        resources = checkpoint.resources if checkpoint else ()
        found = [(resource["type"], resource["outputs"]) for resource in resources if resource.get("outputs")]
        aliases = {(o["functionName"], o["name"]): o["functionVersion"] for kind, o in found if kind == ALIAS}
        stages = {(o["restApi"], o["stageName"]): o["deployment"] for kind, o in found if kind == STAGE}
        serving = Serving(aliases, stages)
        recorded = verified or serving == Serving({}, {})  # nothing was released: there is nothing to ask AWS about
        return serving if recorded else self._live(serving, self._region(stack))

    def after(self, stack: Stack, before: Serving) -> str:
        """Test the release. Raises Problem when it does not serve, after putting back what did."""
        try:
            self._test(stack, new=not before.stages)
        except Problem as problem:
            raise Problem(f"smoke test: {problem}; {self._restore(before, self._region(stack))}") from problem
        return "smoke test passed"

    def _test(self, stack: Stack, *, new: bool) -> None:
        region = self._region(stack)
        arns = published(self._target, Stack("data", stack.environment), "api_keys_secret_arns")
        secret = self._aws.secret(arns[stack.role], region)
        canary = merchant(CANARY, self._entry(stack, region), secret)
        key = f"smoke-{secrets.token_hex(8)}"
        # The sandbox has no stages that come by and by: there, what is refused is wrong.
        patience = NEW_STAGE_SECONDS if new and not self._target.gateways else 0
        asks = (
            (200, canary.health, "GET /health", patience),
            (201, lambda: canary.pay(PAYMENT, key), "POST /payment", patience),
        )
        with ThreadPoolExecutor(len(asks)) as threads:  # both start cold: at once they take half the time
            list(threads.map(lambda ask: _expect(*ask), asks))

    def _entry(self, stack: Stack, region: str) -> Entry:
        if self._environment.entry_point == "rest-api":
            address = urlsplit(published(self._target, stack, "rest_api")["endpoint"])
            return entry(self._target.gateways, region, address.netloc, address.path)
        aliases = {
            "payment": published(self._target, stack, "payment_alias_arn"),
            "health": published(self._target, stack, "health_alias_arn"),
        }
        return Invoked(self._aws, region, aliases, self._environment.foundation().region_names.of(SECONDARY))

    def _live(self, known: Serving, region: str) -> Serving:
        lambdas, gateway = self._aws.client("lambda", region), self._aws.client("apigateway", region)

        def version(function: str, alias: str) -> str:
            return str(lambdas.get_alias(FunctionName=function, Name=alias)["FunctionVersion"])

        def deployment(api: str, stage: str) -> str:
            return str(gateway.get_stage(restApiId=api, stageName=stage)["deploymentId"])

        return asked(
            lambda: Serving(
                {which: version(*which) for which in known.aliases},
                {which: deployment(*which) for which in known.stages},
            ),
            "look up what serves",
            region,
        )

    def _restore(self, before: Serving, region: str) -> str:
        """Put back what served; return what came of it, in a few words."""
        if not before.aliases:
            return "it is the first release, so nothing served before"
        now = self._live(before, region)
        if now == before:
            return f"{region} had this release before already"
        lambdas, gateway = self._aws.client("lambda", region), self._aws.client("apigateway", region)

        def put_back() -> None:
            for (function, alias), version in before.aliases.items():
                if now.aliases[function, alias] != version:
                    lambdas.update_alias(FunctionName=function, Name=alias, FunctionVersion=version)
            for (api, stage), deployment in before.stages.items():
                if now.stages[api, stage] != deployment:
                    patch = [{"op": "replace", "path": "/deploymentId", "value": deployment}]
                    gateway.update_stage(restApiId=api, stageName=stage, patchOperations=patch)

        asked(put_back, "put back the release that served before", region)
        return f"{region} serves the release before again"

    def _region(self, stack: Stack) -> str:
        return self._environment.region(stack.role or SECONDARY)


def _expect(status: int, ask: Callable[[], ApiResponse], what: str, patience: float) -> None:
    """Ask until the status is the expected one. Raises Problem when the last answer still is another.

    A cold start may take longer than the health route's time-out of a second; a client would ask again too. For
    `patience` seconds a stage may not be there yet; that costs none of the attempts.
    """
    until = time.monotonic() + patience
    attempts = 0
    while True:
        answer = ask()
        if answer.status == status:
            return
        if answer.status not in NOT_THERE_YET or time.monotonic() >= until:
            attempts += 1
            if answer.status < 500 or attempts == ATTEMPTS:
                raise Problem(f"{what} answered {answer.describe()}, not {status}")
        time.sleep(PAUSE)
