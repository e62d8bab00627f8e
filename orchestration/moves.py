"""Moving clients by hand: out of the primary, and back to it.

What the tasks call. An evacuation needs the environment file, the secondary's STS and its S3. A way back asks the
primary first, as its clients would; it takes the fence down without the secondary, which may be lost meanwhile.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration import report
from orchestration.api import Merchant, entry, merchant
from orchestration.api_keys import different_keys
from orchestration.fence import PrimaryFence
from orchestration.lever import RUNBOOK, Lever
from orchestration.operator import act, act_by_either
from orchestration.person import go_ahead
from orchestration.questions import Unanswered, at_once
from orchestration.reach import reach
from shared import naming, stop_switch
from shared.clients import CANARY, REPLAYED
from shared.environment import Environment
from shared.errors import Problem
from shared.failover_time import Fault, bound
from shared.roles import PRIMARY, SECONDARY
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestration.choice import Choice
    from orchestration.operator import Acting
    from orchestration.reach import Reach

ROUNDS = 3
"""Health and payments in a row that must go well: a grey failure shows in some of them only."""
PATIENCE = 5.0
STS_WITHIN = 30.0
"""Seconds that the secondary may take before a way back goes on without it, and an STS altogether."""
PAYMENT = {"amount": 1, "currency": "USD", "customerId": "restore-test"}


def evacuate(choice: Choice, *, fence: bool) -> int:
    """Move the clients out of the primary, by one write in the secondary. Doing it twice is doing it once.

    `fence`: those that have not followed when DNS has moved are refused there. Where that cannot be said, it is told.
    """
    move = _Move.of(choice)
    back = "./invoke restore" + (f" --target {choice.target}" if move.place.asks_first else "")
    following = f"To bring {move.primary} back: {back}"
    then = move.put_up_fence if fence else move.look_for_fence
    return move.make(f"take {move.primary} out of DNS", stop_switch.STOPPED, then=then, following=following)


def restore(choice: Choice, *, even_if_unhealthy: bool) -> int:
    """Let the clients back to the primary, when it serves. Raises Problem when it does not, and writes nothing.

    Returns 1 when the primary may still be fenced: it refuses them then.
    """
    move = _Move.of(choice, even_without_secondary=True)
    seen = move.seen()
    if even_if_unhealthy:
        report.tell(f"{move.primary} is not asked whether it serves")
    elif reason := _unserved(move) or _other_keys(move):
        raise Problem(f"{reason}; nothing was changed (--even-if-unhealthy restores anyway)")
    return move.make(
        f"let clients back to {move.primary}",
        stop_switch.RUN,
        first=lambda: move.take_down_fence(even_if_not=even_if_unhealthy),
        seen=seen,
    )


@dataclass(frozen=True)
class _Fenced:
    """What came of the fence."""

    said: str
    gone: bool = False
    """It stood, and was taken down."""
    well: bool = True
    """False: it may refuse whoever is let back."""


@dataclass(frozen=True)
class _Move:
    """One move of an environment's clients."""

    choice: Choice
    settings: Environment
    place: Reach
    acting: Acting
    lever: Lever

    @staticmethod
    def of(choice: Choice, *, even_without_secondary: bool = False) -> _Move:
        settings = Environment.load(choice.environment, ROOT)
        place = reach(choice.target, report.tell)
        acting: Acting | Unanswered
        if even_without_secondary:
            acting = act_by_either(settings, place, report.tell, PATIENCE, STS_WITHIN)
            if isinstance(acting, Unanswered):
                raise Problem(acting.why)
        else:
            acting = act(settings, place, report.tell)
        return _Move(choice, settings, place, acting, Lever.of(settings, acting.aws, acting.account))

    @property
    def primary(self) -> str:
        return f"{self.settings.region(PRIMARY)} (primary)"

    @property
    def fence(self) -> PrimaryFence:
        return PrimaryFence.of(self.settings, self.acting.aws)

    def seen(self) -> Mapping[str, str] | None:
        """The switch as it is now. None where it cannot be read: who may write it is not kept from doing so."""
        (found,) = at_once([self.lever.unmoved], PATIENCE)
        if isinstance(found, Unanswered):
            report.tell(f"{found.why}: the switch is written whatever it says")
            return None
        return found

    def put_up_fence(self) -> _Fenced:
        """Keep away, from when DNS has moved on, who has not followed; one that holds already goes on holding."""
        try:
            held = self.fence.put_up(self.place.now() + seconds_to_move(self.settings))
        except Problem as problem:
            return _Fenced(f"not fenced: {problem}")
        return _Fenced(f"fenced {held}: it answers new payments 503")

    def look_for_fence(self) -> _Fenced:
        """Say whether one stands, where none was wished: an earlier evacuation's is not taken down."""
        try:
            held = self.fence.standing()
        except Problem as problem:
            return _Fenced(f"not fenced by this, as was wished; whether it was before is not known: {problem}")
        if held is None or held.is_over(self.place.now()):
            return _Fenced("not fenced, as was wished")
        return _Fenced(
            f"fenced {held} all the same, by an earlier evacuation: it answers new payments 503 ({RUNBOOK} says how to "
            "take the fence down by hand)"
        )

    def take_down_fence(self, *, even_if_not: bool) -> _Fenced:
        """Let the primary take payments again. Raises Problem when it cannot be: its clients would be refused there."""
        try:
            return _Fenced("not fenced", gone=self.fence.take_down())
        except Problem as problem:
            if not even_if_not:
                raise Problem(
                    f"{problem}: {self.primary} would refuse its clients; the switch was not written "
                    "(--even-if-unhealthy restores anyway)"
                ) from problem
            return _Fenced(
                f"perhaps still fenced: {problem}. Then it answers each new payment 503, while its health and the "
                "canary look well: ./invoke restore again as soon as the table answers, or ./invoke evacuate",
                well=False,
            )

    def make(
        self,
        purpose: str,
        words: str,
        *,
        first: Callable[[], _Fenced] | None = None,
        then: Callable[[], _Fenced] | None = None,
        following: str = "",
        seen: Mapping[str, str] | None = None,
    ) -> int:
        """Say what will be written, ask where that is asked, write it, and print what happens next.

        `first` or `then` moves the fence, before or after that, and says what came of it. `seen`: how the switch must
        still be.
        """
        lever, place = self.lever, self.place
        report.tell(f"in {place.where}, account {lever.account}, {lever.region}: as {self.acting.arn}: to {purpose},")
        report.tell(f"{lever.url} is to say {words!r}")
        go_ahead(place, self.choice)
        fenced = first() if first else _Fenced("")
        version = self._say(words, seen, fenced)
        fenced = then() if then else fenced
        seconds = seconds_to_move(self.settings)
        if self.choice.json:
            report.print_json(
                {
                    "environment": self.settings.name,
                    "as": self.acting.arn,
                    "says": words,
                    "object": lever.url,
                    "region": lever.region,
                    "version": version,
                    "clients_move_within_seconds": seconds,
                    "fence": fenced.said,
                }
            )
            return 0 if fenced.well else 1
        print(f"{lever.url} says {words!r} (version {version or 'none'})")
        green = ", while the primary's checks are green" if words == stop_switch.RUN else ""
        print(f"Clients that honour the TTL follow within {seconds} s{green}.")
        print(f"{self.primary} is {fenced.said}.")
        if following:
            print(following)
        return 0 if fenced.well else 1

    def _say(self, words: str, seen: Mapping[str, str] | None, fenced: _Fenced) -> str:
        """Write the switch, and return its version. Raises Problem, with what was done before it."""
        try:
            return self.lever.say(words, seen)
        except Problem as problem:
            if not fenced.gone:
                raise
            raise Problem(
                f"{problem}; the fence is down already: {self.primary} takes new payments of who is still there, while "
                "the others stay where they are: ./invoke restore again, or ./invoke evacuate, which puts the fence up "
                f"(where the secondary is lost, DNS answers the primary: {RUNBOOK})"
            ) from problem


def seconds_to_move(settings: Environment) -> int:
    """Return within how many seconds clients that honour the TTL have followed the switch."""
    check = settings.edge.checks.stop_switch.timing()
    return bound([check], settings.edge.dns, Fault.ERROR).total


def _canary(move: _Move) -> Merchant:
    """Return the canary as a client of the primary, with its key from the secondary's copy of the secret."""
    foundation = move.settings.foundation()
    secret = move.acting.aws.secret(foundation.names.of(naming.API_KEYS_SECRET), move.settings.region(SECONDARY))
    host = foundation.region_names.of(PRIMARY)
    return merchant(CANARY, entry(move.place.gateways, move.settings.region(PRIMARY), host), secret)


def _unserved(move: _Move) -> str:
    """Why nobody can be let back; empty when it serves. The canary's key is the secondary's copy, which may be lost."""
    try:
        canary = _canary(move)
    except Problem as problem:
        return f"{move.primary} cannot be asked as the canary: {problem}"
    failure = _failure(canary)
    return f"{move.primary} does not serve: {failure}" if failure else ""


def _failure(canary: Merchant) -> str:
    """Return what a region does wrong, empty when it serves. The first round warms it up, and does not count."""
    _round(canary)
    return next(filter(None, (_round(canary) for _ in range(ROUNDS))), "")


def _round(canary: Merchant) -> str:
    key = f"restore-{secrets.token_hex(8)}"
    try:
        health = canary.health()
        if health.status != 200:
            return f"GET /health answered {health.describe()}"
        paid, again = canary.pay(PAYMENT, key), canary.pay(PAYMENT, key)
    except Problem as problem:
        return str(problem)
    if paid.status != 201:
        return f"POST /payment answered {paid.describe()}"
    if again.body != paid.body or again.headers.get(REPLAYED.lower()) != "true":
        return "POST /payment did not answer a repetition as the payment"
    return ""


def _other_keys(move: _Move) -> str:
    """Why the primary may refuse who comes back with the secondary's keys; empty when it does not."""
    try:
        return different_keys(move.settings, move.acting.aws)
    except Problem as problem:
        return str(problem)
