"""Rotating a client's API key in two phases, each of which may be interrupted and run again, under load.

Phase one puts a new key beside the one in use; both are accepted while the client changes over. Phase two drops the old
one. Which phase a client is in is in the secret itself, so a second call of a phase goes on with it. What the commands
promise of time follows from how long functions keep what they have read (lambdas/adapters/keys.py).
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import report
from orchestration.api_keys import Copy, KeySecret, WrittenMeanwhile, new_key
from orchestration.aws import Aws
from orchestration.pay import chosen
from orchestration.person import go_ahead
from orchestration.reach import reach
from shared import naming
from shared.clients import KEY_NOTICED_SECONDS, KEYS_KEPT_SECONDS
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PRIMARY, PerRole, Role
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.api_keys import Keys
    from orchestration.choice import Choice

RUNBOOK = "docs/runbooks/rotate-a-key.md"
REPLICATED_WITHIN = 120.0
"""Seconds after which a replica that has not got a value is called late. Secrets Manager promises none."""
TRIES = 5
"""How often what somebody else has written first is read again."""
LOOK = 0.2
"""Seconds between two looks at a clock."""
MARGIN = 1.0
"""Seconds: AWS tells when a version was written in whole ones."""


@dataclass(frozen=True)
class RotationWish:
    """What is to be done, beside where: empty texts were not said."""

    client: str = ""
    finish: bool = False
    join: bool = False
    out: str = ""


def rotate_key(choice: Choice, wish: RotationWish) -> int:
    """Do one phase of a rotation, or join the regions' secrets again. Raises Problem, which says what to do."""
    _require_sense(wish)
    role = chosen(choice.region) if choice.region else None
    settings = Environment.load(choice.environment, ROOT)
    place = reach(choice.target, report.tell)
    aws, name = Aws(place.variables), settings.foundation().names.of(naming.API_KEYS_SECRET)
    homes = PerRole.build(lambda each: KeySecret(aws, settings.region(each), name))

    def ask(what: str) -> None:
        report.tell(f"in {place.where}: {what}")
        go_ahead(place, choice)

    rotation = Rotation(homes, role, ask, choice.options(), functools.partial(pause, place.now))
    if wish.join:
        told = rotation.join()
    else:
        told = rotation.finish(wish.client) if wish.finish else rotation.begin(wish.client, wish.out)
    if choice.json:
        report.print_json({"environment": settings.name, "secret": name, **told.to_json()})
    else:
        print(told.said)
    return 0


@dataclass(frozen=True)
class PhaseTold:
    """What came of a phase: what was done, in which version, what to do next; never a key."""

    phase: str
    version: str
    regions: tuple[str, ...]
    """Those that have it."""
    said: str
    client: str = ""
    next: str = ""

    def to_json(self) -> dict[str, object]:
        return {
            "phase": self.phase,
            "client": self.client,
            "version": self.version,
            "regions": list(self.regions),
            "accepted_within_seconds": KEY_NOTICED_SECONDS,
            "refused_within_seconds": KEYS_KEPT_SECONDS,
            "next": self.next,
        }


@dataclass(frozen=True)
class Rotation:
    """The phases, on the secrets of both regions, or on one's alone when `role` says so: the other is out."""

    homes: PerRole[KeySecret]
    role: Role | None
    ask: Callable[[str], None]
    """Says what is about to be changed; raises Problem when somebody does not want it."""
    options: str = ""
    sleep: Callable[[float], None] = time.sleep
    """Waits seconds of the time in which functions count."""

    def begin(self, client: str, out: str) -> PhaseTold:
        """Put a new key beside the old one, and hand it over once every region that is up accepts it."""
        target = Path(out) if out else None
        if target and (target.exists() or not target.absolute().parent.is_dir()):
            raise Problem(f"--out {out}: name a file that is not there yet, in a folder that is")
        copy = self._read(client)
        if copy.keys.rotating(client):
            report.tell(f"a rotation of {client}'s key is under way ({_age(copy)} old at most): going on with it")
        else:
            self.ask(f"{client} gets a new API key in {self._where}; its present one stays valid until --finish")
            copy = self._change(copy, lambda keys: keys if keys.rotating(client) else keys.begun(client, new_key()))
        self._replicated(copy.version)
        report.tell(f"waiting {KEY_NOTICED_SECONDS + MARGIN:.0f} s, until every function asks anew for a key it misses")
        self.sleep(KEY_NOTICED_SECONDS + MARGIN)
        again = f"./invoke rotate-key --client {client}{self._here}{self.options}"
        said = [f"{self._where} accepts {client}'s new key and the one before."]
        if target:
            _hand_over(target, copy.keys.current(client))
            said.append(f"The new key is in {out}, which only you may read.")
        else:
            said.append(f"To get it: {again} --out FILE")
        said.append(f"When the client uses it everywhere: {again} --finish")
        return PhaseTold("begun", copy.version, self._regions, "\n".join(said), client, f"{again} --finish")

    def finish(self, client: str) -> PhaseTold:
        """Drop the key before."""
        copy = self._read(client)
        if not copy.keys.rotating(client):
            return PhaseTold(
                "none", copy.version, self._regions, f"{client} has one key only: nothing to finish.", client
            )
        self.ask(f"{client}'s API key before the present one goes, in {self._where}")
        late = self._replicated(copy.version)
        wait = KEYS_KEPT_SECONDS + MARGIN - (0.0 if late else copy.age)
        if wait > 0:
            report.tell(f"waiting {wait:.0f} s, until probes and canaries use the new key too")
            self.sleep(wait)
        copy = self._change(copy, lambda keys: keys.finished(client) if keys.rotating(client) else keys)
        self._replicated(copy.version)
        said = f"{client}'s key before goes: {self._where} refuses it within {KEYS_KEPT_SECONDS} s."
        return PhaseTold("finished", copy.version, self._regions, said, client)

    def join(self) -> PhaseTold:
        """Make the secondary's secret a replica again, with the newer keys of both. Raises Problem if both have new."""
        primary, secondary = self.homes.primary.read(), self.homes.secondary.read()
        if not secondary.replica:
            self._join(primary, secondary)
        version = self.homes.primary.read().version
        self._replicated(version, anew=True)
        self.sleep(KEY_NOTICED_SECONDS + MARGIN)
        said = f"{secondary.region} has the API keys of {primary.region} and follows it."
        return PhaseTold("joined", version, (primary.region, secondary.region), said)

    def _join(self, primary: Copy, secondary: Copy) -> None:
        winner = self._newer(primary, secondary)
        self.ask(
            f"the API keys of {winner.region} are to be those of both regions, and {secondary.region} follows "
            f"{primary.region} again"
        )
        if winner is secondary and primary.version != secondary.version:
            try:
                # Under the same version, so that both regions tell by it that they have the same.
                self.homes.primary.write(secondary.keys, secondary.version)
            except WrittenMeanwhile:
                raise Problem(
                    f"{primary.region} has a version {secondary.version} of another value: {RUNBOOK}, Both were rotated"
                ) from None
        if self.homes.secondary.read().version != secondary.version:
            raise Problem(f"somebody has rotated a key in {secondary.region} meanwhile: run this again")
        self.homes.primary.replicate(secondary.region, secondary.kms_key)

    def _newer(self, primary: Copy, secondary: Copy) -> Copy:
        """Return the copy that was made from the other one. Raises Problem when neither was, and nobody has chosen."""
        if primary.version == secondary.version or primary.version in self.homes.secondary.versions():
            newer = secondary
        elif secondary.version in self.homes.primary.versions():
            newer = primary
        else:
            if self.role:
                return primary if self.role == PRIMARY else secondary
            differing = ", ".join(primary.keys.differing(secondary.keys)) or "nobody"
            raise Problem(
                f"keys were rotated in {primary.region} and in {secondary.region} since {secondary.region} was "
                f"promoted; they differ for {differing}: say with --region whose keys hold ({RUNBOOK})"
            )
        if self.role and newer.region != self.homes.of(self.role).region:
            raise Problem(f"the API keys of {newer.region} are the newer ones: leave --region out")
        return newer

    @property
    def _home(self) -> KeySecret:
        return self.homes.of(self.role or PRIMARY)

    @property
    def _regions(self) -> tuple[str, ...]:
        return (self._home.region,) if self.role else tuple(each.region for _, each in self.homes.items())

    @property
    def _where(self) -> str:
        return " and ".join(self._regions)

    @property
    def _here(self) -> str:
        return f" --region {self.role}" if self.role else ""

    def _read(self, client: str) -> Copy:
        """Read the copy that is to be changed, and see that it can be. Raises Problem; nothing is changed."""
        try:
            copy = self._home.read()
            peer = None if self.role else self.homes.secondary.read()
        except Problem as problem:
            raise Problem(f"{problem}; nothing was changed ({RUNBOOK} says how to go on while a region is out)") from (
                problem.__cause__ or problem
            )
        if client not in copy.keys.clients:
            known = ", ".join(copy.keys.clients)
            raise Problem(f"unknown client {client!r}: choose {known}" if client else f"say which --client: {known}")
        if peer and not peer.replica:
            raise Problem(
                f"the API keys in {peer.region} were promoted and do not follow {copy.region}: "
                f"./invoke rotate-key --join{self.options}"
            )
        return copy

    def _change(self, copy: Copy, change: Callable[[Keys], Keys]) -> Copy:
        """Write a change over what was read, or over what somebody else has written since. Returns what is there."""
        if copy.replica:
            report.tell(f"{copy.region} follows {copy.home} no longer: its secret is promoted")
            self._home.promote()
        for _ in range(TRIES):
            changed = change(copy.keys)
            if changed is copy.keys:  # another call of the same phase was first
                return copy
            try:
                self._home.write(changed, copy.token)
            except WrittenMeanwhile:
                self.sleep(1)  # what was written is read a moment later
            copy = self._home.read()
            if not changed.differing(copy.keys):
                return copy
        raise Problem(f"somebody else goes on changing the API keys in {copy.region}: run this again")

    def _replicated(self, version: str, *, anew: bool = False) -> bool:
        """Wait until the secondary has a version, and say whether it was late. Raises Problem after a while.

        anew: it is being made a replica, and may not be there at all for a moment.
        """
        if self.role and not anew:
            return False
        there, late, waited = self.homes.secondary, False, 0.0
        while True:
            try:
                copy = there.read()
                if copy.version == version and copy.replica:
                    return late
            except Problem:
                if not anew:
                    raise
            late, waited = True, waited + 1
            if waited > REPLICATED_WITHIN:
                raise Problem(
                    f"{there.region} has not got version {version} of the API keys in {REPLICATED_WITHIN:.0f} s: "
                    "hand no key over; run this again, it goes on"
                )
            self.sleep(1)


def pause(now: Callable[[], float], seconds: float) -> None:
    """Wait until a clock has gone on by so many seconds; the sandbox's may be quicker than this machine's."""
    end = now() + seconds
    while (left := end - now()) > 0:
        time.sleep(min(left, LOOK))


def _require_sense(wish: RotationWish) -> None:
    if wish.join and (wish.client or wish.finish or wish.out):
        raise Problem("--join joins the regions' secrets: it goes with no --client, --finish or --out")
    if wish.finish and wish.out:
        raise Problem("--finish makes no key: leave --out out")


def _age(copy: Copy) -> str:
    return f"{copy.age / 60:.0f} min" if copy.age < 7200 else f"{copy.age / 3600:.0f} h"


def _hand_over(path: Path, key: str) -> None:
    """Write the key to a new file of its own. Raises Problem."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - a descriptor
            file.write(key + "\n")
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror}; run this again with another --out") from error
