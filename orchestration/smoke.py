"""Between the regions: does the release that the secondary just got serve? If not, back to what served before.

A REST API is asked by its own execute-api name, and where a load balancer has no listener yet its functions are called
themselves: the environment's names come with a later layer.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestration import releases, report
from orchestration.api import ApiResponse, Entry, Merchant, entry, merchant
from orchestration.aws import Aws
from orchestration.baking import BakeWatch, watched
from orchestration.fingerprint import update_id
from orchestration.invoking import Invoked
from orchestration.releases import Releases, Serving
from orchestration.target import published
from shared.clients import CANARY, REPLAYED
from shared.errors import Problem
from shared.roles import SECONDARY, Role
from shared.stack import Stack

if TYPE_CHECKING:
    import threading

    from orchestration.baking import Baking
    from orchestration.target import Target
    from shared.environment import Environment

CHECKED_LAYER = "compute"
ATTEMPTS = 10
WARM_ATTEMPTS = 2
"""Of a release that has served: an answer may be lost once, and the alarms count those that are."""
PAUSE = 0.5
"""Seconds between attempts."""
NEW_STAGE_SECONDS = 60
"""For so long a stage that was just made may answer as if it were not there: API Gateway spreads it by and by."""
NOT_THERE_YET = frozenset({403, 404})
REFRESH = "refresh"
"""A kind of entry in the history: it releases nothing, whoever made it."""
PAYMENT = {"amount": 1, "currency": "USD", "customerId": "smoke-test"}


def checked(stack: Stack) -> bool:
    """Whether a release of this stack must serve, and stand its bake, before the next region gets it."""
    return stack.layer == CHECKED_LAYER and stack.role == SECONDARY


class SmokeTest:
    """Health, and a payment by the canary client, on a release that its region has just got."""

    def __init__(self, target: Target, environment: Environment) -> None:
        self._target = target
        self._environment = environment
        self._aws = Aws(target.cli.variables)

    def covers(self, stack: Stack) -> bool:
        return checked(stack)

    def before(self, stack: Stack, *, verified: bool) -> Serving:
        """Return what a release that fails is put back to: what serves, if that was checked, or the last that was.

        What serves is what the state says, if its last update was verified and nothing has begun since. If one of ours
        did not come to its end, the last complete release counts, whatever compared the state with AWS after it. After
        an update by hand AWS is asked.
        """
        backend = self._target.backend
        serving = Serving.of(backend.checkpoint(stack))
        if serving == Serving({}, {}):  # nothing was released: there is nothing to ask AWS about
            return serving
        if verified and not releases.begun(backend, stack):
            return serving
        known, newest = Releases.read(backend, stack).serving, backend.newest_update(stack)
        if known and newest and (update_id(newest.message) or newest.kind == REFRESH):
            return known.serving
        return releases.live(self._aws, self._region(stack), serving)

    def after(self, stack: Stack, before: Serving) -> str:
        """Test the release. Raises Problem when it does not serve, after putting back what did."""
        try:
            self.test(stack, new=not before.stages)
        except Problem as problem:
            raise Problem(f"smoke test: {problem}; {self._restore(stack, before)}") from problem
        return "smoke test passed"

    def bake(self, stack: Stack, baking: Baking, stop: threading.Event) -> str:
        """Watch the release for a while. Raises Problem when it does not stand that, after putting back what served."""
        if not baking.before.aliases:
            return "not baked: it is the first release"
        region = self._region(stack)
        pay = lambda: self.test(stack, attempts=WARM_ATTEMPTS)  # noqa: E731
        alarms = watched(self._target.backend, stack)
        watch = BakeWatch(self._aws, region, alarms, pay, self._target.now, report.tell)
        try:
            return watch.watch(baking, stop)
        except Problem as problem:
            raise Problem(f"bake: {problem}; {self._restore(stack, baking.before)}") from problem

    def test(self, stack: Stack, *, new: bool = False, attempts: int = ATTEMPTS) -> None:
        """Ask a region for its health, and pay. Raises Problem for what a client could not live with.

        `new`: its stage may not be there yet.
        """
        region = self._region(stack)
        arns = published(self._target, Stack("data", stack.environment), "api_keys_secret_arns")
        secret = self._aws.secret(arns[self._role(stack)], region)
        canary = merchant(CANARY, self._entry(stack, region), secret)
        # The sandbox has no stages that come by and by: there, what is refused is wrong.
        patience = NEW_STAGE_SECONDS if new and not self._target.gateways else 0
        asking = _Asking(canary, attempts, patience)
        with ThreadPoolExecutor(2) as threads:  # both start cold: at once they take half the time
            for done in [threads.submit(asking.health), threads.submit(asking.payment)]:
                done.result()

    def _entry(self, stack: Stack, region: str) -> Entry:
        if self._environment.entry_point == "rest-api":
            address = urlsplit(published(self._target, stack, "rest_api")["endpoint"])
            return entry(self._target.gateways, region, address.netloc, address.path)
        aliases = {
            "payment": published(self._target, stack, "payment_alias_arn"),
            "health": published(self._target, stack, "health_alias_arn"),
        }
        return Invoked(self._aws, region, aliases, self._environment.foundation().region_names.of(self._role(stack)))

    def _restore(self, stack: Stack, before: Serving) -> str:
        """Put back what served; return what came of it, in a few words."""
        if not before.aliases:
            return "it is the first release, so nothing served before"
        region = self._region(stack)
        now = releases.live(self._aws, region, before)
        if now == before:
            return f"{region} had this release before already"
        remark = releases.put_back(self._aws, region, before, now)
        Releases.read(self._target.backend, stack).back_on(before).write(self._target.backend, stack)
        return " ".join(filter(None, (f"{region} serves the release before again", remark)))

    def _role(self, stack: Stack) -> Role:
        return stack.role or SECONDARY

    def _region(self, stack: Stack) -> str:
        return self._environment.region(self._role(stack))


class _Asking:
    """What is asked of a region, each until it is answered as it should be."""

    def __init__(self, canary: Merchant, attempts: int, patience: float) -> None:
        self._canary, self._attempts, self._patience = canary, attempts, patience

    def health(self) -> None:
        answer = self._expect(200, self._canary.health, "GET /health")
        _same("GET /health", answer, {"status": "pass"})

    def payment(self) -> None:
        """A payment is the one that was wished for, its repetition is the same, and so is what is read back."""
        key = f"smoke-{secrets.token_hex(8)}"
        what, paying = "POST /payment", lambda: self._canary.pay(PAYMENT, key)
        paid = self._expect(201, paying, what)
        _same(what, paid, {**PAYMENT, "status": "paid"})
        again = self._expect(201, paying, f"{what} again")
        _same(f"{what} again", again, paid.body)
        # Asked again after an answer that was lost, the first one that came was a repetition already.
        if again.headers.get(REPLAYED.lower()) != "true":
            raise Problem(f"{what} again was not answered as a repetition")
        payment_id = paid.body.get("paymentId")
        read = self._expect(200, lambda: self._canary.payment(str(payment_id)), "GET /payment")
        _same("GET /payment", read, paid.body)

    def _expect(self, status: int, ask: Callable[[], ApiResponse], what: str) -> ApiResponse:
        """Ask until the status is the expected one. Raises Problem when the last answer still is another.

        A cold start may take longer than the health route's time-out of a second; a client would ask again too. For
        `patience` seconds a stage may not be there yet; that costs none of the attempts.
        """
        until = time.monotonic() + self._patience
        attempts = 0
        while True:
            answer = ask()
            if answer.status == status:
                return answer
            if answer.status not in NOT_THERE_YET or time.monotonic() >= until:
                attempts += 1
                if answer.status < 500 or attempts >= self._attempts:
                    raise Problem(f"{what} answered {answer.describe()}, not {status}")
            time.sleep(PAUSE)


def _same(what: str, answer: ApiResponse, wanted: Mapping[str, Any]) -> None:
    """Raise Problem when an answer's body lacks one of these values, or says another."""
    said = answer.body if isinstance(answer.body, dict) else {}
    wrong = [name for name in wanted if name not in said or said[name] != wanted[name]]
    if wrong:
        name = wrong[0]
        raise Problem(f"{what} answered {answer.status} with {name} {said.get(name)!r}, not {wanted[name]!r}")
