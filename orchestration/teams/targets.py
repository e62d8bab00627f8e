"""The resources that a layer's team works on, as IAM names them, from the patterns of `rights.json`.

A pattern is an ARN in which `{KIND.once}` is the name of a kind of `shared/naming.py`, `{KIND.regional}` its name in
each region, `{region}` each region, `{vault}` the vault's, `{witness}` the witness's; `{account}`, `{zone}` and
`{pager}` are the environment's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared import naming
from shared.roles import ROLES

if TYPE_CHECKING:
    from shared.environment import Environment
    from shared.naming import Kind

PATTERNS: Final[Mapping[str, Kind]] = {
    "GREY_FAILURES": naming.Kind("grey-failure*", naming.ALARM),
    "CANARIES": naming.Kind("pays-in-*", naming.CANARY),
    "ALARMS": naming.Kind("*", naming.ALARM),
}
"""Names of which there are many."""
_NAME: Final = re.compile(r"\{([A-Z_]+)\.(once|regional)\}")
_ANY: Final = "*"


@dataclass(frozen=True)
class TeamTargets:
    """The patterns of one environment in one account."""

    environment: Environment
    account: str

    def arns(self, pattern: str) -> Iterator[str]:
        """What a pattern stands for; nothing where the environment has no such thing."""
        if pattern == _ANY:
            yield pattern
            return
        settings = self.environment
        plain = pattern.replace("{account}", self.account).replace("{zone}", settings.zone_name)
        plain = plain.replace("{witness}", settings.regions.witness)
        if "{pager}" in plain and not settings.edge.pager:
            return
        plain = plain.replace("{pager}", settings.edge.pager or "")
        if "{vault}" in plain:
            if settings.vault.region:
                yield from self._named(plain.replace("{vault}", settings.vault.region))
            return
        yield from self._named(plain)

    def _named(self, plain: str) -> Iterator[str]:
        found = _NAME.search(plain)
        if found is None:
            yield from self._regions(plain)
            return
        kind = PATTERNS.get(found[1]) or getattr(naming, found[1])
        if kind.entry_point not in {None, self.environment.entry_point}:
            return
        names = self.environment.foundation().names
        if found[2] == "once":
            yield from self._regions(plain.replace(found[0], names.of(kind, account=self.account)))
            return
        for role in ROLES:
            named = plain.replace(found[0], names.of(kind, role, account=self.account))
            yield named.replace("{region}", self.environment.region(role))

    def _regions(self, plain: str) -> Iterator[str]:
        for role in ROLES if "{region}" in plain else ROLES[:1]:
            yield plain.replace("{region}", self.environment.region(role))
